"""Measures of a run, query by query, computed by ir_measures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import ir_measures

from benchmarks.quality.collection import Qrels
from shortlist.errors import InputError

Run = Mapping[str, Sequence[str]]  # query_id -> doc_ids, best first
PerQuery = dict[str, dict[str, float]]  # measure -> query_id -> value

NDCG = "nDCG@10"


def per_query(run: Run, qrels: Qrels, *, relevant_from: int = 1) -> PerQuery:
    """Return nDCG@10 (linear gain), R@100 and RR of every query of a run.

    A query that found nothing counts 0. Raises InputError for a query without judgements.
    """
    unjudged = [query_id for query_id in run if query_id not in qrels]
    if unjudged:
        raise InputError(f"query {unjudged[0]!r} has no judgements ({len(unjudged)} such queries); leave it out")
    measures = {
        NDCG: ir_measures.nDCG @ 10,
        "R@100": ir_measures.R(rel=relevant_from) @ 100,
        "RR": ir_measures.RR(rel=relevant_from),
    }
    names = {measure: name for name, measure in measures.items()}
    values: PerQuery = {name: dict.fromkeys(run, 0.0) for name in measures}
    judged = {query_id: qrels[query_id] for query_id in run}
    for metric in ir_measures.iter_calc(list(measures.values()), judged, _falling(run)):
        values[names[metric.measure]][metric.query_id] = float(metric.value)
    return values


def mean(values: Mapping[str, float]) -> float:
    """Return the mean over queries."""
    return sum(values.values()) / len(values)


def _falling(run: Run) -> dict[str, dict[str, float]]:
    """Give each doc_id a score by its rank: trec_eval breaks ties by doc_id, which would undo the run's own order."""
    return {
        query_id: {doc_id: float(len(doc_ids) - place) for place, doc_id in enumerate(doc_ids)}
        for query_id, doc_ids in run.items()
    }
