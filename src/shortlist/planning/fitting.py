"""A cost model from measured latencies, with its own error on shapes that it did not see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import numpy.typing as npt

from shortlist.errors import InputError
from shortlist.planning.cost import CostModel

Floats = npt.NDArray[np.float64]
HELD_OUT = 3  # every third shape
LEAST_SHAPES = 6


@dataclass(frozen=True, slots=True)
class Measurement:
    """The latency of one call with pairs of these lengths in tokens."""

    lengths: tuple[int, ...]
    latency_ms: float


@dataclass(frozen=True, slots=True)
class FitError:
    """How far a cost model was off on shapes that it was not fitted to.

    `p50` is the relative error of the predicted median, the mean over shapes, .1 being 10 %. `p95` is
    that of the predicted P95 over all calls together, each relative to its predicted median: a shape
    alone has too few calls for a 95th percentile. `covered` is the share of calls that took no
    longer than the predicted P95; .95 is what it promises.
    """

    p50: float
    p95: float
    covered: float
    shapes: int
    calls: int


@dataclass(frozen=True, slots=True)
class Fit:
    """A cost model from all measurements, and the error of one from two thirds of them on the last third."""

    cost: CostModel
    error: FitError


def fit(measurements: Sequence[Measurement], *, shape: CostModel) -> Fit:
    """Fit the four terms and the P95 ratio; streams, token budget and limit are those of `shape`.

    Relative errors are minimised, since latencies of one pair and of a hundred count the
    same, by least squares with no term below zero. Raises InputError for fewer than six shapes.
    """
    shapes: dict[tuple[int, ...], list[Measurement]] = {}
    for one in measurements:
        shapes.setdefault(one.lengths, []).append(one)
    if len(shapes) < LEAST_SHAPES:
        raise InputError(
            f"{len(shapes)} shapes were measured, a cost model needs {LEAST_SHAPES}; give calibration more time"
        )
    groups = [shapes[key] for key in sorted(shapes, key=lambda lengths: (sum(lengths), len(lengths)))]
    held_out = groups[1::HELD_OUT]
    seen = [one for place, group in enumerate(groups) if place % HELD_OUT != 1 for one in group]
    return Fit(_fitted(measurements, shape), error_on(held_out, _fitted(seen, shape)))


def error_on(groups: Sequence[Sequence[Measurement]], cost: CostModel) -> FitError:
    """Compare predictions with measurements, given in groups of equal lengths."""
    medians = [float(np.median([one.latency_ms for one in group])) for group in groups]
    p50 = [abs(cost.p50_ms(group[0].lengths) / median - 1) for group, median in zip(groups, medians, strict=True)]
    ratios = np.array([one.latency_ms / cost.p50_ms(one.lengths) for group in groups for one in group])  # [calls]
    p95 = abs(cost.p95_ratio / float(np.quantile(ratios, 0.95)) - 1)
    covered = float((ratios <= cost.p95_ratio).mean())
    return FitError(float(np.mean(p50)), p95, covered, len(groups), len(ratios))


def _fitted(measurements: Sequence[Measurement], shape: CostModel) -> CostModel:
    latencies = np.array([one.latency_ms for one in measurements])  # [calls]
    rows = np.array([_terms(shape, one.lengths) for one in measurements])  # [calls, 4]
    weights = least_squares_from_zero(rows / latencies[:, None], np.ones(len(rows)))
    ratios = latencies / (rows @ weights)
    middle = float(np.median(ratios))
    fixed, pair, token, square = (float(weight) * middle for weight in weights)
    return replace(
        shape,
        fixed_ms=fixed,
        pair_ms=pair,
        token_ms=token,
        square_ms=square,
        p95_ratio=max(1.0, float(np.quantile(ratios, 0.95)) / middle),
    )


def _terms(shape: CostModel, lengths: Sequence[int]) -> tuple[float, float, float, float]:
    work = shape.work(lengths)
    return 1.0, work.pairs, work.tokens, work.squares


def least_squares_from_zero(rows: Floats, targets: Floats) -> Floats:
    """Return the non-negative weights `[columns]` with the least squared error of `rows @ weights` to `targets`.

    The best weights are the plain least-squares solution on those columns where they are
    above zero, so trying every set of columns finds them: exact, and cheap for a few columns.
    """
    columns = rows.shape[1]
    best, least = np.zeros(columns), float(targets @ targets)
    scale = np.abs(rows).max(axis=0) + 1e-300  # columns differ by orders of magnitude
    for size in range(1, columns + 1):
        for chosen in map(list, combinations(range(columns), size)):
            solution = np.linalg.lstsq(rows[:, chosen] / scale[chosen], targets, rcond=None)[0] / scale[chosen]
            error = float(((rows[:, chosen] @ solution - targets) ** 2).sum())
            if (solution >= 0).all() and error < least:
                best, least = np.zeros(columns), error
                best[chosen] = solution
    return best
