"""A scorer as a reranker: score every candidate, sort once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from shortlist.errors import ScoreError
from shortlist.protocols import AsyncScorer, Scorer
from shortlist.scorers.groups import score_in_steps
from shortlist.types import Document, Query, Ranking, Scores
from shortlist.types.ranking import check_top_k


class Pointwise:
    """Reorders candidates by one scorer's scores."""

    def __init__(self, scorer: Scorer) -> None:
        self.scorer = scorer

    def rerank(self, candidates: Ranking, *, top_k: int | None = None) -> Ranking:
        """Return the candidates by score, descending, ties in their earlier order; an empty ranking stays empty.

        Raises ScoreError when the scorer gives NaN, infinity or a wrong count.
        """
        check_top_k(top_k)
        return _ordered(candidates, counted_scores(self.scorer, candidates.query, candidates.documents), top_k)

    def rerank_many(self, many: Sequence[Ranking], *, top_k: int | None = None) -> list[Ranking]:
        """Return what `rerank` returns for each query's candidates; those of a `GroupScorer` share batches."""
        check_top_k(top_k)
        scored = score_in_steps(self.scorer, [(candidates.query, candidates.documents) for candidates in many])
        return [
            _ordered(candidates, counted(scores, len(candidates)), top_k)
            for candidates, scores in zip(many, scored, strict=True)
        ]

    async def arerank(self, candidates: Ranking, *, top_k: int | None = None) -> Ranking:
        """Return what `rerank` returns; a scorer that cannot be awaited scores in another thread."""
        check_top_k(top_k)
        if isinstance(self.scorer, AsyncScorer):
            scores = await self.scorer.ascore(candidates.query, candidates.documents)
            return _ordered(candidates, counted(scores, len(candidates)), top_k)
        return await asyncio.to_thread(self.rerank, candidates, top_k=top_k)


def _ordered(candidates: Ranking, scores: Scores, top_k: int | None) -> Ranking:
    return candidates.reordered(
        scores.values, kind=scores.kind, stage=scores.step.stage, top_k=top_k, steps=(scores.step,)
    )


def counted_scores(scorer: Scorer, query: Query, documents: Sequence[Document]) -> Scores:
    """Score documents; raises ScoreError when there are more or fewer scores than documents."""
    return counted(scorer.score(query, documents), len(documents))


def counted(scores: Scores, documents: int) -> Scores:
    """Return scores as they are; raises ScoreError when there are more or fewer than documents."""
    if len(scores.values) != documents:
        raise ScoreError(f"{scores.step.stage} gave {len(scores.values)} scores for {documents} documents")
    return scores
