"""Retrieve candidates, rerank them, keep the first few, and write down what was done."""

from __future__ import annotations

import time

from shortlist.errors import InputError, ShortlistError
from shortlist.protocols import Reranker, Retriever
from shortlist.types import Query, Ranking, Step
from shortlist.types.ranking import check_top_k


class Pipeline:
    """A retriever and a reranker; without a reranker the first stage's order stands."""

    def __init__(self, retriever: Retriever, reranker: Reranker | None) -> None:
        self._retriever = retriever
        self._reranker = reranker

    def search(self, query: str | Query, *, top_k: int = 5, depth: int = 100) -> Ranking:
        """Fetch `depth` candidates and return the best `top_k` of them, with the trace of every step.

        When the reranker fails, the first stage's order is returned and the trace says so.
        Raises InputError for an empty query, or when `top_k` is above `depth`.
        """
        check_top_k(top_k)
        check_top_k(depth, name="depth")
        if top_k > depth:
            raise InputError(f"top_k={top_k} asks for more than depth={depth} candidates can give; raise depth")
        candidates = self._retriever.retrieve(Query.of(query), depth=depth)
        if self._reranker is None:
            return candidates.head(top_k)
        return self._rerank(self._reranker, candidates, top_k)

    @staticmethod
    def _rerank(reranker: Reranker, candidates: Ranking, top_k: int) -> Ranking:
        began = time.perf_counter()
        try:
            return reranker.rerank(candidates, top_k=top_k)
        except ShortlistError as error:
            note = f"reranking failed, so the {candidates.stage} order stands: {type(error).__name__}: {error}"
            step = Step("fallback", (time.perf_counter() - began) * 1000, {"documents": len(candidates)}, {}, (note,))
            return candidates.head(top_k).traced(step)
