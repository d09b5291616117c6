"""Whether a difference between two systems on the same queries could be chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from shortlist.errors import InputError
from shortlist.evaluation.student import two_sided_p

Floats = npt.NDArray[np.float64]

_FEW = 10  # of 5 normal differences a percentile interval holds the mean 83 times of 100, of 10 it does 90 times
_DRAWS_AT_ONCE = 1 << 18  # they fit into a core's cache; of many queries, more would fill the memory


@dataclass(frozen=True, slots=True)
class Comparison:
    """System minus baseline over the same queries; `p_holm` is the randomisation p corrected within its table.

    `low` and `high` bound the mean difference with 95 %. `effect` is Cohen's d of paired
    values: the mean difference over the differences' standard deviation (0 without spread).
    """

    system: str
    baseline: str
    difference: float
    low: float
    high: float
    wins: int
    ties: int
    losses: int
    p_randomisation: float
    p_t: float
    p_holm: float
    effect: float = 0.0


def compare(
    system: str, baseline: str, values: Mapping[str, Mapping[str, float]], *, seed: int = 0, permutations: int = 100_000
) -> Comparison:
    """Compare two systems of `values` (system to query_id to value); `p_holm` is not corrected yet."""
    ours, theirs = values[system], values[baseline]
    if ours.keys() != theirs.keys() or len(ours) < 2:
        raise InputError(f"{system} and {baseline} must have values for the same queries, two at least")
    differences = np.array([ours[query_id] - theirs[query_id] for query_id in ours])  # [queries]
    low, high = bootstrap_interval(differences, seed=seed)
    wins, losses = int((differences > 1e-9).sum()), int((differences < -1e-9).sum())
    p = randomisation_p(differences, seed=seed, permutations=permutations)
    ties = len(differences) - wins - losses
    t, effect = paired_t_p(differences), cohens_d(differences)
    return Comparison(system, baseline, float(differences.mean()), low, high, wins, ties, losses, p, t, p, effect)


def corrected(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Return the comparisons of one table with their `p_holm` set."""
    adjusted = holm([comparison.p_randomisation for comparison in comparisons])
    return [replace(one, p_holm=p) for one, p in zip(comparisons, adjusted, strict=True)]


def caution(queries: int) -> list[str]:
    """Say in a note what so few queries cannot tell; nothing from ten on."""
    if queries >= _FEW:
        return []
    if queries < 2:
        return ["one query tells nothing of others: there is no test, and its interval says nothing"]
    least = f"{2 / 2**queries:.2g}".removeprefix("0")
    few = f"{queries} queries tell little of others: intervals of so few are too narrow"
    return [f"{few}, and the randomisation test's p is {least} at least"]


def randomisation_p(differences: Floats, *, permutations: int = 100_000, seed: int = 0) -> float:
    """Return the two-sided p of the paired randomisation test (Smucker, Allan and Carterette, CIKM 2007).

    Under the null hypothesis each query's difference has a random sign. The p is never 0:
    the observed signs count as one permutation.
    """
    observed = abs(differences.sum()) - 1e-9  # rounding must not hide an equal sum
    rng = np.random.default_rng(seed)
    extreme, left = 0, permutations
    while left:
        rows = min(_rows_at_once(differences), left)
        signs = rng.integers(0, 2, (rows, len(differences)), dtype=np.int8) * 2.0 - 1.0  # [rows, queries]
        extreme += int((np.abs(signs @ differences) >= observed).sum())
        left -= rows
    return (extreme + 1) / (permutations + 1)


def paired_t_p(differences: Floats) -> float:
    """Return the two-sided p of the paired t-test; equal differences have no spread, so p is 1 at 0 and 0 elsewhere."""
    if np.ptp(differences) < 1e-12:
        return 1.0 if abs(differences[0]) < 1e-12 else 0.0
    freedom = len(differences) - 1
    return two_sided_p(float(differences.mean() / (differences.std(ddof=1) / np.sqrt(freedom + 1))), freedom)


def cohens_d(differences: Floats) -> float:
    """Return the mean difference over the differences' standard deviation: .2 is small, .8 large (Cohen 1988)."""
    spread = float(differences.std(ddof=1))
    return float(differences.mean()) / spread if spread > 1e-12 else 0.0


def bootstrap_interval(differences: Floats, *, resamples: int = 10_000, seed: int = 0) -> tuple[float, float]:
    """Return the 95 % percentile bootstrap interval of the mean, queries resampled (Efron and Tibshirani 1993)."""
    rng = np.random.default_rng(seed)
    means = np.empty(resamples)
    at_once = _rows_at_once(differences)
    for start in range(0, resamples, at_once):
        rows = min(at_once, resamples - start)
        picks = rng.integers(0, len(differences), (rows, len(differences)))
        means[start : start + rows] = differences[picks].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return Holm's step-down adjusted p values in the given order (Holm, Scand. J. Statist. 1979)."""
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for done, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - done) * p_values[place]))
        adjusted[place] = largest
    return adjusted


def _rows_at_once(differences: Floats) -> int:
    """Return how often to draw at once: by fours, as numpy draws bytes, so that the number changes no result."""
    return max(4, _DRAWS_AT_ONCE // len(differences) // 4 * 4)
