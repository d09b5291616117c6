"""What goes into and comes out of the shape of rerankers 0.10: documents, and results that can be looked up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Document:
    """A text with its id and metadata."""

    text: str
    doc_id: str | int
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Result:
    """A document with its score and its rank from 1; `text`, `doc_id` and what its metadata hold are attributes too."""

    document: Document
    score: float
    rank: int

    def __getattr__(self, name: str) -> Any:
        document = object.__getattribute__(self, "document")
        return document.metadata[name] if name in document.metadata else getattr(document, name)


@dataclass(frozen=True, slots=True)
class RankedResults:
    """Results, best first."""

    results: list[Result]
    query: str
    has_scores: bool = True

    def __iter__(self) -> Iterator[Result]:
        return iter(self.results)

    def __getitem__(self, place: int) -> Result:
        return self.results[place]

    def results_count(self) -> int:
        """Return how many there are."""
        return len(self.results)

    def top_k(self, k: int) -> list[Result]:
        """Return the first `k`."""
        return self.results[:k]

    def get_result_by_docid(self, doc_id: str | int) -> Result | None:
        """Return the first result of an id, or None."""
        return next((result for result in self.results if result.document.doc_id == doc_id), None)

    def get_score_by_docid(self, doc_id: str | int) -> float | None:
        """Return the score of an id, or None."""
        found = self.get_result_by_docid(doc_id)
        return None if found is None else found.score
