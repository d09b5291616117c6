"""What a model answered becomes an order, whatever it answered.

Bracketed ids come first: a bare number in prose ("these 20 passages") is no id. What is
missing keeps its earlier place behind what is named. Every repair is counted.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from shortlist.generators.reasoning import without_reasoning

# names of the repairs, as they are counted in a step
REASONING = "reasoning_removed"
FOREIGN_DIGITS = "digits_normalised"
RANGES = "ranges_expanded"
BARE_NUMBERS = "bare_numbers_read"
DUPLICATES = "duplicates_dropped"
OUT_OF_RANGE = "unknown_ids_dropped"
MISSING = "missing_appended"
UNREADABLE = "unreadable_answers"
REPAIRS = (REASONING, FOREIGN_DIGITS, RANGES, BARE_NUMBERS, DUPLICATES, OUT_OF_RANGE, MISSING, UNREADABLE)

_BRACKETED = re.compile(r"\[([^\[\]]{1,400})\]")
_RANKED = re.compile(  # "[3] > [1] > [2]", also where some are equal or in bold: "**[3]** >= [1] = [2]"
    r"(?:\[[^\[\]]{1,400}\][\s*]*[>=]+[\s*]*)+\[[^\[\]]{1,400}\]"
)
_RANGE_OR_ID = re.compile(r"(\d+)\s*(?:-|\u2013|\u2014|\.{2,3}|\u2026|\bto\b)\s*(\d+)|(\d+)")
_CHAIN = re.compile(  # "3 > 1 > 2", "Passage 3, Passage 1": two numbers at least, and nothing but separators between
    r"(?:passage|document|doc|id)?\s*#?\d+(?:\s*(?:>|,|;|=|\n|\s)\s*(?:passage|document|doc|id)?\s*#?\d+)+",
    re.IGNORECASE,
)
_ENDLESS = re.compile(r"\d{11,}|\s{11,}")  # a model that repeats itself; patterns take the square of its length
_LINE_NUMBER = re.compile(r"^[^\S\n]*(\d+)[.):][^\S\n]+(?=\S)", re.MULTILINE)
_ONE = re.compile(r"\W*(?:(?:passage|document|doc|id)\W*)?(\d+)\W*", re.IGNORECASE)

_ANSWER = r"(?i:\banswer(?:\s+is\b|\W{0,2}[:>=]))|\\boxed"  # "The answer is", "**Answer:**", "<answer>", "\boxed{"
_NO_PROSE = (  # what follows a label, but no article and no pronoun: "B: because", "B (it is", not "A tower", "I'm"
    r"(?:\s*(?:$|\n|[.:,;!)\]}>(<])|\s+(?:[-\u2013\u2014]\s|is\b|because\b)|[\"'*](?!\w))"
)


@dataclass(frozen=True, slots=True)
class Parsed:
    """An order of the places 0..n-1, how many of them the answer named, and how often which repair was needed."""

    order: tuple[int, ...]
    named: int
    repairs: Counter[str] = field(default_factory=Counter, hash=False)


def parse_order(text: str, count: int) -> Parsed:
    """Read an order of `count` passages, which are called 1..count; always a permutation of 0..count-1.

    A refusal or an empty answer is the earlier order.
    """
    repairs: Counter[str] = Counter()
    cleaned = _ENDLESS.sub(lambda run: run[0][:1] * 10, _ascii(_answered(text, repairs), repairs))
    return completed(_ids(cleaned, count, repairs), count, repairs)


def completed(named: Sequence[int], count: int, repairs: Counter[str]) -> Parsed:
    """Return the ids (from 1) as an order of `count` places: known ones once each, then the missing ones."""
    known = [number - 1 for number in named if 1 <= number <= count]
    order = list(dict.fromkeys(known))
    repairs[OUT_OF_RANGE] += len(named) - len(known)
    repairs[DUPLICATES] += len(known) - len(order)
    repairs[UNREADABLE] += not order
    repairs[MISSING] += count - len(order) if order else 0
    seen = set(order)
    return Parsed((*order, *(place for place in range(count) if place not in seen)), len(order), +repairs)


def parse_label(text: str, labels: Sequence[str], repairs: Counter[str]) -> int | None:
    """Return the place of the label ("A", "B", ...) that an answer gives; None, counted, when there is none.

    It stands at the beginning, or behind "answer"; else it is the first that is called a
    passage or stands in quotes or brackets. "A passage" and "I think" begin with no label.
    """
    cleaned = _answered(text, repairs).strip()
    allowed = "|".join(map(re.escape, labels))
    quoted = rf"[\[(\"'*{{]\s*(?:passage\s+)?(?=(?:{allowed})\s*[\])\"'*}}])"
    patterns = (
        rf"^\W*(?i:({allowed}))\W*$",  # the label alone
        rf"^\W*({allowed}){_NO_PROSE}",
        rf"(?:{_ANSWER})[\s:*\"'(\[{{]*(?i:passage\W*)?({allowed}){_NO_PROSE}",
        rf"(?i:(?:{quoted}|\bpassage\s*[:\"'(\[]?\s*)({allowed})\b)",
    )
    for pattern in patterns:
        found = re.search(pattern, cleaned)
        if found:
            return [label.lower() for label in labels].index(found[1].lower())
    repairs[UNREADABLE] += 1
    return None


def _answered(text: str, repairs: Counter[str]) -> str:
    cleaned = without_reasoning(text)
    repairs[REASONING] += cleaned != text
    return cleaned


def _ascii(text: str, repairs: Counter[str]) -> str:
    if text.isascii():
        return text
    plain = [_plain(letter) for letter in text]
    repairs[FOREIGN_DIGITS] += any(
        new != old and any(map(str.isdigit, new)) for old, new in zip(text, plain, strict=True)
    )
    return "".join(plain)


def _plain(letter: str) -> str:
    """Return full-width, superscript, circled and other scripts' digits as ASCII, and their brackets alike."""
    if letter in "\uff3b\u3010\u3014":
        return "["
    if letter in "\uff3d\u3011\u3015":
        return "]"
    if letter == "\uff1e":
        return ">"
    if letter.isascii() or unicodedata.category(letter) not in {"Nd", "No"}:
        return letter
    value = unicodedata.numeric(letter)
    if not value.is_integer():
        return letter
    # a circled 12 is one sign and so one id; superscripts and digits of other scripts stand in a row for one
    in_a_row = unicodedata.category(letter) == "Nd" or unicodedata.decomposition(letter).startswith("<su")
    return str(int(value)) if in_a_row else f"[{int(value)}]"


