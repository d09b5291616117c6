"""The seam between retrievers and what holds the documents, here or on an engine that shards and replicates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np
import numpy.typing as npt

from shortlist.retrieval.documents import Manifest
from shortlist.retrieval.filters import Where
from shortlist.types import Document

_TIES_AT_MOST = 4096
_MOST = 2**31  # engines' numbers end somewhere, and none has so many documents

AnyHit = TypeVar("AnyHit", bound="Hit")


@dataclass(frozen=True, slots=True)
class Found:
    """What one search found: documents with scores, best first, and what the trace says of how."""

    hits: tuple[tuple[Document, float], ...]
    facts: Mapping[str, str] = field(default_factory=dict)
    degradations: tuple[str, ...] = ()


@runtime_checkable
class Searchable(Protocol):
    """Documents that are found by their words and by their vectors."""

    @property
    def name(self) -> str:
        """Where the documents are, for messages: a folder or an address."""
        ...

    @property
    def manifest(self) -> Manifest:
        """What they were indexed with."""
        ...

    @property
    def vector_search(self) -> str:
        """How a search by vector finds the nearest, for the trace: `exact` when it compares every vector."""
        ...

    @property
    def is_remote(self) -> bool:
        """Whether a search waits for another machine, so that several had better be made at the same time."""
        ...

    def search_text(self, text: str, *, depth: int, where: Where | None = None) -> Found:
        """Return at most `depth` documents by BM25: those that share a word with the text, which is no query language.

        Ties are in the order in which the documents came in.
        """
        ...

    def search_vector(self, vector: npt.NDArray[np.float32], *, depth: int, where: Where | None = None) -> Found:
        """Return at most `depth` documents by the cosine to a vector `[dimension]`; ties as in `search_text`."""
        ...


@runtime_checkable
class Store(Searchable, Protocol):
    """Documents that can also be written, counted and looked up. Each writing call is seen by the next search."""

    def upsert(self, documents: Sequence[Document]) -> None:
        """Add documents, replacing those of the same doc_id; of one id given twice the later wins."""
        ...

    def delete(self, doc_ids: Sequence[str]) -> None:
        """Remove documents; an id that is not there does not matter."""
        ...

    def get(self, doc_id: str) -> Document:
        """Return a document. Raises InputError when there is none of that id."""
        ...

    def count(self, where: Where | None = None) -> int:
        """Return how many documents there are, or how many meet a filter."""
        ...

    def close(self) -> None:
        """Give back what is open; a second call does nothing."""
        ...


class Hit(Protocol):
    """A point that a search gave, before its document is looked up."""

    @property
    def order(self) -> int:
        """Its place in the order of arrival."""
        ...

    @property
    def score(self) -> float:
        """Its score; higher is better."""
        ...


def best_of(
    ask: Callable[[int], Sequence[AnyHit]], look_up: Callable[[Sequence[AnyHit]], Sequence[Document | None]], depth: int
) -> tuple[tuple[Document, float], ...]:
    """Return the best `depth` documents that may be shown; engines order equal scores at random, and this does not.

    `ask` gives at most so many hits, the best ones; it is asked for more until no tie is cut. Only then
    `look_up` gives the documents of the best, None for one that may not be shown.
    """
    depth = min(depth, _MOST)
    wanted, limit = depth, depth + 8
    while True:
        hits = sorted(ask(limit), key=lambda hit: (-hit.score, hit.order))
        is_all = len(hits) < limit
        if not is_all and hits[-1].score == hits[wanted - 1].score and limit < wanted + _TIES_AT_MOST:
            limit *= 2
            continue
        best = hits[:wanted]
        shown = [(found, hit.score) for hit, found in zip(best, look_up(best), strict=True) if found is not None]
        if len(shown) >= depth or (is_all and wanted >= len(hits)):
            return tuple(shown[:depth])
        wanted += depth - len(shown)
        limit = max(limit, wanted + 8)
