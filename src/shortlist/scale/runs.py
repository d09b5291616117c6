"""A TREC run with its queries and documents becomes pairs, and scored pairs become a run again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from shortlist.errors import InputError
from shortlist.evaluation.collection import read_corpus, read_queries
from shortlist.evaluation.runs import Run, read_run
from shortlist.types import Document


def write_pairs(target: Path, *, run: Path, queries: Path, corpus: Path) -> None:
    """Write the pairs of a run as JSONL, query by query in the run's order.

    `queries` and `corpus` are read as `evaluate` reads them. The run's ids and the texts that it names
    are held in memory, the rest of the corpus is passed over. Raises InputError for a missing text, OSError.
    """
    ranked = read_run(run)
    wanted = {doc_id for doc_ids in ranked.doc_ids.values() for doc_id in doc_ids}
    asked = {query.query_id: query.text for query in read_queries(queries)}
    texts = read_corpus(corpus, wanted=wanted)
    with target.open("w", encoding="utf-8") as stream:
        stream.writelines(json.dumps(row) + "\n" for row in _rows(ranked, asked, texts))


def run_of(name: str, scored: Iterable[tuple[str, str, float]]) -> Run:
    """Order scored pairs (query_id, doc_id, score) as trec_eval does. Raises InputError for a pair that comes twice."""
    scores: dict[str, dict[str, float]] = {}
    for query_id, doc_id, score in scored:
        if not query_id or not doc_id:
            raise InputError("a run needs a query_id and a doc_id with every pair")
        if doc_id in scores.setdefault(query_id, {}):
            raise InputError(f"the pair of query {query_id!r} and document {doc_id!r} comes twice")
        scores[query_id][doc_id] = score
    return Run.from_scores(name, scores)


def _rows(run: Run, asked: Mapping[str, str], documents: Mapping[str, Document]) -> Iterator[dict[str, str]]:
    for query_id, doc_ids in run.doc_ids.items():
        if query_id not in asked:
            raise InputError(f"the run ranks for query {query_id!r}, which the queries do not hold; give all of them")
        for doc_id in doc_ids:
            if doc_id not in documents:
                raise InputError(f"the run names document {doc_id!r}, which the corpus does not hold; give all of it")
            document = documents[doc_id]
            yield {
                "query_id": query_id,
                "query": asked[query_id],
                "doc_id": doc_id,
                "title": document.title,
                "text": document.text,
            }
