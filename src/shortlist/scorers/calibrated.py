"""A reranker whose scores are probabilities of relevance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from shortlist.calibration.fitted import ScoreCalibration
from shortlist.protocols import Reranker
from shortlist.scorers.asked_of import timed
from shortlist.scorers.groups import rerank_many
from shortlist.types import Deadline, Ranking, ScoreKind, Step


class Calibrated:
    """Orders as another reranker does, and gives its scores as calibrated probabilities.

    The order is decided on the raw scores before, so documents whose probabilities round to
    the same number still stand in their right order.
    """

    def __init__(self, reranker: Reranker, calibration: ScoreCalibration) -> None:
        self._reranker = reranker
        self._calibration = calibration

    def rerank(self, candidates: Ranking, *, top_k: int | None = None) -> Ranking:
        """Return the candidates in the reranker's order, with probabilities for scores."""
        return self._mapped(self._reranker.rerank(candidates, top_k=top_k), candidates)

    def rerank_many(self, many: Sequence[Ranking], *, top_k: int | None = None) -> list[Ranking]:
        """Do the same for each query's candidates, which share batches where the reranker's can."""
        return list(map(self._mapped, rerank_many(self._reranker, many, top_k=top_k), many))

    def rerank_within(self, candidates: Ranking, *, deadline: Deadline, top_k: int | None = None) -> Ranking:
        """Do the same by a deadline. Raises InputError when the reranker keeps none.

        Where there was no time to score anything, the scores stay those of the order that stands.
        """
        reranked = timed(self._reranker).rerank_within(candidates, deadline=deadline, top_k=top_k)
        return self._mapped(reranked, candidates)

    def _mapped(self, ranking: Ranking, candidates: Ranking) -> Ranking:
        if not ranking.is_scored_after(candidates.stage):
            return ranking
        made = self._calibration
        chances = made.score_map(np.array([item.score for item in ranking]))
        facts = {
            "method": made.method,
            "fitted_on": made.fitted_on,
            "error": f"{made.error.value:.3f} ({made.error.low:.3f} to {made.error.high:.3f})",
        }
        step = Step("calibrated", 0.0, {"pairs": made.pairs, "relevant": made.relevant}, facts)
        return ranking.rescaled(chances, kind=ScoreKind.CALIBRATED_PROBABILITY, steps=(step,))
