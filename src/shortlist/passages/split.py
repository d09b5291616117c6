"""Cutting a block that is too long: at line or sentence ends, then at words, then at characters."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate

from shortlist.passages.blocks import Block
from shortlist.passages.size import PassageSize, count_words, word_spans

# a sentence ends at its mark and the space after it (no space in Chinese and Japanese), the marks of Arabic, Urdu and
# Hindi among them, at a list item and at a table row
_SENTENCE_END = re.compile(
    r"[.!?\u2026\u061f\u06d4\u0964\u0965][\"')\]\u2019\u201d]*\s+|[\u3002\uff01\uff1f]\s*"
    r"|\n(?=[ \t]*(?:[-*+\u2022|]|\d{1,9}[.)])\s)"
)
_LINE_END = re.compile(r"\n+")
_WORD_END = re.compile(r"\s+")
_SMALL = 4  # an end smaller than a quarter of the target joins what stands before it


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a block, or a whole one, with its size in words."""

    text: str
    first_line: int
    last_line: int
    size: int


@dataclass(frozen=True, slots=True)
class _Unit:
    start: int
    end: int
    size: int


def split(block: Block, size: PassageSize) -> Iterator[Piece]:
    """Yield the block in pieces of about the target size, none over the maximum.

    Words are never cut unless one alone is over the maximum or its script has no spaces.
    """
    total = count_words(block.text)
    spans = [_Unit(0, len(block.text), total)] if total <= size.maximum else _packed(block, total, size)
    starts = list(accumulate((len(line) + 1 for line in block.text.split("\n")), initial=0))
    for span in spans:
        start, end = _trimmed(block.text, span.start, span.end, is_verbatim=block.is_verbatim)
        if start < end:
            yield Piece(
                block.text[start:end],
                block.lines[bisect_right(starts, _first_letter(block.text, start)) - 1],
                block.lines[bisect_right(starts, end - 1) - 1],
                span.size,
            )


def is_small(words: int, size: PassageSize) -> bool:
    """Tell whether this is too little to stand alone when a neighbour has room for it."""
    return words * _SMALL < size.target


def _packed(block: Block, total: int, size: PassageSize) -> list[_Unit]:
    # equal shares read better than full pieces and a scrap at the end
    share = -(-total // -(-total // size.target))
    packed: list[_Unit] = []
    for unit in _units(block.text, size.maximum, is_verbatim=block.is_verbatim):
        if packed and packed[-1].size + unit.size <= share:
            packed[-1] = _joined(packed[-1], unit)
        else:
            packed.append(unit)
    if len(packed) > 1 and is_small(packed[-1].size, size) and packed[-2].size + packed[-1].size <= size.maximum:
        packed[-2:] = [_joined(packed[-2], packed[-1])]
    return packed


def _joined(first: _Unit, second: _Unit) -> _Unit:
    return _Unit(first.start, second.end, first.size + second.size)


def _units(text: str, maximum: int, *, is_verbatim: bool) -> Iterator[_Unit]:
    ends = _LINE_END if is_verbatim else _SENTENCE_END
    for unit in _between(text, 0, len(text), ends):
        if unit.size <= maximum:
            yield unit
        else:
            yield from _smaller_units(text, unit, maximum)


def _smaller_units(text: str, unit: _Unit, maximum: int) -> Iterator[_Unit]:
    for word in _between(text, unit.start, unit.end, _WORD_END):
        if word.size <= maximum:
            yield word
        else:
            yield from _letters(text, word)


def _between(text: str, start: int, end: int, ends: re.Pattern[str]) -> Iterator[_Unit]:
    """Cut `text[start:end]` after each match; no character is lost."""
    for cut in _with_last((match.end() for match in ends.finditer(text, start, end)), end):
        if cut > start:
            yield _Unit(start, cut, count_words(text[start:cut]))
            start = cut


def _letters(text: str, word: _Unit) -> Iterator[_Unit]:
    start = word.start
    for _, end in word_spans(text, word.start, word.end):
        yield _Unit(start, end, 1)
        start = end
    if start < word.end:
        yield _Unit(start, word.end, 0)  # white space after the last letter


def _with_last(cuts: Iterable[int], last: int) -> Iterator[int]:
    yield from cuts
    yield last


def _first_letter(text: str, start: int) -> int:
    match = re.compile(r"\S").search(text, start)
    return match.start() if match else start


def _trimmed(text: str, start: int, end: int, *, is_verbatim: bool) -> tuple[int, int]:
    """Leave out white space at both ends, but keep the indentation of a verbatim piece's first line."""
    end = start + len(text[start:end].rstrip())
    if start < end:
        first = _first_letter(text, start)
        start = max(start, text.rfind("\n", start, first) + 1) if is_verbatim else first
    return start, end
