"""Qrels in and out: TREC (four columns, perhaps by subtopic), BEIR (three, with a header), JSONL."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from shortlist.errors import InputError
from shortlist.evaluation.files import at, is_jsonl, read_lines, read_objects, text_of, whole_relevance

Qrels = dict[str, dict[str, int]]  # query_id -> doc_id -> relevance

Subtopics = Mapping[str, Mapping[str, Mapping[str, int]]]  # query_id -> doc_id -> subtopic -> relevance

_Judgement = tuple[int, str, str, str, object]  # line, query_id, doc_id, subtopic, relevance


@dataclass(frozen=True, slots=True)
class Judgements:
    """Qrels, the same by subtopic where a file tells subtopics apart (empty otherwise), and the file, for errors.

    `negative` counts the judgements below 0, which are 0 in the qrels: TREC's -2 is junk, trec-covid has -1.
    """

    qrels: Qrels
    subtopics: Subtopics = field(default_factory=dict)
    file: Path | None = None
    negative: int = 0

    def place(self, query_id: str, doc_id: str = "") -> str:
        """Say where a judgement (of any document, if none is named) stands, in words; the file is read again."""
        if self.file is None:
            return "the qrels"
        for number, query, document, _, _ in _judgements(self.file):
            if query == query_id and doc_id in {"", document}:
                return f"{self.file}, line {number}"
        return str(self.file)


def read_qrels(path: Path) -> Qrels:
    """Read qrels without their subtopics; see `read_judgements`."""
    return read_judgements(path).qrels


def read_judgements(path: Path) -> Judgements:
    """Read qrels; the number of columns tells TREC from BEIR, the name's end JSONL. May be packed with gzip.

    TREC is `query_id iteration doc_id relevance`, BEIR `query-id corpus-id score` below a
    header, JSONL objects with `query_id`, `doc_id`, `relevance` and perhaps `subtopic`, or
    with MTEB's `query-id`, `corpus-id`, `score`. A TREC file whose second column varies is
    judged by subtopic, as those of the diversity tasks are: the qrels then hold each document's
    highest grade. A grade below 0 counts as 0. Raises InputError that names file, line and
    remedy for wrong columns, a pair judged twice, a relevance that is no whole number, and for
    a file without judgements.
    """
    qrels: Qrels = {}
    subtopics: dict[str, dict[str, dict[str, int]]] = {}
    names: set[str] = set()
    first_lines: dict[tuple[str, str, str], int] = {}
    negative = 0
    for number, query_id, doc_id, subtopic, value in _judgements(path):
        before = first_lines.setdefault((query_id, doc_id, subtopic), number)
        if before != number:
            what = f"judges query {query_id!r} and document {doc_id!r} a second time (first in line {before})"
            raise at(path, number, what, "delete one of the lines")
        told = whole_relevance(path, number, value)
        negative, grade = negative + (told < 0), max(0, told)
        names.add(subtopic)
        subtopics.setdefault(query_id, {}).setdefault(doc_id, {})[subtopic] = grade
        known = qrels.setdefault(query_id, {})
        known[doc_id] = max(grade, known.get(doc_id, 0))
    if not qrels:
        raise InputError(f"{path} holds no judgements; is it the right file?")
    return Judgements(qrels, subtopics if len(names) > 1 else {}, path, negative)


def write_qrels(path: Path, qrels: Mapping[str, Mapping[str, int]]) -> None:
    """Write qrels: BEIR for `.tsv`, JSONL for `.jsonl`, TREC otherwise.

    Raises InputError for an id with whitespace in it, which only JSONL can hold.
    """
    row = {".tsv": _beir_row, ".jsonl": _json_row}.get(path.suffix, _trec_row)
    lines = ["query-id\tcorpus-id\tscore"] if row is _beir_row else []
    for query_id, judged in qrels.items():
        for doc_id, relevance in judged.items():
            if row is not _json_row:
                check_ids(path, query_id, doc_id)
            lines.append(row(query_id, doc_id, relevance))
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _trec_row(query_id: str, doc_id: str, relevance: int) -> str:
    return f"{query_id} 0 {doc_id} {relevance}"


def _beir_row(query_id: str, doc_id: str, relevance: int) -> str:
    return f"{query_id}\t{doc_id}\t{relevance}"


def _json_row(query_id: str, doc_id: str, relevance: int) -> str:
    return json.dumps({"query_id": query_id, "doc_id": doc_id, "relevance": relevance})


def check_ids(path: Path, *ids: str) -> None:
    """Raise InputError for an id that the format's columns cannot hold."""
    for one in ids:
        if not one or one.split() != [one]:
            raise InputError(f"{path}: the id {one!r} is empty or has whitespace, which parts columns; use JSONL")


def _judgements(path: Path) -> Iterator[_Judgement]:
    return _in_objects(path) if is_jsonl(path) else _in_columns(path)


def _in_objects(path: Path) -> Iterator[_Judgement]:
    for number, row in read_objects(path):
        query_id, doc_id = (text_of(path, number, row, *names) for names in _IDS)
        yield number, query_id, doc_id, str(row.get("subtopic", "")), row.get("relevance", row.get("score"))


def _in_columns(path: Path) -> Iterator[_Judgement]:
    columns = 0
    for number, line in read_lines(path):
        parts = line.split("\t") if line.count("\t") == 2 else line.split()
        if not columns:
            columns = _columns(path, number, parts)
            if columns == 3 and _is_header(parts):
                if "query" in parts[1].lower():
                    raise at(path, number, f"names {parts[1]!r} in the second column", _LAYOUT)
                continue
        if len(parts) != columns:
            raise at(path, number, f"has {len(parts)} columns where the first line has {columns}", _LAYOUT)
        query_id, doc_id, relevance = (parts[place].strip() for place in (0, -2, -1))
        if not query_id or not doc_id:
            raise at(path, number, f"has an empty {'doc_id' if query_id else 'query_id'}", _LAYOUT)
        yield number, query_id, doc_id, parts[1] if columns == 4 else "", relevance


_IDS = (("query_id", "query-id"), ("doc_id", "corpus-id"))  # the latter are MTEB's
_LAYOUT = "write 'query_id 0 doc_id relevance' (TREC) or 'query-id<TAB>corpus-id<TAB>score' (BEIR) in every line"


def _columns(path: Path, number: int, parts: list[str]) -> int:
    if len(parts) not in {3, 4}:
        hint = " (six columns are a run)" if len(parts) == 6 else ""
        raise at(path, number, f"has {len(parts)} columns{hint}", _LAYOUT)
    return len(parts)


def _is_header(parts: list[str]) -> bool:
    """Tell a header from a judgement: its last column is a word."""
    return parts[-1].strip().replace("_", "-").isalpha()
