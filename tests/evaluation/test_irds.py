"""ir_datasets' collections are read from where they are; the real package on one made here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shortlist.errors import InputError
from shortlist.evaluation.irds import read_irds

from .material import DOCUMENTS, QRELS, QUERIES

pytestmark = [pytest.mark.filterwarnings("ignore")]  # of ir_datasets and what it imports

ir_datasets = pytest.importorskip("ir_datasets")


@pytest.fixture
def registered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("IR_DATASETS_HOME", str(tmp_path))
    for name, texts in {"docs": DOCUMENTS, "queries": QUERIES}.items():
        (tmp_path / f"{name}.tsv").write_text("".join(f"{k}\t{v}\n" for k, v in texts.items()), encoding="utf-8")
    lines = [f"{q} 0 {d} {grade}\n" for q, judged in QRELS.items() for d, grade in judged.items()]
    (tmp_path / "qrels").write_text("".join(lines) + "1 0 cats -2\n", encoding="utf-8")
    paths = {"docs_tsv": "docs.tsv", "queries_tsv": "queries.tsv", "qrels_trec": "qrels"}
    made = ir_datasets.create_dataset(**{part: str(tmp_path / name) for part, name in paths.items()})
    monkeypatch.setitem(ir_datasets.registry._registered, "made-here", made)
    return made


def test_a_collection_is_read_whole_and_junk_counts_as_not_relevant(registered: Any) -> None:
    found = read_irds("made-here")
    assert {q.query_id: q.text for q in found.queries} == QUERIES
    assert {doc_id: d.text for doc_id, d in found.documents.items()} == DOCUMENTS
    assert found.qrels == {**QRELS, "1": {**QRELS["1"], "cats": 0}}
    assert found.notes == ("1 negative judgements (junk) count as 0",)


def test_an_unknown_name_and_a_collection_without_judgements_are_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="no collection 'no/such'"):
        read_irds("no/such")
    bare = ir_datasets.create_dataset()
    monkeypatch.setitem(ir_datasets.registry._registered, "bare", bare)
    with pytest.raises(InputError, match="no docs and no queries and no qrels"):
        read_irds("bare")


def test_files_that_are_not_there_name_the_folder_to_put_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IR_DATASETS_HOME", str(tmp_path))
    made = ir_datasets.create_dataset(
        docs_tsv=str(tmp_path / "none"), queries_tsv=str(tmp_path / "none"), qrels_trec=str(tmp_path / "none")
    )
    monkeypatch.setitem(ir_datasets.registry._registered, "lost", made)
    with pytest.raises(InputError, match="put its files below"):
        read_irds("lost")
