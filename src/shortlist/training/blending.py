"""A cross-encoder that is trained as one part of a blend: what the other parts say stands fixed beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from shortlist.protocols import Scorer
from shortlist.training.groups import Group
from shortlist.types import Document, Query


def with_offset(groups: Sequence[Group], others: Sequence[tuple[Scorer, float]]) -> Iterator[Group]:
    """Yield the groups with the weighted sum of the other parts' scores as `offset`.

    The cross-encoder then learns what they leave to be said, and the sum is what its loss sees.
    """
    for group in groups:
        query, documents = Query(group.query), [Document(text, str(i)) for i, text in enumerate(group.passages)]
        total = np.zeros(len(documents), dtype=np.float64)
        for scorer, weight in others:
            total += weight * scorer.score(query, documents).values
        yield replace(group, offset=tuple(total.round(5).tolist()))
