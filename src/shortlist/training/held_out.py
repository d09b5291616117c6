"""Groups held out by query, and how well a student orders them."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import torch

from shortlist.evaluation.trec import ndcg
from shortlist.training.examples import folded
from shortlist.training.groups import Group
from shortlist.training.recipe import Recipe
from shortlist.training.students import Student

CUTOFF = 10
_AT_ONCE = 32


def split_by_query(groups: Sequence[Group], held_out: int, rng: Random) -> tuple[list[Group], list[Group]]:
    """Shuffle groups; return all those of the first `held_out` queries, and all those of the others.

    Queries that differ in case or in marks at their end are one.
    """
    shuffled = list(groups)
    rng.shuffle(shuffled)
    queries = set(list(dict.fromkeys(folded(group.query) for group in shuffled))[:held_out])
    dev = [group for group in shuffled if folded(group.query) in queries]
    return dev, [group for group in shuffled if folded(group.query) not in queries]


def measured(student: Student, groups: Sequence[Group], recipe: Recipe) -> dict[str, float]:
    """Return nDCG@10 and reciprocal rank over the groups' own passages, of the model, its exits and the teacher.

    Ties count against the model: of equal scores, the less relevant passage is taken to come first.
    Groups without a relevant passage, or with relevant ones only, are left out; with none left the
    result is empty.
    """
    telling = [group for group in groups if 0 < sum(group.relevance) < len(group.passages)]
    if not telling:
        return {}
    student.module.eval()
    rows: list[list[list[float]]] = []  # [groups][heads][size]
    with torch.inference_mode():
        for at in range(0, len(telling), _AT_ONCE):
            some = telling[at : at + _AT_ONCE]
            for group, scores in zip(some, student.score(some), strict=True):
                rows.append(scores[: len(group.passages)].T.tolist())
    exits = sorted(set(recipe.exits))  # as the scores come
    figures: dict[str, float] = {}
    for head in range(len(rows[0])):
        name = "" if head == len(rows[0]) - 1 else f"_exit_{exits[head]}"
        figures |= _figures(name, telling, [row[head] for row in rows])
    taught = [[score for score in group.teacher if score is not None] for group in telling]
    if all(len(scores) == len(group.passages) for group, scores in zip(telling, taught, strict=True)):
        figures |= _figures("_teacher", telling, taught)
    return figures


def _figures(name: str, groups: Sequence[Group], scores: Sequence[Sequence[float]]) -> dict[str, float]:
    ordered = [ranked(group.relevance, one) for group, one in zip(groups, scores, strict=True)]
    gains = [ndcg(labels, labels, CUTOFF) for labels in ordered]
    ranks = [1 / (1 + next(place for place, label in enumerate(labels) if label > 0)) for labels in ordered]
    return {f"dev_ndcg{name}": sum(gains) / len(gains), f"dev_rr{name}": sum(ranks) / len(ranks)}


def ranked(labels: Sequence[float], scores: Sequence[float]) -> list[float]:
    """Return the labels best score first; of equal scores the lower label comes first."""
    return [label for _, label in sorted(zip(scores, labels, strict=True), key=lambda pair: (-pair[0], pair[1]))]
