"""A scorer as a reranker: score every candidate, sort once."""

from __future__ import annotations

import asyncio

from shortlist.errors import ScoreError
from shortlist.protocols import AsyncScorer, Scorer
from shortlist.types import Ranking, Scores


class Pointwise:
    """Reorders candidates by one scorer's scores."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer

    def rerank(self, candidates: Ranking, *, top_k: int | None = None) -> Ranking:
        """Return the candidates by score, descending, ties in their earlier order; an empty ranking stays empty.

        Raises ScoreError when the scorer gives NaN, infinity or a wrong count.
        """
        return self._ordered(candidates, self._scorer.score(candidates.query, candidates.documents), top_k)

    async def arerank(self, candidates: Ranking, *, top_k: int | None = None) -> Ranking:
        """Return what `rerank` returns; a scorer that cannot be awaited scores in another thread."""
        if isinstance(self._scorer, AsyncScorer):
            scores = await self._scorer.ascore(candidates.query, candidates.documents)
        else:
            scores = await asyncio.to_thread(self._scorer.score, candidates.query, candidates.documents)
        return self._ordered(candidates, scores, top_k)

    @staticmethod
    def _ordered(candidates: Ranking, scores: Scores, top_k: int | None) -> Ranking:
        if len(scores.values) != len(candidates):
            raise ScoreError(f"{scores.step.stage} gave {len(scores.values)} scores for {len(candidates)} documents")
        return candidates.reordered(
            scores.values, kind=scores.kind, stage=scores.step.stage, top_k=top_k, steps=(scores.step,)
        )
