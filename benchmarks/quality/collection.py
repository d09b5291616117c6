"""Test collections in the BEIR layout: documents, queries and qrels from the data folder."""

from __future__ import annotations

import csv
import gzip
import json
import os
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from shortlist.errors import InputError
from shortlist.types import Document, Query

Qrels = dict[str, dict[str, int]]  # query_id -> doc_id -> relevance

_SPLITS = {"cosqa": "dev"}  # the others have test.tsv
_RELEVANT_FROM = {"trec_dl19": 2}  # TREC DL counts grades 2 and 3 as relevant where a measure is binary
_CANDIDATES = {"trec_dl19": "BM25.trec"}  # its corpus is only a union of candidate lists: nothing to retrieve from


@dataclass(frozen=True, slots=True)
class Collection:
    """A test collection; `candidates` (query_id to doc_ids, best first) are set where a first stage is given.

    `queries` are those with judgements. With given candidates, `documents` are only those.
    """

    name: str
    documents: Mapping[str, Document]
    queries: tuple[Query, ...]
    qrels: Qrels
    relevant_from: int = 1
    candidates: Mapping[str, tuple[str, ...]] | None = None

    def given(self, query: Query, *, depth: int) -> list[Document]:
        """Return the first `depth` given candidates of a query."""
        if self.candidates is None:
            raise InputError(f"{self.name} has no given candidates; retrieve them from an index")
        return [self.documents[doc_id] for doc_id in self.candidates[query.query_id][:depth]]


def data_folder() -> Path:
    """Return the folder of the collections: SHORTLIST_DATA, or `../shared/data` beside the repository."""
    named = os.environ.get("SHORTLIST_DATA")
    folder = Path(named) if named else Path(__file__).resolve().parents[3] / "shared" / "data"
    if not (folder / "eval").is_dir():
        raise InputError(f"there are no collections in {folder / 'eval'}; set SHORTLIST_DATA to the folder above eval/")
    return folder


def load_collection(name: str, *, data: Path | None = None) -> Collection:
    """Read a collection by its folder's name; raises InputError that lists what there is."""
    evaluation = (data or data_folder()) / "eval"
    folder = evaluation / name
    if not folder.is_dir():
        known = ", ".join(sorted(path.name for path in evaluation.iterdir() if path.is_dir()))
        raise InputError(f"there is no collection {name!r} in {evaluation}; there are: {known}")
    qrels = _qrels(folder / "qrels" / f"{_SPLITS.get(name, 'test')}.tsv")
    candidates = _candidates(folder / "candidates" / _CANDIDATES[name]) if name in _CANDIDATES else None
    wanted = None if candidates is None else {doc_id for doc_ids in candidates.values() for doc_id in doc_ids}
    return Collection(
        name,
        {d.doc_id: d for d in _documents(folder) if wanted is None or d.doc_id in wanted},
        tuple(Query(row["text"], row["_id"]) for row in _rows(folder / "queries.jsonl") if row["_id"] in qrels),
        qrels,
        _RELEVANT_FROM.get(name, 1),
        candidates,
    )


def sample(queries: Sequence[Query], count: int, *, seed: int) -> tuple[Query, ...]:
    """Draw `count` queries without replacement, in their own order; 0 takes all."""
    if count < 0:
        raise InputError(f"the number of queries must be 0 (all) or more, got {count}")
    if not 0 < count < len(queries):
        return tuple(queries)
    places = sorted(random.Random(seed).sample(range(len(queries)), count))
    return tuple(queries[place] for place in places)


def _documents(folder: Path) -> Iterator[Document]:
    for row in _rows(folder / "corpus.jsonl"):
        yield Document(row["text"], row["_id"], row.get("title") or "")


def _rows(file: Path) -> Iterator[dict[str, Any]]:
    with _open(file) as lines:
        for line in lines:
            yield json.loads(line)


def _qrels(file: Path) -> Qrels:
    qrels: Qrels = {}
    with _open(file) as lines:
        rows = csv.reader(lines, delimiter="\t")
        next(rows)  # the header
        for query_id, doc_id, relevance in rows:
            qrels.setdefault(query_id, {})[doc_id] = int(relevance)
    return qrels


def _candidates(file: Path) -> dict[str, tuple[str, ...]]:
    """Read a TREC run; the order is by its rank column."""
    ranked: dict[str, list[tuple[int, str]]] = {}
    with _open(file) as lines:
        for line in lines:
            query_id, _, doc_id, rank, *_ = line.split()
            ranked.setdefault(query_id, []).append((int(rank), doc_id))
    return {query_id: tuple(doc_id for _, doc_id in sorted(entries)) for query_id, entries in ranked.items()}


def _open(file: Path) -> TextIO:
    packed = file.with_name(f"{file.name}.gz")
    if packed.is_file():
        return gzip.open(packed, "rt", encoding="utf-8")
    try:
        return file.open(encoding="utf-8", newline="")
    except FileNotFoundError as error:
        raise InputError(f"{file} is missing (and {packed.name}); the collection is incomplete") from error
