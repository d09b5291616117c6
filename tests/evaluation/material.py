"""A small test collection that every test may read."""

from __future__ import annotations

import json
from pathlib import Path

DOCUMENTS = {
    "tower": "The tower is 330 metres tall and stands in Paris.",
    "iron": "The tower is made of wrought iron.",
    "cats": "Cats sleep for most of the day and hunt at night.",
    "git": "To undo the last commit, run git reset and keep your changes.",
    "ada": "Ada Lovelace wrote the first program in 1843.",
    "rain": "Rain falls from clouds when drops grow heavy.",
    "hostile": "<script>alert('x')</script> & the tower of \"quotes\"",
    "bread": "Bread is baked from flour, water and salt.",
}
QUERIES = {
    "1": "how tall is the tower?",
    "2": "what is the tower made of?",
    "3": "when do cats hunt?",
    "4": "who wrote the first program?",
    "5": "undo the last commit",
    "6": "<b>bread & water</b>",
}
QRELS = {
    "1": {"tower": 2, "iron": 0},
    "2": {"iron": 2, "tower": 1},
    "3": {"cats": 1},
    "4": {"ada": 1},
    "5": {"git": 1, "cats": 0},
    "6": {"bread": 2, "rain": 0},
}
ANSWERS = {
    "1": ["330 metres"],
    "2": ["wrought iron", "iron"],
    "3": ["at night"],
    "4": ["Ada Lovelace"],
    "5": ["git reset"],
}


def beir_folder(folder: Path) -> Path:
    """Write the collection in BEIR layout into a folder."""
    (folder / "qrels").mkdir(parents=True, exist_ok=True)
    rows(folder / "corpus.jsonl", [{"_id": d, "title": "", "text": text} for d, text in DOCUMENTS.items()])
    rows(folder / "queries.jsonl", [{"_id": q, "text": text} for q, text in QUERIES.items()])
    rows(folder / "answers.jsonl", [{"query_id": q, "answers": texts} for q, texts in ANSWERS.items()])
    lines = [f"{q}\t{d}\t{grade}\n" for q, judged in QRELS.items() for d, grade in judged.items()]
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(lines), encoding="utf-8")
    return folder


def rows(path: Path, objects: list[dict[str, object]]) -> None:
    """Write JSONL."""
    path.write_text("".join(json.dumps(row) + "\n" for row in objects), encoding="utf-8")
