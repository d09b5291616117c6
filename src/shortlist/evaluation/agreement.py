"""How far two scorings of the same candidates agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of one query's scores with the reference's: Kendall's tau-b, share of a common top 10, largest difference."""

    tau: float
    top_10_overlap: float
    largest_difference: float


def agreement(scores: Floats, reference: Floats) -> Agreement:
    """Compare two scorings `[documents]`, two documents at least; where one has no spread, tau is 0."""
    both = len(np.intersect1d(_top(scores, 10), _top(reference, 10)))
    difference = float(np.abs(scores - reference).max())
    return Agreement(kendall_tau(scores, reference), both / min(10, len(scores)), difference)


def over_queries(agreements: Sequence[Agreement]) -> Agreement:
    """Return the mean tau and overlap, and the largest of the differences."""
    return Agreement(
        float(np.mean([a.tau for a in agreements])),
        float(np.mean([a.top_10_overlap for a in agreements])),
        max(a.largest_difference for a in agreements),
    )


def kendall_tau(scores: Floats, reference: Floats) -> float:
    """Return Kendall's tau-b of two scorings `[documents]`, in -1..1; 0 where one has no spread.

    Kendall 1945, https://doi.org/10.1093/biomet/33.3.239: pairs that both order alike less those they
    order otherwise, over the geometric mean of the pairs that each of them orders.
    """
    above = np.triu_indices(len(scores), 1)
    one = np.sign(scores[:, None] - scores[None, :])[above]  # [pairs]
    other = np.sign(reference[:, None] - reference[None, :])[above]
    ordered = float(np.sqrt(np.count_nonzero(one)) * np.sqrt(np.count_nonzero(other)))
    return float(one @ other) / ordered if ordered else 0.0


def _top(scores: Floats, count: int) -> npt.NDArray[np.intp]:
    return np.argsort(-scores, kind="stable")[:count]
