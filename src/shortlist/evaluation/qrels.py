"""Qrels in and out: TREC (four columns), BEIR (three, with a header), JSONL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from shortlist.errors import InputError
from shortlist.evaluation.files import at, existing, read_lines, read_objects, text_of, whole_relevance

Qrels = dict[str, dict[str, int]]  # query_id -> doc_id -> relevance

_Judgement = tuple[int, str, str, object]  # line, query_id, doc_id, relevance


def read_qrels(path: Path) -> Qrels:
    """Read qrels; the number of columns tells TREC from BEIR, the name's end JSONL. May be packed with gzip.

    TREC is `query_id iteration doc_id relevance`, BEIR `query-id corpus-id score` below a
    header, JSONL objects with `query_id`, `doc_id` and `relevance`. Raises InputError that
    names file, line and remedy for wrong columns, a pair judged twice, a relevance that is
    no whole number from 0, and for a file without judgements.
    """
    qrels: Qrels = {}
    first_lines: dict[tuple[str, str], int] = {}
    for number, query_id, doc_id, value in _judgements(path):
        if (query_id, doc_id) in first_lines:
            before = first_lines[query_id, doc_id]
            what = f"judges query {query_id!r} and document {doc_id!r} a second time (first in line {before})"
            raise at(path, number, what, "delete one of the lines")
        first_lines[query_id, doc_id] = number
        qrels.setdefault(query_id, {})[doc_id] = whole_relevance(path, number, value)
    if not qrels:
        raise InputError(f"{path} holds no judgements; is it the right file?")
    return qrels


def write_qrels(path: Path, qrels: Mapping[str, Mapping[str, int]]) -> None:
    """Write qrels: BEIR for `.tsv`, TREC otherwise. Raises InputError for an id with whitespace in it."""
    is_beir = path.suffix == ".tsv"
    lines = ["query-id\tcorpus-id\tscore"] if is_beir else []
    for query_id, judged in qrels.items():
        for doc_id, relevance in judged.items():
            check_ids(path, query_id, doc_id)
            lines.append(f"{query_id}\t{doc_id}\t{relevance}" if is_beir else f"{query_id} 0 {doc_id} {relevance}")
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def check_ids(path: Path, *ids: str) -> None:
    """Raise InputError for an id that the format's columns cannot hold."""
    for one in ids:
        if not one or one.split() != [one]:
            raise InputError(f"{path}: the id {one!r} is empty or has whitespace, which parts columns; use JSONL")


def _judgements(path: Path) -> Iterator[_Judgement]:
    if existing(path).name.removesuffix(".gz").endswith(".jsonl"):
        for number, row in read_objects(path):
            value = row.get("relevance", row.get("score"))
            yield number, text_of(path, number, row, "query_id"), text_of(path, number, row, "doc_id"), value
        return
    columns = 0
    for number, line in read_lines(path):
        parts = line.split("\t") if line.count("\t") == 2 else line.split()
        if not columns:
            columns = _columns(path, number, parts)
            if columns == 3 and _is_header(parts):
                continue
        if len(parts) != columns:
            raise at(path, number, f"has {len(parts)} columns where the first line has {columns}", _LAYOUT)
        yield number, parts[0].strip(), parts[-2].strip(), parts[-1].strip()


_LAYOUT = "write 'query_id 0 doc_id relevance' (TREC) or 'query-id<TAB>corpus-id<TAB>score' (BEIR) in every line"


def _columns(path: Path, number: int, parts: list[str]) -> int:
    if len(parts) not in {3, 4}:
        hint = " (six columns are a run)" if len(parts) == 6 else ""
        raise at(path, number, f"has {len(parts)} columns{hint}", _LAYOUT)
    return len(parts)


def _is_header(parts: list[str]) -> bool:
    """Tell a header from a judgement: its last column is a word."""
    return parts[-1].strip().replace("_", "-").isalpha()
