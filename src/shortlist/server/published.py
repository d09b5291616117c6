"""Scores as a dialect's clients expect them: in 0..1 unless they ask for the model's own."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import accumulate

import numpy as np

from shortlist.build.asking import packaged_relevance
from shortlist.types import Ranking, ScoreKind


def _sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value)) if value >= 0 else math.exp(value) / (1 + math.exp(value))


def _blend(value: float) -> float:
    """Read a blend's sum as the packaged one is calibrated; of another blend it is only a number that rises."""
    return float(packaged_relevance()(np.asarray([value]))[0])


_INTO_UNIT: Mapping[ScoreKind, Callable[[float], float]] = {
    ScoreKind.LOGIT: _sigmoid,
    ScoreKind.WEIGHTED_SUM: _blend,
    ScoreKind.SIMILARITY: lambda value: min(1.0, max(0.0, (1 + value) / 2)),
    ScoreKind.LOG_LIKELIHOOD: lambda value: math.exp(min(0.0, value)),
    ScoreKind.BM25: lambda value: 1 - 1 / (1 + max(0.0, value)),
}


def shown_scores(ranking: Ranking, *, is_raw: bool) -> list[float]:
    """Return the ranking's scores, or their map into 0..1; what is a probability or a share already stays.

    When no document was scored all have 0.
    """
    if not any(item.is_scored for item in ranking):
        return [0.0] * len(ranking)
    scores = [item.score for item in ranking]
    if is_raw:
        return scores
    into = _INTO_UNIT.get(ranking.score_kind)
    if into is not None:
        return list(accumulate(map(into, scores), min))  # rounding must not make one rise
    if all(0 <= score <= 1 for score in scores):
        return scores
    return [1 / rank for rank in range(1, len(scores) + 1)]  # an order without a scale: the reciprocal rank
