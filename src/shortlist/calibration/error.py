"""How far probabilities are from what happens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shortlist.calibration.logistic import Floats

BINS = 10
_RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Bin:
    """Pairs of neighbouring scores: their mean score, the share of yes, how many."""

    score: float
    share: float
    count: int


def reliability(scores: Floats, labels: Floats, *, bins: int = BINS) -> list[Bin]:
    """Part pairs by score into bins of equally many; pairs of equal score count alike, whichever bin they fall into."""
    place = np.unique(scores, return_inverse=True)[1]
    labels = (np.bincount(place, weights=labels) / np.bincount(place))[place]
    parts = np.array_split(np.argsort(scores, kind="stable"), min(bins, len(scores)))
    return [Bin(float(scores[part].mean()), float(labels[part].mean()), len(part)) for part in parts]


def gap(bins: Sequence[Bin]) -> float:
    """Return the mean distance of score and share over the pairs (Guo et al., ICML 2017)."""
    return sum(one.count * abs(one.score - one.share) for one in bins) / sum(one.count for one in bins)


def expected_calibration_error(chances: Floats, labels: Floats, *, bins: int = BINS) -> float:
    """Return the mean gap between mean probability and share of yes, over bins of equally many pairs.

    Bins of equal size rather than width (Nguyen and O'Connor, EMNLP 2015): relevance is
    rare, and most probabilities are small.
    """
    return gap(reliability(chances, labels, bins=bins))


def calibration_error(chances: Floats, labels: Floats, groups: Floats) -> Interval:
    """Return the calibration error with its 95 % interval.

    Groups (queries) are resampled, for the pairs of one are not independent. Chance alone
    makes gaps, and more of them in a resample, so small errors are overstated and the
    percentiles lie high; the lower end is never above the value itself.
    """
    rng = np.random.default_rng(0)
    members = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    drawn = np.empty(_RESAMPLES)
    for number in range(_RESAMPLES):
        rows = np.concatenate([members[place] for place in rng.integers(0, len(members), len(members))])
        drawn[number] = expected_calibration_error(chances[rows], labels[rows])
    low, high = np.quantile(drawn, [0.025, 0.975])
    value = expected_calibration_error(chances, labels)
    return Interval(value, min(value, float(low)), max(value, float(high)))
