"""A scorer as a reranker: score every candidate, sort once."""

from __future__ import annotations

from collections.abc import Sequence

from shortlist.errors import ScoreError
from shortlist.protocols import Scorer
from shortlist.types import Document, Query, Ranking, Scores


class Pointwise:
    """Reorders candidates by one scorer's scores."""

    def __init__(self, scorer: Scorer) -> None:
        self.scorer = scorer

    def rerank(self, candidates: Ranking, *, top_k: int | None = None) -> Ranking:
        """Return the candidates by score, descending, ties in their earlier order; an empty ranking stays empty.

        Raises ScoreError when the scorer gives NaN, infinity or a wrong count.
        """
        scores = counted_scores(self.scorer, candidates.query, candidates.documents)
        return candidates.reordered(
            scores.values, kind=scores.kind, stage=scores.step.stage, top_k=top_k, steps=(scores.step,)
        )


def counted_scores(scorer: Scorer, query: Query, documents: Sequence[Document]) -> Scores:
    """Score documents; raises ScoreError when there are more or fewer scores than documents."""
    scores = scorer.score(query, documents)
    if len(scores.values) != len(documents):
        raise ScoreError(f"{scores.step.stage} gave {len(scores.values)} scores for {len(documents)} documents")
    return scores
