"""Knowledge distillation: any scorer or reranker, or several together, score the passages of groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from shortlist.protocols import Reranker, Scorer
from shortlist.scorers.groups import score_in_steps
from shortlist.training.groups import Group
from shortlist.types import Ranking

Teacher = Scorer | Reranker
Floats = npt.NDArray[np.float64]


def taught_by(groups: Sequence[Group], teachers: Sequence[Teacher]) -> list[Group]:
    """Return the groups with the teachers' scores as `teacher`, standardised and averaged.

    A scorer teaches by its scores, less their mean over all groups and divided by their deviation
    within groups; a reranker, which gives an order only, by places that fall evenly. So no teacher
    of an ensemble drowns another one, whatever its scale.
    """
    columns = [_standardised(_scored(groups, teacher)) for teacher in teachers]
    return [
        replace(group, teacher=tuple(np.mean(rows, axis=0).round(5).tolist()))
        for group, rows in zip(groups, zip(*columns, strict=True), strict=True)
    ]


def _scored(groups: Sequence[Group], teacher: Teacher) -> list[Floats]:
    if isinstance(teacher, Scorer):
        scores = score_in_steps(teacher, [group.asked for group in groups])
        return [np.asarray(one.values, dtype=np.float64) for one in scores]
    return [_places(teacher.rerank(Ranking.in_order(*group.asked))) for group in groups]


def _places(ranking: Ranking) -> Floats:
    """Return each passage's place in an order, falling evenly from 1 to -1."""
    places = np.empty(len(ranking))
    places[[int(doc_id) for doc_id in ranking.doc_ids]] = np.linspace(1.0, -1.0, len(ranking))
    return places


def _standardised(rows: Sequence[Floats]) -> list[Floats]:
    spread = float(np.sqrt(np.mean([np.var(row) for row in rows]))) or 1.0
    mean = float(np.mean(np.concatenate(rows)))
    return [(row - mean) / spread for row in rows]
