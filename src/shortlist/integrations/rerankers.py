"""The shape of rerankers 0.10 (AnswerDotAI), so that switching is one import.

    from shortlist.integrations.rerankers import Reranker
    Reranker("shortlist-l6").rank("how tall?", ["330 m", "of iron"], doc_ids=["a", "b"]).top_k(1)

https://github.com/AnswerDotAI/rerankers. Equal texts stay distinct; a failure is an error, never None.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from shortlist import build
from shortlist.errors import InputError
from shortlist.integrations.rows import Rows, areranked, reranked
from shortlist.settings import DEFAULT_MODEL


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


class Reranker:
    """Reranks texts or Documents; `model_type` is not needed. Other options are those of `shortlist.Reranker.load`."""

    def __init__(self, model_name: str = DEFAULT_MODEL, *, model_type: str | None = None, **options: Any) -> None:
        self._reranker = build.Reranker(model_name, **options)

    def rank(
        self,
        query: str,
        docs: str | Sequence[Any],
        doc_ids: Sequence[str | int] | None = None,
        metadata: Sequence[Mapping[str, Any]] | None = None,
    ) -> RankedResults:
        """Return every document, best first. Raises InputError when there are more or fewer ids than documents."""
        given = _given(docs, doc_ids, metadata)
        return _results(query, given, reranked(self._reranker, query, [document.text for document in given]))

    def score(self, query: str, doc: str) -> float:
        """Return the score of one text."""
        return reranked(self._reranker, query, [doc])[0][1]

    async def rank_async(self, query: str, docs: Sequence[Any], doc_ids: Sequence[str | int] | None = None) -> Any:
        """Return what `rank` does, without blocking the event loop."""
        given = _given(docs, doc_ids, None)
        return _results(query, given, await areranked(self._reranker, query, [document.text for document in given]))


def _given(docs: Any, doc_ids: Any, metadata: Any) -> list[Document]:
    texts = [docs] if isinstance(docs, str) else list(docs)
    ids, about = doc_ids or list(range(len(texts))), metadata or [{}] * len(texts)
    if not len(ids) == len(about) == len(texts):
        raise InputError(f"{len(texts)} documents came with {len(ids)} doc_ids and {len(about)} metadata")
    return [Document(t, i, m) if isinstance(t, str) else t for t, i, m in zip(texts, ids, about, strict=True)]


def _results(query: str, given: Sequence[Document], rows: Rows) -> RankedResults:
    return RankedResults([Result(given[row], score, rank) for rank, (row, score) in enumerate(rows, 1)], query)
