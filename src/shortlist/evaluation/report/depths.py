"""What a reranker would reach at smaller depths, from the scores that it gave at the deepest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from shortlist.evaluation.measures import parse_measure
from shortlist.evaluation.outcome import mean, per_query
from shortlist.evaluation.report.svg import Frame, around, element, log_ticks, path, ticks, titled
from shortlist.evaluation.results import Evaluation, SystemResult
from shortlist.evaluation.runs import Run
from shortlist.evaluation.significance import bootstrap_interval
from shortlist.evaluation.systems import POINTWISE, Answered
from shortlist.types import Document, Query, Ranking, ScoreKind

_CURVED = {"nDCG", "RR", "AP", "R", "P"}
_STEPS = (1, 2, 5, 10, 20, 30, 50, 75, 100, 150, 200, 500, 1000)


@dataclass(frozen=True, slots=True)
class DepthPoint:
    """A measure's mean when the first `depth` candidates are reranked, with its 95 % interval."""

    depth: int
    mean: float
    low: float
    high: float


def depth_curve(
    system: SystemResult, measure: str, relevance: Mapping[str, Mapping[str, int]], *, seed: int = 0
) -> list[DepthPoint]:
    """Return the curve of a system with one pointwise reranker; an empty list for any other system.

    A pointwise score does not depend on the other candidates, so sorting the first `depth`
    by the scores they have gives exactly what reranking only them would give.
    """
    if system.spec.count(">") != 1 or system.score_kind not in POINTWISE:
        return []
    deepest = max(len(answer.scores) for answer in system.answers.values())
    judged = {query_id: dict(found) for query_id, found in relevance.items()}
    curve = []
    for depth in sorted({step for step in _STEPS if step < deepest} | {deepest}):
        run = Run("depth", {query_id: reranked_at(answer, depth) for query_id, answer in system.answers.items()})
        values = per_query(run, judged, [parse_measure(measure)])[measure]
        low, high = bootstrap_interval(np.array(list(values.values())), resamples=2000, seed=seed)
        curve.append(DepthPoint(depth, mean(values), low, high))
    return curve


def curves_of(evaluation: Evaluation) -> dict[int, list[DepthPoint]]:
    """Return the curves in the first measure, by the systems' places; those of one point are left out."""
    measure = evaluation.measures[0]
    if parse_measure(measure).name not in _CURVED:
        return {}
    curves = {
        place: depth_curve(system, measure, evaluation.relevance, seed=evaluation.seed)
        for place, system in enumerate(evaluation.systems)
    }
    return {place: curve for place, curve in curves.items() if len(curve) > 1}


def reranked_at(answer: Answered, depth: int) -> tuple[str, ...]:
    """Return the order that reranking the first `depth` candidates would have given."""
    scores = dict(zip(answer.doc_ids, answer.scores, strict=False))
    head = [doc_id for doc_id in answer.candidates[:depth] if doc_id in scores]
    ranked = Ranking.from_scores(
        Query("a saved query"),
        [Document("", doc_id) for doc_id in head],
        [scores[doc_id] for doc_id in head],
        kind=ScoreKind.UNKNOWN,
        stage="saved",
    )
    return ranked.doc_ids + answer.candidates[len(head) :]


def depth_curves(curves: Mapping[int, Sequence[DepthPoint]], names: Sequence[str], measure: str) -> str:
    """Draw curves (by the systems' places) over a log axis, each with its interval as a band."""
    frame = Frame()
    points = [point for curve in curves.values() for point in curve]
    bottom, top = around([bound for point in points for bound in (point.low, point.high)])
    depths = [point.depth for point in points]
    low, high = float(min(depths)), float(max(max(depths), min(depths) + 1))
    x, y = frame.x(low, high, logarithmic=True), frame.y(bottom, top)
    parts = [
        frame.y_axis(ticks(bottom, top), y, measure),
        frame.x_axis(log_ticks(low, high), x, "candidates reranked (log scale)"),
    ]
    for place, curve in curves.items():
        band = [(x(p.depth), y(p.high)) for p in curve] + [(x(p.depth), y(p.low)) for p in reversed(curve)]
        parts.append(path(band, class_=f"band s{place % 8}"))
        parts.append(path([(x(p.depth), y(p.mean)) for p in curve], class_=f"curve s{place % 8}"))
        for p in curve:
            dot = element("circle", cx=x(p.depth), cy=y(p.mean), r=3.5, class_=f"mark s{place % 8}")
            parts.append(titled(dot, f"{names[place]}: {p.mean:.4f} at depth {p.depth} ({p.low:.4f} to {p.high:.4f})"))
    return frame.picture("".join(parts), what=f"{measure} by how many candidates are reranked")
