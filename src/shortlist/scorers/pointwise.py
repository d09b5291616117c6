"""A scorer as a reranker: score every candidate, sort once."""

from __future__ import annotations

from shortlist.errors import ScoreError
from shortlist.protocols import Scorer
from shortlist.types import Ranking


class Pointwise:
    """Reorders candidates by one scorer's scores."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer

    def rerank(self, candidates: Ranking, *, top_k: int | None = None) -> Ranking:
        """Return the candidates by score, descending, ties in their earlier order; an empty ranking stays empty.

        Raises ScoreError when the scorer gives NaN, infinity or a wrong count.
        """
        scores = self._scorer.score(candidates.query, candidates.documents)
        if len(scores.values) != len(candidates):
            raise ScoreError(f"{scores.step.stage} gave {len(scores.values)} scores for {len(candidates)} documents")
        return candidates.reordered(
            scores.values, kind=scores.kind, stage=scores.step.stage, top_k=top_k, steps=(scores.step,)
        )
