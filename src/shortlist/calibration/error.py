"""How far probabilities are from what happens."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shortlist.calibration.logistic import Floats

BINS = 10


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


def expected_calibration_error(chances: Floats, labels: Floats, *, bins: int = BINS) -> float:
    """Return the mean gap between mean probability and share of yes, over bins of equally many pairs.

    Bins of equal size rather than width (Nguyen and O'Connor, EMNLP 2015): relevance is
    rare, and most probabilities are small. Pairs of equal probability count alike, whichever bin they fall into.
    """
    place = np.unique(chances, return_inverse=True)[1]
    labels = (np.bincount(place, weights=labels) / np.bincount(place))[place]
    order = np.argsort(chances, kind="stable")
    parts = [part for part in np.array_split(order, min(bins, len(order))) if len(part)]
    gaps = [abs(float(chances[part].mean() - labels[part].mean())) * len(part) for part in parts]
    return sum(gaps) / len(order)


def calibration_error(
    chances: Floats, labels: Floats, groups: Floats, *, resamples: int = 1000, seed: int = 0
) -> Interval:
    """Return the calibration error; groups (queries) are resampled, for the pairs of one are not independent.

    Chance alone makes gaps, and more of them in a resample, so small errors are overstated
    and the percentiles lie high; the lower end is never above the value itself.
    """
    rng = np.random.default_rng(seed)
    members = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    drawn = np.empty(resamples)
    for number in range(resamples):
        rows = np.concatenate([members[place] for place in rng.integers(0, len(members), len(members))])
        drawn[number] = expected_calibration_error(chances[rows], labels[rows])
    low, high = np.quantile(drawn, [0.025, 0.975])
    value = expected_calibration_error(chances, labels)
    return Interval(value, min(value, float(low)), max(value, float(high)))
