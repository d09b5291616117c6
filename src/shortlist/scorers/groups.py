"""Documents of several queries, scored at once by scorers that can, in turn by others."""

from __future__ import annotations

from collections.abc import Sequence

from shortlist.protocols import Group, GroupScorer, Scorer
from shortlist.types import Scores

_AT_ONCE = 64  # groups; fixed, so that batches do not depend on where they are scored


def score_groups(scorer: Scorer, groups: Sequence[Group]) -> list[Scores]:
    """Return each group's scores."""
    if isinstance(scorer, GroupScorer):
        return scorer.score_groups(groups)
    return [scorer.score(query, documents) for query, documents in groups]


def score_in_steps(scorer: Scorer, groups: Sequence[Group]) -> list[Scores]:
    """Return each group's scores, however many there are: a fixed number at once, so that memory stays bounded."""
    steps = (groups[start : start + _AT_ONCE] for start in range(0, len(groups), _AT_ONCE))
    return [scores for some in steps for scores in score_groups(scorer, some)]
