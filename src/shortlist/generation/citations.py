"""An answer's sentences with the marks they cite."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

# [1], [1, 2], [1][2], [1-3] and what models make of them: [passage 1, source 2], [id="1"], 【1】; (1) is no citation
_MARK = r"(?:(?:passages?|sources?|id)\s*[=:]?\s*)?\"?\d{1,3}\"?"
_MARKS = rf"[\[\uff3b\u3010]\s*{_MARK}(?:\s*(?:[,;\uff0c\u3001-]|\u2013|and)\s*{_MARK})*\s*[\]\uff3d\u3011]"
_CITATION = re.compile(_MARKS, re.IGNORECASE)
_RANGE = re.compile(r"(\d{1,3})\s*[-\u2013]\s*(\d{1,3})|(\d{1,3})")
_ROW = rf"{_MARKS}(?:[^\S\n]*(?:[,;][^\S\n]*)?{_MARKS})*"
_CLOSED = r"[\"')\u2019\u201c\u201d\u00bb\u300d\u300f\uff09*]*"
_STOPS = "!?\u2026\u061f\u06d4\u0964\u0965"  # those of Arabic, Urdu and Hindi among them
_DENSE = "\u3002\uff01\uff1f"  # the stops of scripts written without spaces
# A stop behind a single letter (U.S., e.g.), or in quotes without spaces, ends nothing unless a citation follows. A
# sentence takes the citations behind its stop with it, also those that stand alone on the next lines; with text behind
# them they belong to that.
_END = re.compile(
    rf"(?:(?:(?<!\b[^\W\d_])\.|[{_STOPS}]){_CLOSED}|[{_DENSE}](?![{_DENSE}\u300d\u300f\uff09\u201d\u2019])"
    rf"|[.{_DENSE}]{_CLOSED}(?=[^\S\n]*{_MARKS})|(?<!\n)(?=\n))"
    rf"(?:[^\S\n]*{_ROW})?(?:[^\S\n]*\n\s*{_ROW}(?=[^\S\n]*(?:\n|\Z)))*",
    re.IGNORECASE,
)

# Short forms of English and German whose stop ends nothing: wherever they stand on a line, and before a number.
_SHORT = re.compile(r"\b(?:Dr|Prof|Mr|Mrs|Ms|Hr|vs|ca|approx|cf|bzw|vgl|inkl)\.\Z")
_NUMBERED = re.compile(r"\b(?:Nos?|Nr|Figs?|Abb|Tab|Sec|Eq|Ch|Vol|pp|Abs|Art|Kap|al|Jan|Feb|Aug|Sept|Oct|Nov|Dec)\.\Z")


@dataclass(frozen=True, slots=True)
class Cited:
    """A sentence of an answer: where it stands in the answer, its words without marks, and the marks it cites."""

    start: int
    end: int
    text: str
    marks: tuple[int, ...]


def cited(answer: str) -> Iterator[Cited]:
    """Yield an answer's sentences in order; together they cover all of it but the space between.

    What says nothing by itself, such as a list's number, belongs to the sentence behind it.
    """
    start = 0
    for found in _END.finditer(answer):
        end = found.end()
        is_end = answer[found.start()] in _DENSE or (answer[end : end + 1].isspace() and not _is_short(answer, end))
        if is_end and _says_something(answer[start:end]):
            yield from _sentence(answer, start, end)
            start = end
    yield from _sentence(answer, start, len(answer))


def marks_of(text: str) -> tuple[int, ...]:
    """Return the marks that a text cites, each once, in order; `[2-4]` cites three."""
    found: list[int] = []
    for citation in _CITATION.finditer(text):
        for first, last, single in _RANGE.findall(citation.group()):
            found += [int(single)] if single else range(int(first), min(int(last), int(first) + 20) + 1)
    return tuple(dict.fromkeys(found))


def without_marks(text: str) -> str:
    """Return a text without its citations, and without the space before them."""
    return re.sub(rf"\s*{_ROW}", "", text, flags=re.IGNORECASE).strip()


def _says_something(text: str) -> bool:
    """Whether there is a letter, or a number with a citation."""
    text = text.strip()
    words = without_marks(text) if text else ""
    return any(map(str.isalpha, words)) or (words != text and any(map(str.isdigit, words)))


def _is_short(answer: str, end: int) -> bool:
    before, behind = answer[max(0, end - 8) : end], answer[end : end + 2]
    is_numbered = behind[1:].isdigit() and _NUMBERED.search(before) is not None
    return behind[:1] != "\n" and (is_numbered or _SHORT.search(before) is not None)


def _sentence(answer: str, start: int, end: int) -> Iterator[Cited]:
    text = answer[start:end]
    if text.strip():
        start, end = start + len(text) - len(text.lstrip()), start + len(text.rstrip())
        yield Cited(start, end, without_marks(text), marks_of(text))
