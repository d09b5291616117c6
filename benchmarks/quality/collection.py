"""Test collections in the BEIR layout from the data folder, and what is particular about some of them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from shortlist.errors import InputError
from shortlist.evaluation import Qrels, read_beir, read_run
from shortlist.types import Document, Query

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
    answers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

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
    read = read_beir(folder)
    candidates = read_run(folder / "candidates" / _CANDIDATES[name]).doc_ids if name in _CANDIDATES else None
    wanted = None if candidates is None else {doc_id for doc_ids in candidates.values() for doc_id in doc_ids}
    return Collection(
        name,
        {doc_id: d for doc_id, d in read.documents.items() if wanted is None or doc_id in wanted},
        read.queries,
        read.qrels,
        _RELEVANT_FROM.get(name, 1),
        candidates,
        read.answers,
    )
