"""The shape of rerankers 0.10 (AnswerDotAI), so that switching is one import.

    from shortlist.integrations.rerankers import Reranker
    Reranker("shortlist-l6").rank("how tall?", ["330 m", "of iron"], doc_ids=["a", "b"]).top_k(1)

https://github.com/AnswerDotAI/rerankers. Equal texts stay distinct; a failure is an error, never None.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shortlist.build import reranker
from shortlist.errors import InputError
from shortlist.integrations.rerankers_results import Document, RankedResults, Result
from shortlist.integrations.rows import Rows, areranked, reranked
from shortlist.settings import DEFAULT_MODEL

__all__ = ["Document", "RankedResults", "Reranker", "Result"]


class Reranker:
    """Reranks texts or Documents; `model_type` is not needed. Other options are those of `shortlist.Reranker.load`."""

    def __init__(self, model_name: str = DEFAULT_MODEL, *, model_type: str | None = None, **options: Any) -> None:
        self._reranker = reranker.Reranker(model_name, **options)

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
