"""Documents of several queries, scored or reranked at once by those that can, in turn by others."""

from __future__ import annotations

from collections.abc import Sequence

from shortlist.protocols import Group, GroupReranker, GroupScorer, Reranker, Scorer
from shortlist.types import Ranking, Scores

AT_ONCE = 64  # groups; fixed, so that batches do not depend on where they are scored


def score_groups(scorer: Scorer, groups: Sequence[Group]) -> list[Scores]:
    """Return each group's scores."""
    if isinstance(scorer, GroupScorer):
        return scorer.score_groups(groups)
    return [scorer.score(query, documents) for query, documents in groups]


def score_in_steps(scorer: Scorer, groups: Sequence[Group]) -> list[Scores]:
    """Return each group's scores, however many there are: a fixed number at once, so that memory stays bounded."""
    steps = (groups[start : start + AT_ONCE] for start in range(0, len(groups), AT_ONCE))
    return [scores for some in steps for scores in score_groups(scorer, some)]


def rerank_many(reranker: Reranker, many: Sequence[Ranking], *, top_k: int | None = None) -> list[Ranking]:
    """Return each query's ranking."""
    if isinstance(reranker, GroupReranker):
        return reranker.rerank_many(many, top_k=top_k)
    return [reranker.rerank(candidates, top_k=top_k) for candidates in many]
