"""Runs in and out: what a system ranked for each query, as TREC files or JSONL."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from shortlist.errors import InputError
from shortlist.evaluation.files import at, finite_score, is_jsonl, read_lines, read_objects, text_of
from shortlist.evaluation.qrels import check_ids
from shortlist.evaluation.trec import trec_order

_LAYOUT = "write 'query_id Q0 doc_id rank score tag' in every line"


@dataclass(frozen=True, slots=True)
class Run:
    """What one system ranked: for each query_id its doc_ids, best first, and their scores in that order.

    `file` is the one that it was read from, for errors.
    """

    name: str
    doc_ids: Mapping[str, tuple[str, ...]]
    scores: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    file: Path | None = None

    @property
    def ties(self) -> int:
        """How many documents have, in single precision, the score of the one before them: a rule orders them."""
        single = (np.asarray(scores, dtype=np.float32) for scores in self.scores.values())
        return sum(int((np.diff(scores) == 0).sum()) for scores in single)

    @property
    def source(self) -> str:
        """The file that it was read from, or its name."""
        return str(self.file or f"the run {self.name!r}")

    @property
    def suffix(self) -> str:
        """Of a file that can hold its ids: ".trec", or ".jsonl" where one has whitespace, which parts columns."""
        ids = (one for query_id, doc_ids in self.doc_ids.items() for one in (query_id, *doc_ids))
        return ".trec" if all(one.split() == [one] for one in ids) else ".jsonl"

    def place(self, query_id: str, doc_id: str) -> str:
        """Say where a document stands, in words; the file is read again."""
        number = line_of(self.file, query_id, doc_id) if self.file is not None else 0
        return f"{self.source}, line {number}" if number else self.source

    @classmethod
    def from_scores(cls, name: str, scores: Mapping[str, Mapping[str, float]], *, file: Path | None = None) -> Run:
        """Order the documents of each query (query_id to doc_id to score) as trec_eval does."""
        ordered = {query_id: trec_order(found) for query_id, found in scores.items()}
        return cls(name, ordered, {q: tuple(scores[q][doc_id] for doc_id in ids) for q, ids in ordered.items()}, file)


def read_run(path: Path) -> Run:
    """Read a TREC run, or JSONL objects with `query_id`, `doc_id`, `score`; may be packed with gzip.

    The order is trec_eval's: by score, the rank column is not looked at. Raises InputError
    that names file, line and remedy for wrong columns, a document twice in a query, a score
    that is no finite number, and for an empty file.
    """
    scores: dict[str, dict[str, float]] = {}
    for number, query_id, doc_id, value in _entries(path):
        found = scores.setdefault(query_id, {})
        if doc_id in found:
            what = f"ranks document {doc_id!r} a second time for query {query_id!r}"
            raise at(path, number, what, "keep one of the lines")
        found[doc_id] = finite_score(path, number, value)
    if not scores:
        raise InputError(f"{path} holds no rankings; is it the right file?")
    return Run.from_scores(path.name.removesuffix(".gz").rpartition(".")[0] or path.name, scores, file=path)


def write_run(path: Path, run: Run) -> None:
    """Write a run as JSONL for `.jsonl`, else as a TREC run; both are read in this very order, by trec_eval too.

    Scores count down to 1 where the run's own would not keep the order: trec_eval breaks
    equal ones by doc_id, and a cascade's do not fall throughout.
    """
    lines = (_json_lines if path.suffix == ".jsonl" else _trec_lines)(path, run)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def line_of(path: Path, query_id: str, doc_id: str) -> int:
    """Return the line of a run that ranks a document for a query, 0 when none does."""
    return next((number for number, *ids, _ in _entries(path) if ids == [query_id, doc_id]), 0)


def _entries(path: Path) -> Iterator[tuple[int, str, str, object]]:
    if is_jsonl(path):
        for number, row in read_objects(path):
            yield number, text_of(path, number, row, "query_id"), text_of(path, number, row, "doc_id"), row.get("score")
        return
    for number, line in read_lines(path):
        parts = line.split()
        if len(parts) != 6:
            hint = " (four columns are qrels)" if len(parts) == 4 else ""
            raise at(path, number, f"has {len(parts)} columns{hint}", _LAYOUT)
        yield number, parts[0], parts[2], parts[4]


def _trec_lines(path: Path, run: Run) -> Iterator[str]:
    tag = "_".join(run.name.split()) or "run"
    for query_id, doc_ids in run.doc_ids.items():
        check_ids(path, query_id, *doc_ids)
        for rank, (doc_id, score) in enumerate(zip(doc_ids, _keeping_order(run, query_id), strict=True), 1):
            yield f"{query_id} Q0 {doc_id} {rank} {score!r} {tag}"


def _json_lines(path: Path, run: Run) -> Iterator[str]:
    for query_id, doc_ids in run.doc_ids.items():
        for rank, (doc_id, score) in enumerate(zip(doc_ids, _keeping_order(run, query_id), strict=True), 1):
            yield json.dumps({"query_id": query_id, "doc_id": doc_id, "rank": rank, "score": score})


def _keeping_order(run: Run, query_id: str) -> tuple[float, ...]:
    """Return a query's scores if they keep its order when read, else others that do."""
    doc_ids, scores = run.doc_ids[query_id], run.scores.get(query_id, ())
    if len(scores) == len(doc_ids) and trec_order(dict(zip(doc_ids, scores, strict=True))) == tuple(doc_ids):
        return tuple(scores)
    return tuple(float(len(doc_ids) - place) for place in range(len(doc_ids)))
