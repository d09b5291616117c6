"""Measures of the benchmarks' runs, query by query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from shortlist.errors import InputError
from shortlist.evaluation import Measure, PerQuery, Qrels, outcome
from shortlist.evaluation import Run as EvaluatedRun

Run = Mapping[str, Sequence[str]]  # query_id -> doc_ids, best first

NDCG = "nDCG@10"


def per_query(run: Run, qrels: Qrels, *, relevant_from: int = 1) -> PerQuery:
    """Return nDCG@10 (linear gain), R@100 and RR of every query of a run.

    A query that found nothing counts 0. Raises InputError for a query without judgements.
    """
    unjudged = [query_id for query_id in run if query_id not in qrels]
    if unjudged:
        raise InputError(f"query {unjudged[0]!r} has no judgements ({len(unjudged)} such queries); leave it out")
    measures = {
        NDCG: Measure("nDCG", 10),
        "R@100": Measure("R", 100, relevant_from),
        "RR": Measure("RR", 0, relevant_from),
    }
    asked = EvaluatedRun("benchmark", {query_id: tuple(doc_ids) for query_id, doc_ids in run.items()})
    values = outcome.per_query(asked, {query_id: qrels[query_id] for query_id in run}, list(measures.values()))
    return {name: values[str(measure)] for name, measure in measures.items()}
