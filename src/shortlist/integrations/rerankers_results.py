"""What goes into and comes out of the shape of rerankers 0.10: documents, and results that can be looked up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Document:
    """A text with its id and metadata; without an id it is named by its place when it is ranked."""

    text: str
    doc_id: str | int | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.metadata is None:
            object.__setattr__(self, "metadata", {})


@dataclass(frozen=True, slots=True)
class Result:
    """A document with its score and rank from 1; `text`, `doc_id` and what else its metadata hold are attributes."""

    document: Document
    score: float | None
    rank: int

    def __getattr__(self, name: str) -> Any:
        document = object.__getattribute__(self, "document")
        is_its_own = hasattr(document, name) or name not in document.metadata
        return getattr(document, name) if is_its_own else document.metadata[name]


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
