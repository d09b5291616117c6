"""A scorer whose licence every user of its scores has to know of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from shortlist.protocols import Group, Scorer
from shortlist.scorers.groups import score_groups
from shortlist.types import Document, Query, Scores


class Licensed:
    """Scores as another scorer does, and says the licence in every step, so that no surface can hide it."""

    def __init__(self, scorer: Scorer, note: str) -> None:
        self.scorer = scorer
        self._note = note

    @property
    def fingerprint(self) -> str:
        """The scorer's own: the scores are the same."""
        return self.scorer.fingerprint

    def over(self, scorer: Scorer) -> Licensed:
        """Say the same of another scorer."""
        return Licensed(scorer, self._note)

    def score(self, query: Query, documents: Sequence[Document]) -> Scores:
        """Return the scorer's scores, `[documents]` in input order."""
        return self.score_groups([(query, documents)])[0]

    def score_groups(self, groups: Sequence[Group]) -> list[Scores]:
        """Return each group's scores; the scorer takes all groups together if it can."""
        return [self._said(scores) for scores in score_groups(self.scorer, groups)]

    def _said(self, scores: Scores) -> Scores:
        step = replace(
            scores.step,
            facts={**scores.step.facts, "licence": self._note},
            degradations=(self._note, *scores.step.degradations),
        )
        return replace(scores, step=step)
