"""Retrieve candidates, rerank them, keep the first few, and write down what was done."""

from __future__ import annotations

from shortlist.errors import InputError
from shortlist.pipeline.fallback import Fallback
from shortlist.protocols import Reranker, Retriever
from shortlist.types import Query, Ranking
from shortlist.types.ranking import check_top_k


class Pipeline:
    """A retriever and a reranker; without a reranker the first stage's order stands."""

    def __init__(self, retriever: Retriever, reranker: Reranker | None) -> None:
        self._retriever = retriever
        self._reranker = None if reranker is None else Fallback([("reranking", reranker)])

    def search(self, query: str | Query, *, top_k: int = 5, depth: int = 100) -> Ranking:
        """Fetch `depth` candidates and return the best `top_k` of them, with the trace of every step.

        When the reranker fails, the first stage's order is returned and the trace says so.
        Raises InputError for an empty query, when `top_k` is above `depth`, or when the
        reranker was asked for what it cannot do.
        """
        check_top_k(top_k)
        check_top_k(depth, name="depth")
        if top_k > depth:
            raise InputError(f"top_k={top_k} asks for more than depth={depth} candidates can give; raise depth")
        candidates = self._retriever.retrieve(Query.of(query), depth=depth)
        if self._reranker is None:
            return candidates.head(top_k)
        return self._reranker.rerank(candidates, top_k=top_k)
