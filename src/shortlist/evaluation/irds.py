"""Collections that ir_datasets knows, read from where it keeps them on this disk."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from shortlist._optional import require
from shortlist.errors import InputError
from shortlist.evaluation.collection import Collection
from shortlist.evaluation.qrels import Judgements, Qrels
from shortlist.types import Document, Query


def read_irds(name: str) -> Collection:
    """Read a collection by its ir_datasets name, such as `beir/scifact/test`.

    Raises MissingExtraError without ir_datasets; InputError for an unknown name, a part that
    it lacks, and files that are not there and cannot be fetched: the message names the folder
    that ir_datasets keeps its files in.
    """
    library = require("ir_datasets", extra="eval")
    try:
        dataset = library.load(name)
    except KeyError as error:
        raise InputError(f"ir_datasets has no collection {name!r}; see https://ir-datasets.com") from error
    lacking = [part for part in ("docs", "queries", "qrels") if not getattr(dataset, f"has_{part}")()]
    if lacking:
        raise InputError(f"ir_datasets' {name!r} has no {' and no '.join(lacking)}; name a part of it that has")
    try:
        return _collection(name, dataset)
    except (OSError, RuntimeError) as error:  # of its downloads, too
        raise InputError(
            f"ir_datasets cannot read {name!r} ({error}); put its files below {library.util.home_path()},"
            " or set IR_DATASETS_HOME to where they are"
        ) from error


def _collection(name: str, dataset: Any) -> Collection:
    judgements = _judgements(dataset)
    queries = [Query(text, query_id) for query_id, text in _texts(dataset.queries_iter(), "query_id") if text.strip()]
    documents = {doc_id: Document(text, doc_id) for doc_id, text in _texts(dataset.docs_iter(), "doc_id")}
    return Collection.of(name, judgements=judgements, queries=queries, documents=documents)


def _judgements(dataset: Any) -> Judgements:
    """Return the judgements, by subtopic if the dataset tells them apart; negative ones count 0."""
    qrels: Qrels = {}
    subtopics: dict[str, dict[str, dict[str, int]]] = {}
    negative = 0
    for judgement in dataset.qrels_iter():
        query_id, doc_id, grade = judgement.query_id, judgement.doc_id, max(0, judgement.relevance)
        negative += judgement.relevance < 0
        known = qrels.setdefault(query_id, {})
        known[doc_id] = max(grade, known.get(doc_id, 0))
        if (subtopic := getattr(judgement, "subtopic_id", "")) != "":
            subtopics.setdefault(query_id, {}).setdefault(doc_id, {})[str(subtopic)] = grade
    return Judgements(qrels, subtopics, negative=negative)


def _texts(rows: Iterable[Any], id_field: str) -> Iterable[tuple[str, str]]:
    for row in rows:
        yield getattr(row, id_field), row.default_text()
