from __future__ import annotations

import json
import shutil
from pathlib import Path

from shortlist.evaluation.runs import read_run

from .running import run


def test_a_run_is_reranked_by_a_file_of_pairs_that_can_be_gone_on_with(collection: Path) -> None:
    first = collection / "first.trec"
    first.write_text("".join(f"1 Q0 {doc_id} {i} {9 - i} x\n" for i, doc_id in enumerate(("cats", "iron", "tower"), 1)))
    files = ["--run", first, "--queries", collection / "queries.jsonl", "--corpus", collection / "corpus.jsonl"]
    command = ["rerank", *files, "--out", collection / "scores", "--model", "shortlist-minilm-l6", "--json"]
    outcome = run(*command)
    assert (outcome.code, outcome.err) == (0, "0 of 1 parts\n1 of 1 parts\n")
    assert {k: v for k, v in outcome.json().items() if k != "scorer"} == {
        "pairs": 3,
        "parts": 1,
        "resumed": 0,
        "remarks": [],
    }
    reranked = read_run(collection / "scores" / "reranked.trec")
    assert reranked.doc_ids["1"][0] == "tower"
    lines = (collection / "scores" / "part-000000.jsonl").read_text().splitlines()
    assert [json.loads(line)["doc_id"] for line in lines] == ["cats", "iron", "tower"]
    assert run(*command).json()["resumed"] == 1


def test_another_run_is_another_job(collection: Path) -> None:
    out, files = collection / "scores", []
    for name, doc_ids in (("one", "cats iron"), ("two", "tower iron")):
        files.append(collection / f"{name}.trec")
        files[-1].write_text("".join(f"1 Q0 {doc_id} {i} {9 - i} x\n" for i, doc_id in enumerate(doc_ids.split(), 1)))
    texts = ["--queries", collection / "queries.jsonl", "--corpus", collection / "corpus.jsonl"]
    command = ["rerank", *texts, "--out", out, "--model", "shortlist-minilm-l6"]
    assert run(*command, "--run", files[0]).code == 0
    refused = run(*command, "--run", files[1])
    assert (refused.code, "holds a job with another run" in refused.err) == (2, True)
    assert sorted(read_run(out / "reranked.trec").doc_ids["1"]) == ["cats", "iron"]
    shutil.rmtree(out)
    assert run(*command, "--run", files[1]).code == 0
    assert sorted(read_run(out / "reranked.trec").doc_ids["1"]) == ["iron", "tower"]


def test_a_folder_of_something_else_is_refused_and_nothing_is_written_there(collection: Path) -> None:
    first, out = collection / "first.trec", collection / "reports"
    first.write_text("1 Q0 tower 1 1 x\n")
    out.mkdir()
    (out / "report.md").write_text("mine")
    files = ["--run", first, "--queries", collection / "queries.jsonl", "--corpus", collection / "corpus.jsonl"]
    refused = run("rerank", *files, "--out", out, "--model", "lexical:words")
    assert (refused.code, "holds something else" in refused.err) == (2, True)
    assert [one.name for one in out.iterdir()] == ["report.md"]


def test_a_run_of_ids_with_spaces_is_written_as_json_lines(collection: Path) -> None:
    corpus, first, out = collection / "corpus.jsonl", collection / "first.jsonl", collection / "scores"
    corpus.write_text(corpus.read_text(encoding="utf-8").replace('"tower"', '"my tower"'), encoding="utf-8")
    rows = [{"query_id": "1", "doc_id": doc_id, "score": score} for score, doc_id in enumerate(("my tower", "iron"))]
    first.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    files = ["--run", first, "--queries", collection / "queries.jsonl", "--corpus", corpus, "--out", out]
    outcome = run("rerank", *files, "--model", "shortlist-minilm-l6")
    assert outcome.code == 0, outcome.err
    assert read_run(out / "reranked.jsonl").doc_ids["1"] == ("my tower", "iron")


def test_what_is_missing_is_said(collection: Path) -> None:
    for given, said in (
        ([], "give a query and documents"),
        (["--pairs", "x.jsonl"], "--out FOLDER"),
        (["--out", "o"], "either --pairs FILE or --run FILE"),
        (["a query", "--pairs", "x.jsonl", "--out", "o"], "QUERY has no meaning with --pairs"),
        (["--pairs", "x.jsonl", "--out", "o", "--top-k", "3"], "--top-k has no meaning"),
        (["--pairs", "x.jsonl", "--out", "o", "--score-kind", "logit"], "--score-kind has no meaning"),
        (["a query", "a", "--out", "o"], "--out has a meaning only with --pairs or --run"),
        (["a query", "a", "--queries", "q.jsonl"], "--queries has a meaning only with"),
        (["a query", "a", "--corpus", "c.jsonl"], "--corpus has a meaning only with"),
        (["a query", "a", "--ray"], "--ray has a meaning only with"),
        (["a query", "a", "--workers", "3"], "--workers has a meaning only with"),
        (["a query", "a", "--cores", "2"], "--cores has a meaning only with"),
        (["--out", "o", "--run", "r.trec"], "give --queries and --corpus"),
        (["--out", "o", "--pairs", "absent.jsonl"], "there is no file absent.jsonl"),
    ):
        outcome = run("rerank", *given)
        assert outcome.code == 2
        assert said in outcome.err
