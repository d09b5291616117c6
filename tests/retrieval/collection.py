"""The shared test collections, read where they lie."""

from __future__ import annotations

import gzip
import json
import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from shortlist.types import Document

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Collection:
    documents: list[Document]
    queries: dict[str, str]
    qrels: list[tuple[str, str, int]]


def load_collection(name: str) -> Collection:
    folder = Path(os.environ.get("SHORTLIST_DATA", REPOSITORY.parent / "shared" / "data")) / "eval" / name
    if not folder.exists():
        pytest.skip(f"the collection {name} is not in {folder}; set SHORTLIST_DATA to the evaluation data")
    qrels = [line.split("\t") for line in next(folder.glob("qrels/*.tsv")).read_text("utf-8").splitlines()]
    judged = [(row[0], row[-2], int(row[-1])) for row in qrels if row[-1].lstrip("-").isdigit()]
    queries = {row["_id"]: row["text"] for row in _json_lines(folder / "queries.jsonl")}
    wanted = {query_id for query_id, _, _ in judged}
    return Collection(
        [Document.of(row) for row in _json_lines(folder / "corpus.jsonl")],
        {query_id: text for query_id, text in queries.items() if query_id in wanted},
        judged,
    )


def _json_lines(path: Path) -> list[dict[str, str]]:
    packed = path.with_name(f"{path.name}.gz")
    data = gzip.decompress(packed.read_bytes()) if packed.exists() else path.read_bytes()
    return [json.loads(line) for line in data.decode("utf-8").splitlines() if line.strip()]
