"""Qrels, runs and collections in and out, and what bad ones are answered with."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.build.collections import read_collection
from shortlist.errors import InputError
from shortlist.evaluation import Collection, Run, read_beir, read_qrels, read_run, write_qrels, write_run
from shortlist.evaluation.collection import read_answers, read_corpus, read_queries, write_beir
from shortlist.evaluation.qrels import Judgements, read_judgements
from shortlist.evaluation.request import Request
from shortlist.evaluation.runs import line_of
from shortlist.types import Document, Query

from .material import beir_folder

IDS = st.text(st.characters(blacklist_categories=("C", "Z")), min_size=1, max_size=5).filter(lambda s: s.split() == [s])
QRELS = st.dictionaries(IDS, st.dictionaries(IDS, st.integers(0, 9), min_size=1), min_size=1)


@settings(max_examples=40)
@given(QRELS, st.sampled_from(["q.tsv", "q.txt", "q.jsonl"]))
def test_written_qrels_are_read_the_same(folder: Path, qrels: dict[str, dict[str, int]], name: str) -> None:
    path = folder / name
    write_qrels(path, qrels)
    assert read_qrels(path) == qrels


@settings(max_examples=40)
@given(st.dictionaries(IDS, st.dictionaries(IDS, st.floats(-9, 9), min_size=1), min_size=1), st.booleans())
def test_a_written_run_is_read_in_its_own_order(
    folder: Path, scores: dict[str, dict[str, float]], as_json: bool
) -> None:
    # an order of our own, which is not that of the scores
    run = Run("x", {q: tuple(found) for q, found in scores.items()}, {q: tuple(f.values()) for q, f in scores.items()})
    path = folder / ("run.jsonl" if as_json else "run.trec")
    write_run(path, run)
    assert read_run(path).doc_ids == run.doc_ids


@pytest.mark.parametrize("name", ["run.jsonl", "run.trec"])
@pytest.mark.parametrize("scores", [(9.0, 2.0), (1.0, 1.0, 1.0), (3.0, 2.0, 2.0)])
def test_a_run_whose_scores_do_not_tell_its_order_keeps_it(
    tmp_path: Path, name: str, scores: tuple[float, ...]
) -> None:
    write_run(tmp_path / name, Run("cascade", {"q": ("c", "a", "b")}, {"q": scores}))
    assert read_run(tmp_path / name).doc_ids == {"q": ("c", "a", "b")}


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all examples of a property."""
    return tmp_path_factory.mktemp("formats")


def test_the_rank_column_of_a_run_is_not_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "bm25.trec"
    path.write_text("1 Q0 a 1 0.5 t\n1 Q0 b 2 0.7 t\n1 Q0 c 3 0.7 t\n", encoding="utf-8")
    run = read_run(path)
    assert (run.name, run.doc_ids, run.ties) == ("bm25", {"1": ("c", "b", "a")}, 1)
    assert line_of(path, "1", "b") == 2


def test_packed_files_and_files_with_crlf_and_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    (tmp_path / "qrels.txt.gz").write_bytes(gzip.compress("\ufeff1 0 a 1\r\n\r\n1 0 b 0\r\n".encode()))
    assert read_qrels(tmp_path / "qrels.txt") == {"1": {"a": 1, "b": 0}}
    assert read_qrels(tmp_path / "qrels.txt.gz") == {"1": {"a": 1, "b": 0}}


def test_json_lines_are_read(tmp_path: Path) -> None:
    (tmp_path / "q.jsonl").write_text('{"query_id": 1, "doc_id": "a b", "relevance": 2}\n', encoding="utf-8")
    (tmp_path / "r.jsonl").write_text('{"query_id": "1", "doc_id": "a b", "score": 2.5}\n', encoding="utf-8")
    assert read_qrels(tmp_path / "q.jsonl") == {"1": {"a b": 2}}
    assert read_run(tmp_path / "r.jsonl").scores == {"1": (2.5,)}


