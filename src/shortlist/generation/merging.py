"""Passages that belong together: near-duplicates become one, neighbours in a file are joined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from shortlist.types import Document

ALIKE = 0.8
_SHINGLE = 3


@dataclass(frozen=True, slots=True)
class Merged:
    """A document to be shown, and the ranked ones it stands for; `rank` is that of the best of them, from 0."""

    document: Document
    sources: tuple[Document, ...]
    rank: int


def distinct(documents: Sequence[Document], most: int, *, alike: float = ALIKE) -> list[Merged]:
    """Return `most` documents, best first; one that is nearly like a better one is only among its sources.

    How alike two are is the Jaccard coefficient of their sets of three words in a row, in lower
    case (Broder 1997). Titles do not count.
    """
    kept: list[tuple[set[tuple[str, ...]], list[Document]]] = []
    for document in documents:
        shingles = _shingles(document.text)
        twins = next((sources for known, sources in kept if _jaccard(known, shingles) >= alike), None)
        if twins is not None:
            twins.append(document)
        elif len(kept) < most:
            kept.append((shingles, [document]))
    return [Merged(sources[0], tuple(sources), rank) for rank, (_, sources) in enumerate(kept)]


def joined(passages: Sequence[Merged]) -> list[Merged]:
    """Join passages that follow each other in a file, with nothing between them; each stands at its best rank.

    Passages of one text that was cut follow each other by their numbers, others from one line to the next.
    """
    by_place = sorted(passages, key=lambda one: (_path(one.document), _lines(one.document), _part(one.document)[1]))
    runs: list[list[Merged]] = [[one] for one in by_place[:1]]
    for before, after in pairwise(by_place):
        if _are_neighbours(before.document, after.document):
            runs[-1].append(after)
        else:
            runs.append([after])
    return sorted(map(_join, runs), key=lambda one: one.rank)


def _are_neighbours(before: Document, after: Document) -> bool:
    (_, last), (first, _) = _lines(before), _lines(after)
    if not (_path(before) and first) or _path(before) != _path(after):
        return False
    (whole, number), (other, next_number) = _part(before), _part(after)
    return whole == other and (next_number - number == 1 if whole else first - last == 1)


def _join(run: Sequence[Merged]) -> Merged:
    best_first = sorted(run, key=lambda one: one.rank)
    if len(run) == 1:
        return run[0]
    first, last = run[0].document, run[-1].document
    assert first.place is not None
    assert last.place is not None
    text = first.text
    for before, after in pairwise(one.document for one in run):
        text += _between(before, after) + after.text
    place = replace(first.place, last_line=last.place.last_line)
    document = Document(text, first.doc_id, first.title, best_first[0].document.metadata, place)
    return Merged(document, tuple(source for one in best_first for source in one.sources), best_first[0].rank)


def _between(before: Document, after: Document) -> str:
    """Return what stands between two neighbours: a space inside a line, or a line break with a new heading."""
    if _lines(before)[1] == _lines(after)[0]:
        return " "
    heading = f"\n{after.title}" if after.title and after.title != before.title else ""
    return f"\n{heading}\n" if heading or _lines(after)[0] - _lines(before)[1] > 1 else "\n"


def _path(document: Document) -> str:
    return document.place.path if document.place is not None else ""


def _lines(document: Document) -> tuple[int, int]:
    return (document.place.first_line, document.place.last_line) if document.place is not None else (0, 0)


def _part(document: Document) -> tuple[str, int]:
    """Return the text that a passage was cut from, a file or a row of it, and its number; ("", 0) if unknown."""
    whole, _, number = document.doc_id.rpartition("#")
    is_part = whole in (_path(document), document.metadata.get("row_id")) and number.isdecimal()
    return (whole, int(number)) if whole and is_part else ("", 0)


def _shingles(text: str) -> set[tuple[str, ...]]:
    words = text.lower().split()
    return {tuple(words[i : i + _SHINGLE]) for i in range(max(1, len(words) - _SHINGLE + 1))}


def _jaccard(ours: set[tuple[str, ...]], theirs: set[tuple[str, ...]]) -> float:
    return len(ours & theirs) / len(ours | theirs)
