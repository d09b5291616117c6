"""nDCG, RR, AP, R, P and Judged of one query, as trec_eval 9.0 computes them.

https://github.com/usnistgov/trec_eval: documents without a judgement count as not
relevant, gain is linear in the grade, and the ideal ranking is that of all judged ones.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from shortlist.evaluation.measures import Measure


def trec_order(scores: Mapping[str, float]) -> tuple[str, ...]:
    """Order doc_ids as trec_eval does, whatever the file's rank column says.

    By single-precision score, descending; equal ones by doc_id, descending. This is a rule
    about files of others. What shortlist ranks is measured in its own order.
    """
    single = {doc_id: float(np.float32(score)) for doc_id, score in scores.items()}
    return tuple(sorted(sorted(single, reverse=True), key=single.__getitem__, reverse=True))


def by_grade(doc_ids: Sequence[str], judged: Mapping[str, int]) -> tuple[str, ...]:
    """Return doc_ids in the best possible order; those of one grade keep theirs."""
    return tuple(sorted(doc_ids, key=lambda doc_id: -judged.get(doc_id, 0)))


def measured(measure: Measure, doc_ids: Sequence[str], judged: Mapping[str, int]) -> float:
    """Return one of our own measures for one query's doc_ids, best first, in 0..1."""
    cutoff = measure.cutoff or None
    if measure.name == "Judged":
        return _share([doc_id in judged for doc_id in doc_ids[:cutoff]])
    grades = [judged.get(doc_id, 0) for doc_id in doc_ids]
    if measure.name == "nDCG":
        return ndcg(grades, list(judged.values()), cutoff)
    relevant = [grade >= measure.rel for grade in grades[:cutoff]]
    existing = sum(grade >= measure.rel for grade in judged.values())
    if measure.name == "RR":
        return 1 / (relevant.index(True) + 1) if True in relevant else 0.0
    if measure.name == "P":
        return sum(relevant) / (cutoff or len(relevant) or 1)
    if measure.name == "R":
        return sum(relevant) / existing if existing else 0.0
    return _average_precision(relevant) / existing if existing else 0.0


def _share(flags: Sequence[bool]) -> float:
    return sum(flags) / len(flags) if flags else 0.0


def ndcg(grades: Sequence[float], judged: Sequence[float], cutoff: int | None) -> float:
    """Return the nDCG of grades, best rank first, where the `judged` ones are there to be found.

    Jarvelin and Kekalainen, TOIS 2002, with gain = grade and discount = log2(rank + 1).
    """
    ideal = _dcg(sorted(judged, reverse=True), cutoff)
    return _dcg(grades, cutoff) / ideal if ideal > 0 else 0.0


def _dcg(grades: Sequence[float], cutoff: int | None) -> float:
    return sum(grade / math.log2(rank + 1) for rank, grade in enumerate(grades[:cutoff], 1) if grade > 0)


def _average_precision(relevant: Sequence[bool]) -> float:
    """The sum of the precisions at the relevant documents."""
    total, hits = 0.0, 0
    for rank, is_relevant in enumerate(relevant, 1):
        hits += is_relevant
        total += hits / rank if is_relevant else 0.0
    return total
