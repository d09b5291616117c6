"""How scores of relevant and other candidates lie, and how often a score's word is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shortlist.calibration.error import Bin, reliability
from shortlist.evaluation.measures import parse_measure
from shortlist.evaluation.report.figures import plain
from shortlist.evaluation.report.svg import Frame, around, element, path, ticks, titled
from shortlist.evaluation.results import Evaluation, SystemResult
from shortlist.types import ScoreKind

Floats = npt.NDArray[np.float64]

_FEWEST = 20  # judged candidates from which a distribution says anything
_BARS = 30


@dataclass(frozen=True, slots=True)
class JudgedScores:
    """The last stage's scores of candidates, with whether each one is relevant `[documents]`.

    `with_unjudged` says that unjudged candidates are among them as not relevant.
    """

    scores: Floats
    is_relevant: npt.NDArray[np.bool_]
    with_unjudged: bool = False


@dataclass(frozen=True, slots=True)
class Said:
    """What a system's scores say: the judged ones, their tenths, and whether they claim to be probabilities.

    A candidate is relevant from grade `lowest`.
    """

    judged: JudgedScores
    bins: Sequence[Bin]
    is_probability: bool
    lowest: int


def judged_scores(system: SystemResult, relevance: Mapping[str, Mapping[str, int]], *, rel: int = 1) -> JudgedScores:
    """Collect the scores of a system's judged candidates.

    Where the qrels name relevant documents only, unjudged candidates are taken for not
    relevant, as the measures take them: there is nothing else to compare with.
    """
    unjudged = 0 if all(grade >= rel for judged in relevance.values() for grade in judged.values()) else None
    graded = [
        (score, relevance[query_id].get(doc_id, unjudged))
        for query_id, answer in system.answers.items()
        for doc_id, score in zip(answer.doc_ids, answer.scores, strict=False)
    ]
    found = [(score, grade >= rel) for score, grade in graded if grade is not None]
    scores, flags = [score for score, _ in found], [is_relevant for _, is_relevant in found]
    return JudgedScores(np.array(scores, dtype=np.float64), np.array(flags, dtype=np.bool_), unjudged is not None)


def said_by(evaluation: Evaluation, system: SystemResult) -> Said | None:
    """Return what a reranking system's scores say; None for too few, or where all or none are relevant."""
    if ">" not in system.spec:
        return None
    lowest = max(parse_measure(name).rel for name in evaluation.measures)
    found = judged_scores(system, evaluation.relevance, rel=lowest)
    if len(found.scores) < _FEWEST or found.is_relevant.all() or not found.is_relevant.any():
        return None
    claimed = as_probabilities(system, found.scores)
    bins = reliability(found.scores if claimed is None else claimed, found.is_relevant.astype(np.float64))
    return Said(found, bins, claimed is not None, lowest)


def as_probabilities(system: SystemResult, scores: Floats) -> Floats | None:
    """Return scores as the probabilities that they claim to be, logits through the sigmoid; None if they claim none."""
    if system.score_kind == ScoreKind.LOGIT.value:
        return 1 / (1 + np.exp(-np.clip(scores, -500, 500)))
    if system.score_kind in {ScoreKind.CALIBRATED_PROBABILITY.value, ScoreKind.UNCALIBRATED_SIGMOID.value}:
        return scores
    return None


def concordance(found: JudgedScores) -> float:
    """Return the share of pairs of a relevant and another candidate in which the relevant one scores higher.

    A tie counts half: the area under the ROC curve (Hanley and McNeil, Radiology 1982).
    """
    others = np.sort(found.scores[~found.is_relevant])
    relevant = found.scores[found.is_relevant]
    below = np.searchsorted(others, relevant, side="left") + np.searchsorted(others, relevant, side="right")
    return float(below.mean() / 2 / len(others))


def distribution(found: JudgedScores) -> str:
    """Draw the share of relevant candidates' scores upwards and of the others' downwards."""
    frame = Frame(width=420, height=230)
    low, high = around(list(found.scores), margin=0.02, least=0.2)
    edges = np.linspace(low, high, _BARS + 1)
    shares = [_shares(found.scores[flags], edges) for flags in (found.is_relevant, ~found.is_relevant)]
    reach = max(float(max(share.max() for share in shares)), 0.01)
    x, y = frame.x(low, high), frame.y(-reach, reach)
    parts = []
    for share, kind, sign in zip(shares, ("gain", "rest"), (1, -1), strict=True):
        for place in np.flatnonzero(share):
            top, bottom = sorted((y(sign * float(share[place])), y(0)))
            left, right = x(float(edges[place])), x(float(edges[place + 1]))
            bar = element("rect", x=left, y=top, width=right - left - 0.8, height=bottom - top, class_=kind)
            parts.append(titled(bar, f"{share[place]:.1%} around {edges[place]:.2f}"))
    line = element("line", x1=frame.left, x2=frame.width - frame.right, y1=y(0), y2=y(0), class_="axis")
    axis = frame.x_axis(ticks(low, high), x, "score: relevant up, others down")
    return frame.picture(frame.y_axis([], y, "share") + "".join(parts) + line + axis, what="distribution of scores")


def reliability_plot(bins: Sequence[Bin], *, is_probability: bool, place: int = 0) -> str:
    """Draw the share of relevant candidates against each tenth's mean score, in the colour of the system's place.

    Probabilities belong on the diagonal.
    """
    frame = Frame(width=420, height=230)
    low, high = (0.0, 1.0) if is_probability else around([one.score for one in bins], least=0.2)
    x, y = frame.x(low, high), frame.y(0.0, 1.0)
    diagonal = path([(x(0), y(0)), (x(1), y(1))], class_="frontier") if is_probability else ""
    marks = "".join(
        titled(
            element("circle", cx=x(one.score), cy=y(one.share), r=4.5, class_=f"mark s{place % 8}"),
            f"{one.count} candidates score {one.score:.3f} on average; {one.share:.1%} are relevant",
        )
        for one in bins
    )
    line = path([(x(one.score), y(one.share)) for one in bins], class_=f"curve s{place % 8}")
    title = "claimed probability" if is_probability else "score"
    axes = frame.y_axis([0, 0.5, 1], y, "share relevant") + frame.x_axis(ticks(low, high), x, title, shown=plain)
    return frame.picture(axes + diagonal + line + marks, what="share of relevant candidates by score")


def _shares(scores: Floats, edges: Floats) -> Floats:
    counts = np.histogram(scores, edges)[0].astype(np.float64)
    return counts / max(1.0, float(counts.sum()))