def test_a_second_column_that_varies_names_subtopics(tmp_path: Path) -> None:
    (tmp_path / "div.qrels").write_text("1 1 a 1\n1 2 a 0\n1 2 b 3\n", encoding="utf-8")
    rows = [("a", "1", 1), ("a", "2", 0), ("b", "2", 3)]
    lines = [{"query_id": "1", "doc_id": d, "subtopic": s, "relevance": grade} for d, s, grade in rows]
    (tmp_path / "div.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    for name in ("div.qrels", "div.jsonl"):
        found = read_judgements(tmp_path / name)
        assert found.qrels == {"1": {"a": 1, "b": 3}}
        assert found.subtopics == {"1": {"a": {"1": 1, "2": 0}, "b": {"2": 3}}}
    (tmp_path / "adhoc.qrels").write_text("1 0 a 1\n1 0 b 0\n", encoding="utf-8")
    assert read_judgements(tmp_path / "adhoc.qrels").subtopics == {}


def test_negative_grades_count_as_not_relevant_and_are_told(tmp_path: Path) -> None:
    """BEIR's trec-covid has -1, TREC's web tracks -2 for junk."""
    (tmp_path / "a.qrels").write_text("1 0 a -1\n1 0 b 2\n2 0 a -2\n", encoding="utf-8")
    judgements = read_judgements(tmp_path / "a.qrels")
    assert judgements.qrels == {"1": {"a": 0, "b": 2}, "2": {"a": 0}}
    queries = [Query("cats", "1"), Query("dogs", "2")]
    found = Collection.of("x", judgements=judgements, queries=queries)
    assert found.notes[-1] == "2 negative judgements (junk) count as 0"


def test_beir_qrels_are_read_with_and_without_a_header(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("query-id\tcorpus-id\tscore\n1\ta\t1\n", encoding="utf-8")
    (tmp_path / "b.tsv").write_text("1\ta\t1\n", encoding="utf-8")
    assert read_qrels(tmp_path / "a.tsv") == read_qrels(tmp_path / "b.tsv") == {"1": {"a": 1}}


BAD_QRELS = {
    "1 0 a 1\n1 0 b\n": "line 2: has 3 columns where the first line has 4",
    "1 Q0 a 1 0.5 tag\n": "line 1: has 6 columns .six columns are a run.; write 'query_id 0 doc_id",
    "1 0 a 1\n1 0 b 0\n1 0 a 2\n": "line 3: judges query '1' and document 'a' a second time .first in line 1.; delete",
    "1 0 a 0.5\n": "line 1: has relevance '0.5'; grades are whole numbers; round",
    "1 0 a yes\n": "line 1: has relevance 'yes'; write a whole number",
    "1 0 a nan\n": "line 1: has relevance 'nan'; ",
    "1\t\t1\n": "line 1: has an empty doc_id; write",
    "\ta\t1\n": "line 1: has an empty query_id; write",
    "corpus-id\tquery-id\tscore\na\t1\t1\n": "line 1: names 'query-id' in the second column; write",
    "query-id\tcorpus-id\tscore\n": "holds no judgements; is it the right file",
    "": "holds no judgements",
}


@pytest.mark.parametrize(("content", "message"), BAD_QRELS.items())
def test_bad_qrels_are_refused_with_file_line_and_remedy(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.qrels"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=f"bad.qrels.*{message}"):
        read_qrels(path)


BAD_RUNS = {
    "1 Q0 a 1 0.5\n": "line 1: has 5 columns; write 'query_id Q0",
    "1 0 a 1\n": "has 4 columns .four columns are qrels.",
    "1 Q0 a 1 2 t\n1 Q0 a 2 1 t\n": "line 2: ranks document 'a' a second time for query '1'; keep one",
    "1 Q0 a 1 nan t\n": "line 1: has score 'nan', which cannot be ranked; write a number up to",
    "1 Q0 a 1 1e39 t\n": "line 1: has score '1e39', which cannot be ranked; write a number up to",
    "1 Q0 a 1 high t\n": "line 1: has score 'high'; write a number",
    " \n": "holds no rankings",
}


@pytest.mark.parametrize(("content", "message"), BAD_RUNS.items())
def test_bad_runs_are_refused_with_file_line_and_remedy(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.trec"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=f"bad.trec.*{message}"):
        read_run(path)


def test_damaged_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "cut.gz").write_bytes(gzip.compress(b"1 0 a 1\n" * 999)[:-9])
    (tmp_path / "latin").write_bytes(b"1 0 a 1\n1 0 \xe9 1\n")
    for name, message in {
        "cut.gz": "damaged",
        "latin": "line 2: is not UTF-8",
        "none": "is missing",
        ".": "a folder",
    }.items():
        with pytest.raises(InputError, match=message):
            read_qrels(tmp_path / name)


@pytest.mark.parametrize(
    "write", [lambda p: write_qrels(p, {"a b": {"c": 1}}), lambda p: write_run(p, Run("r", {"": ("c",)}))]
)
def test_ids_that_columns_cannot_hold_are_not_written(write: Callable[[Path], None], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="use JSONL"):
        write(tmp_path / "out")


def test_a_beir_folder_is_read_with_what_does_not_fit(tmp_path: Path) -> None:
    collection = read_beir(beir_folder(tmp_path))
    assert collection.name == tmp_path.name
    assert {q.query_id for q in collection.queries} == set(collection.qrels)
    qrels = tmp_path / "qrels" / "test.tsv"
    qrels.write_text("q\td\ts\n1\ttower\t1\n1\tlost\t1\n77\ttower\t1\n", encoding="utf-8")
    corpus = tmp_path / "corpus.jsonl"
    assert read_beir(tmp_path).notes == (
        f"1 judged queries have no text and are left out ('77' at {qrels}, line 4)",
        f"1 of 2 judgements are of documents that {corpus} lacks ('lost' at {qrels}, line 3)",
    )


def test_mteb_keeps_judgements_as_json_lines_in_a_beir_folder(tmp_path: Path) -> None:
    beir = read_beir(beir_folder(tmp_path))
    rows = [
        {"query-id": query_id, "corpus-id": doc_id, "score": float(grade)}
        for query_id, judged in beir.qrels.items()
        for doc_id, grade in judged.items()
    ]
    (tmp_path / "qrels" / "test.tsv").unlink()
    (tmp_path / "qrels" / "test.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    assert read_beir(tmp_path) == read_beir(tmp_path, split="test") == beir
    with pytest.raises(InputError, match=r"dev\.tsv is missing"):
        read_beir(tmp_path, split="dev")


def test_a_written_collection_is_read_the_same(tmp_path: Path) -> None:
    collection = read_beir(beir_folder(tmp_path / "made"))
    folder = tmp_path / "again" / "made"
    write_beir(folder, collection, split="dev")
    assert read_beir(folder) == collection
    with pytest.raises(InputError, match=r"dev\.tsv: the id 'a b' .* use JSONL"):
        write_beir(tmp_path / "x", replace(collection, qrels={"a b": {"c": 1}}), split="dev")


def test_queries_that_nothing_is_relevant_for_are_told() -> None:
    queries = [Query("one", "1"), Query("two", "2")]
    collection = Collection.of("c", judgements=Judgements({"1": {"a": 1}, "2": {"a": 0}}), queries=queries)
    assert collection.notes == ("1 of 2 queries have no relevant document and count 0, whatever is found ('2')",)


def test_a_sample_keeps_the_order_and_the_judgements_of_its_queries(tmp_path: Path) -> None:
    collection = read_beir(beir_folder(tmp_path))
    drawn = collection.sampled(2, seed=3)
    assert len(drawn.queries) == 2
    assert [q.query_id for q in drawn.queries] == list(drawn.qrels)
    assert drawn == collection.sampled(2, seed=3)
    assert drawn.fingerprint != collection.fingerprint
    assert collection.sampled(0, seed=3) == collection


def test_collections_without_overlap_are_refused() -> None:
    query, document = Query("what?", "1"), Document("text", "a")
    with pytest.raises(InputError, match=r"none of the 1 queries has judgements.*'1'.*'2'.*name those"):
        Collection.of("x", judgements=Judgements({"2": {"a": 1}}), queries=[query])
    with pytest.raises(InputError, match="no query at all"):
        Collection.of("x", judgements=Judgements({"2": {"a": 1}}), queries=[])
    with pytest.raises(InputError, match=r"none of the judged documents is in the corpus.*'b' in the qrels"):
        Collection.of("x", judgements=Judgements({"1": {"b": 1}}), queries=[query], documents={"a": document})


def test_files_of_different_collections_are_named_with_the_line(tmp_path: Path) -> None:
    folder = beir_folder(tmp_path / "made")
    qrels = tmp_path / "other.qrels"
    qrels.write_text("77 0 tower 1\n78 0 tower 1\n", encoding="utf-8")
    request = Request(("bm25",), collection=str(folder), qrels=str(qrels))
    with pytest.raises(InputError, match=r"none of the 6 queries.*'1'; .*other\.qrels, line 1 has '77'"):
        read_collection(request)
    qrels.write_text("1 0 lost 1\n", encoding="utf-8")
    corpus = re.escape(str(folder / "corpus.jsonl"))
    with pytest.raises(
        InputError, match=rf"other\.qrels, line 1: none .* is in {corpus} .*'lost' .*'tower' .*name those"
    ):
        read_collection(replace(request, corpus=str(folder / "corpus.jsonl")))


BAD_ROWS = {
    '{"_id": "1", "text": "a"}\n{"_id": "1", "text": "b"}\n': "line 2: has the .*_id '1' a second time",
    '{"text": "a"}\n': "line 1: has no text in '_id'",
    "[1]\n": "line 1: holds list, not an object",
    "{\n": "line 1: is no valid JSON",
    "": "holds no ",
}


@pytest.mark.parametrize(("content", "message"), BAD_ROWS.items())
def test_bad_queries_and_documents_are_refused(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(content, encoding="utf-8")
    for read in (read_queries, read_corpus):
        with pytest.raises(InputError, match=f"rows.jsonl.*{message}"):
            read(path)


def test_tab_separated_queries_are_read_with_and_without_a_header(tmp_path: Path) -> None:
    for header in ("", "query_id\ttext\n", "qid\tquery\r\n", "Query-ID\tText\n"):
        (tmp_path / "q.tsv").write_text(f"{header}1\thow tall?\n2\tof what?\n", encoding="utf-8")
        assert read_queries(tmp_path / "q.tsv") == (Query("how tall?", "1"), Query("of what?", "2"))
    for content, message in {
        "1\t \n": "line 1: has an empty text for query '1'",
        "1\ta\n\tb\n": "line 2: has an empty query_id; write",
        "1 a\n": "line 1: has no tab; write",
        " \n": "holds no queries; is it the right file",
    }.items():
        (tmp_path / "bad.tsv").write_text(content, encoding="utf-8")
        with pytest.raises(InputError, match=rf"bad\.tsv.*{message}"):
            read_queries(tmp_path / "bad.tsv")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            '{"query_id": "1", "answers": ["a"]}\n{"query_id": "1", "answers": ["b"]}\n',
            "line 2: .*'1' a second time; put",
        ),
        ('{"query_id": "1", "answers": []}\n', "line 1: has no list of texts"),
        ('{"query_id": "1", "answers": "a"}\n', "line 1: has no list of texts"),
    ],
)
def test_bad_gold_answers_are_refused(content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "gold.jsonl").write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=rf"gold\.jsonl.*{message}"):
        read_answers(tmp_path / "gold.jsonl")


def test_queries_whose_text_is_no_string_are_refused(tmp_path: Path) -> None:
    (tmp_path / "q.jsonl").write_text('{"_id": "1", "text": ["a"]}\n', encoding="utf-8")
    with pytest.raises(InputError, match=r"q\.jsonl, line 1: query '1' has no text that is a string; write"):
        read_queries(tmp_path / "q.jsonl")
