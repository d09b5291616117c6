"""Scores as a dialect's clients expect them: in 0..1 unless they ask for the model's own."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from shortlist.types import Ranking, ScoreKind


def _sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value)) if value >= 0 else math.exp(value) / (1 + math.exp(value))


# Every map rises, so the order stays. The packaged blend adds a logit and 40 times a cosine: the two numbers put
# the middle and the slope where documents of graded passages are relevant as often as not
# (see docs/decisions.md, "Scores of the blend in 0..1").
_BLEND_MIDDLE, _BLEND_SCALE = 24.0, 4.0
_INTO_UNIT: Mapping[ScoreKind, Callable[[float], float]] = {
    ScoreKind.LOGIT: _sigmoid,
    ScoreKind.WEIGHTED_SUM: lambda value: _sigmoid((value - _BLEND_MIDDLE) / _BLEND_SCALE),
    ScoreKind.SIMILARITY: lambda value: min(1.0, max(0.0, (1 + value) / 2)),
    ScoreKind.LOG_LIKELIHOOD: lambda value: math.exp(min(0.0, value)),
    ScoreKind.BM25: lambda value: value / (1 + value) if value > 0 else 0.0,
}


def shown_scores(ranking: Ranking, *, is_raw: bool) -> list[float]:
    """Return the ranking's scores, or their map into 0..1; what is a probability or a share already stays."""
    scores = [item.score for item in ranking]
    if is_raw:
        return scores
    into = _INTO_UNIT.get(ranking.score_kind)
    if into is not None:
        return [into(score) for score in scores]
    if all(0 <= score <= 1 for score in scores):
        return scores
    return [1 / rank for rank in range(1, len(scores) + 1)]  # an order without a scale: the reciprocal rank
