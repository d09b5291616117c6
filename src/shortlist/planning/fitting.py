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
    that of the predicted P95 over all calls together, each relative to its own: a shape
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
    """Fit the costs, the P95 ratio and the jitter; streams, batches and limits are those of `shape`.

    The first call of a shape is left out where there are more: it pays for what a runtime
    prepares once for every shape. Relative errors are minimised, since latencies of one pair and of a hundred count the
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
    groups = [group[1:] or group for group in groups]
    held_out = groups[1::HELD_OUT]
    seen = [one for place, group in enumerate(groups) if place % HELD_OUT != 1 for one in group]
    return Fit(_fitted([one for group in groups for one in group], shape), error_on(held_out, _fitted(seen, shape)))


def error_on(groups: Sequence[Sequence[Measurement]], cost: CostModel) -> FitError:
    """Compare predictions with measurements, given in groups of equal lengths."""
    medians = [float(np.median([one.latency_ms for one in group])) for group in groups]
    p50 = [abs(cost.p50_ms(group[0].lengths) / median - 1) for group, median in zip(groups, medians, strict=True)]
    ratios = np.array([one.latency_ms / cost.p95_ms(one.lengths) for group in groups for one in group])  # [calls]
    p95 = abs(1 / float(np.quantile(ratios, 0.95)) - 1)
    covered = float((ratios <= 1).mean())
    return FitError(float(np.mean(p50)), p95, covered, len(groups), len(ratios))


def _fitted(measurements: Sequence[Measurement], shape: CostModel) -> CostModel:
    latencies = np.array([one.latency_ms for one in measurements])  # [calls]
    rows = np.array([shape.terms(one.lengths) for one in measurements])  # [calls, 5]
    weights = least_squares_from_zero(rows / latencies[:, None], np.ones(len(rows)))
    weights *= np.median(latencies / (rows @ weights))
    fixed, pair, token, square, second = weights.tolist()
    ratio, jitter = p95_of(rows @ weights, latencies)
    return replace(
        shape,
        fixed_ms=fixed,
        pair_ms=pair,
        token_ms=token,
        square_ms=square,
        second_ms=second,
        p95_ratio=ratio,
        jitter_ms=jitter,
    )


def p95_of(medians: Floats, latencies: Floats) -> tuple[float, float]:
    """Return the ratio and the jitter in ms of which `medians * ratio + jitter` is the best 95th percentile.

    Some disturbances last the longer the longer a call takes, others as long as they do. The quantile
    (pinball) loss of relative errors is least; that of two jitters alike is decided for the smaller one.
    """
    found = []
    for jitter in np.quantile(np.maximum(0.0, latencies - medians), np.linspace(0.0, 0.95, 20)):
        ratio = max(1.0, float(np.quantile((latencies - jitter) / medians, 0.95)))
        off = (latencies - (medians * ratio + jitter)) / medians  # [calls]
        found.append((float(np.maximum(0.95 * off, -0.05 * off).mean()), ratio, float(jitter)))
    _, ratio, jitter = min(found, key=lambda one: one[0])
    return ratio, jitter


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
