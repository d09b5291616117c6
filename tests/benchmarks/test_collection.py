"""Reading collections, and drawing queries."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from benchmarks.quality.collection import data_folder, load_collection

from shortlist.errors import InputError
from shortlist.evaluation.collection import drawn
from shortlist.types import Query

CORPUS = '{"_id": "d1", "title": "T", "text": "one"}\n{"_id": "d2", "text": "two"}\n'
QUERIES = '{"_id": "q1", "text": "first"}\n{"_id": "q2", "text": "not judged"}\n'
QRELS = "query-id\tcorpus-id\tscore\nq1\td1\t2\n"
MANY = tuple(Query("text", str(place)) for place in range(50))


def _write(data: Path, name: str, *, split: str = "test") -> Path:
    folder = data / "eval" / name
    (folder / "qrels").mkdir(parents=True)
    (folder / "corpus.jsonl.gz").write_bytes(gzip.compress(CORPUS.encode()))
    (folder / "queries.jsonl").write_text(QUERIES, encoding="utf-8")
    (folder / "qrels" / f"{split}.tsv").write_text(QRELS, encoding="utf-8")
    return folder


def test_documents_queries_and_qrels_are_read(tmp_path: Path) -> None:
    _write(tmp_path, "tiny")
    collection = load_collection("tiny", data=tmp_path)
    assert [d.full_text for d in collection.documents.values()] == ["T\none", "two"]
    assert collection.queries == (Query("first", "q1"),)
    assert collection.qrels == {"q1": {"d1": 2}}


def test_cosqa_is_judged_on_its_dev_split(tmp_path: Path) -> None:
    _write(tmp_path, "cosqa", split="dev")
    assert load_collection("cosqa", data=tmp_path).qrels == {"q1": {"d1": 2}}


def test_given_candidates_stand_in_rank_order_and_bound_the_documents(tmp_path: Path) -> None:
    folder = _write(tmp_path, "trec_dl19")
    (folder / "candidates").mkdir()
    (folder / "candidates" / "BM25.trec").write_text("q1 Q0 d2 2 1.0 x\nq1 Q0 d1 1 2.0 x\n", encoding="utf-8")
    collection = load_collection("trec_dl19", data=tmp_path)
    assert [d.doc_id for d in collection.given(collection.queries[0], depth=10)] == ["d1", "d2"]
    assert [d.doc_id for d in collection.given(collection.queries[0], depth=1)] == ["d1"]
    assert collection.relevant_from == 2


def test_an_unknown_collection_lists_what_there_is(tmp_path: Path) -> None:
    _write(tmp_path, "tiny")
    with pytest.raises(InputError, match="there are: tiny"):
        load_collection("tny", data=tmp_path)


def test_the_data_folder_is_named_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHORTLIST_DATA", str(tmp_path))
    with pytest.raises(InputError, match="SHORTLIST_DATA"):
        data_folder()
    (tmp_path / "eval").mkdir()
    assert data_folder() == tmp_path


def test_a_sample_is_seeded_and_without_repeats() -> None:
    chosen = drawn(MANY, 10, seed=1)
    assert chosen == drawn(MANY, 10, seed=1) != drawn(MANY, 10, seed=2)
    assert len({query.query_id for query in chosen}) == 10
    assert drawn(MANY, 0, seed=1) == drawn(MANY, 99, seed=1) == MANY
    with pytest.raises(InputError, match="-1"):
        drawn(MANY, -1, seed=1)
