"""An answer's sentences with the marks they cite."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

# [1], [1, 2], [1][2], [1-3] and what models make of them: [passage 1], (1) is no citation
_MARKS = r"\[\s*(?:passages?\s*|source\s*|id\s*[=:]?\s*)?\"?\d{1,3}\"?(?:\s*(?:,|;|-|and)\s*\d{1,3})*\s*\]"
_CITATION = re.compile(_MARKS, re.IGNORECASE)
_RANGE = re.compile(r"(\d{1,3})\s*-\s*(\d{1,3})|(\d{1,3})")
# a sentence takes the citations behind its full stop with it
_SENTENCE = re.compile(
    rf"(?:(?<=[.!?\u2026])|(?<=[.!?][\"')]))(?P<behind>(?:\s*{_MARKS})*)\s+(?=\S)|\n+", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Cited:
    """A sentence of an answer: where it stands in the answer, its words without marks, and the marks it cites."""

    start: int
    end: int
    text: str
    marks: tuple[int, ...]


def cited(answer: str) -> Iterator[Cited]:
    """Yield an answer's sentences in order; together they cover all of it but the space between."""
    start = 0
    for boundary in _SENTENCE.finditer(answer):
        behind = boundary.group("behind")
        yield from _sentence(answer, start, boundary.start() + len(behind or ""))
        start = boundary.end()
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
    return re.sub(rf"\s*{_MARKS}", "", text, flags=re.IGNORECASE).strip()


def _sentence(answer: str, start: int, end: int) -> Iterator[Cited]:
    text = answer[start:end]
    if text.strip():
        yield Cited(start, end, without_marks(text), marks_of(text))