def _ids(text: str, count: int, repairs: Counter[str]) -> list[int]:
    ranked = max(_RANKED.findall(text), key=lambda run: run.count("["), default="")  # it may follow talk of some ids
    groups = _BRACKETED.findall(ranked) + _BRACKETED.findall(text.replace(ranked, " ", 1) if ranked else text)
    inside = [found for group in groups for found in _numbers(group, count, repairs)]
    if inside:
        return inside
    text = _unnumbered(text)
    chains = _CHAIN.findall(text)
    alone = _ONE.fullmatch(text)
    found = [_number(n) for n in re.findall(r"\d+", " ".join([*chains, alone[1] if alone else ""]))]
    repairs[BARE_NUMBERS] += bool(found)
    return found


def _unnumbered(text: str) -> str:
    """Return a list without the numbers of its lines, if they count 1, 2, 3, ...: "1. Passage 3" is passage 3."""
    numbers = [int(number) for number in _LINE_NUMBER.findall(text)]
    return _LINE_NUMBER.sub("", text) if numbers == list(range(1, len(numbers) + 1)) else text


def _numbers(group: str, count: int, repairs: Counter[str]) -> Iterator[int]:
    """Yield the ids inside a pair of brackets: "3", "Passage 3", "3, 1", "3-5"."""
    for first, last, single in _RANGE_OR_ID.findall(group):
        if single:
            yield _number(single)
            continue
        a, b = _number(first), _number(last)
        if not (1 <= a <= count and 1 <= b <= count):
            yield from (a, b)
            continue
        repairs[RANGES] += 1
        yield from range(a, b + 1) if a <= b else range(a, b - 1, -1)


def _number(digits: str) -> int:
    return int(digits) if len(digits) < 10 else 0  # 0 is nobody's id
