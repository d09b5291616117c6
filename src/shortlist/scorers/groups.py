"""Documents of several queries, scored at once by scorers that can, in turn by others."""

from __future__ import annotations

from collections.abc import Sequence

from shortlist.protocols import Group, GroupScorer, Scorer
from shortlist.types import Scores


def score_groups(scorer: Scorer, groups: Sequence[Group]) -> list[Scores]:
    """Return each group's scores."""
    if isinstance(scorer, GroupScorer):
        return scorer.score_groups(groups)
    return [scorer.score(query, documents) for query, documents in groups]
