"""What a gate saves and what it loses, over all its thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Point:
    """At a threshold: the share of queries not reranked, and the mean value (nDCG) that is left."""

    threshold: float
    skipped: float
    value: float


def gate_curve(chances: Sequence[float], skipped: Sequence[float], reranked: Sequence[float]) -> tuple[Point, ...]:
    """Return a point for every threshold that changes a decision, from skipping nothing to skipping all.

    `skipped` and `reranked` are each query's value without and with reranking. A query is
    skipped when its chance is below the threshold.
    """
    thresholds = [0.0, *sorted({chance for chance in chances if chance > 0}), float("inf")]
    points = []
    for threshold in thresholds:
        skips = [chance < threshold for chance in chances]
        kept = [s if skip else r for skip, s, r in zip(skips, skipped, reranked, strict=True)]
        points.append(Point(threshold, sum(skips) / len(skips), sum(kept) / len(kept)))
    return tuple(points)
