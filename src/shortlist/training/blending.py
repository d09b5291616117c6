"""A cross-encoder that is trained as one part of a blend: what the other parts say stands fixed beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from shortlist.protocols import Scorer
from shortlist.scorers.groups import score_in_steps
from shortlist.training.groups import Group


def with_offset(groups: Sequence[Group], others: Sequence[tuple[Scorer, float]]) -> Iterator[Group]:
    """Yield the groups with the weighted sum of the other parts' scores as `offset`.

    The cross-encoder then learns what they leave to be said, and the sum is what its loss sees.
    """
    asked = [group.asked for group in groups]
    scored = [score_in_steps(scorer, asked) for scorer, _ in others]
    for group, *parts in zip(groups, *scored, strict=True):
        total = np.zeros(len(group.passages), dtype=np.float64)
        for part, (_, weight) in zip(parts, others, strict=True):
            total += weight * part.values
        yield replace(group, offset=tuple(total.round(5).tolist()))
