"""How far two scorings of the same candidates agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

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
    spread = min(float(np.ptp(scores)), float(np.ptp(reference)))
    tau = float(stats.kendalltau(scores, reference).statistic) if spread > 0 else 0.0
    return Agreement(tau, both / min(10, len(scores)), float(np.abs(scores - reference).max()))


def over_queries(agreements: Sequence[Agreement]) -> Agreement:
    """Return the mean tau and overlap, and the largest of the differences."""
    return Agreement(
        float(np.mean([a.tau for a in agreements])),
        float(np.mean([a.top_10_overlap for a in agreements])),
        max(a.largest_difference for a in agreements),
    )


def _top(scores: Floats, count: int) -> npt.NDArray[np.intp]:
    return np.argsort(-scores, kind="stable")[:count]
