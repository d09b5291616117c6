"""`shortlist evaluate` as a user meets it."""

from __future__ import annotations

from pathlib import Path

import pytest

from .running import run

LEXICAL = "lex = bm25@5 > lexical[kind=lexical]"


def test_systems_are_measured_saved_reported_and_replayed(collection: Path, tmp_path: Path) -> None:
    options = ["--out", "saved.json", "--report", "r.html", "--report", "r.md", "--runs", "runs", "--permutations", 100]
    outcome = run("evaluate", "-c", collection, "-s", "bm25@5", "-s", LEXICAL, *options)
    assert outcome.code == 0, outcome.err
    assert "differences in nDCG@10" in outcome.out
    assert (tmp_path / "r.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert "| lex |" in (tmp_path / "r.md").read_text(encoding="utf-8")
    assert len((tmp_path / "runs" / "2-lex.trec").read_text(encoding="utf-8").splitlines()) == 5
    again = run("evaluate", "--replay", "saved.json")
    assert again.code == 0
    assert "replay: lex: every value is the same; so is every order" in again.err
    assert run("evaluate", "report", "saved.json", "again.html").code == 0
    assert (tmp_path / "again.html").is_file()


def test_runs_of_ids_with_spaces_are_written_and_read(collection: Path, tmp_path: Path) -> None:
    for name in ("corpus.jsonl", "qrels/test.tsv"):
        text = (collection / name).read_text(encoding="utf-8")
        (collection / name).write_text(text.replace("tower", "my tower"), encoding="utf-8")
    first = run("evaluate", "-c", collection, "-s", "bm25@5", "--runs", "runs", "--json")
    assert first.code == 0, first.err
    again = run("evaluate", "-c", collection, "-s", "run:runs/1-bm25@5.jsonl", "--json")
    assert again.json()["systems"][0]["values"] == first.json()["systems"][0]["values"]


def test_a_folder_of_runs_that_cannot_be_made_is_known_before_anything_runs(collection: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("", encoding="utf-8")
    outcome = run("evaluate", "-c", collection, "-s", "bm25@5", "--runs", "taken", "--index", "made")
    assert outcome.code == 1
    assert "taken" in outcome.err
    assert not (tmp_path / "made").exists()


def test_json_holds_every_querys_value(collection: Path) -> None:
    values = run("evaluate", "-c", collection, "-s", "bm25@5", "-m", "AP RR@5", "--sample", 2, "--json").json()
    assert values["measures"] == ["AP", "RR@5"]
    assert len(values["systems"][0]["values"]["AP"]) == 2


def test_a_replay_that_differs_exits_with_1(collection: Path) -> None:
    assert run("evaluate", "-c", collection, "-s", "bm25@5", "--out", "saved.json", "--permutations", 100).code == 0
    qrels = collection / "qrels" / "test.tsv"
    qrels.write_text(qrels.read_text(encoding="utf-8").replace("1\ttower\t2", "1\train\t2"), encoding="utf-8")
    outcome = run("evaluate", "--replay", "saved.json")
    assert outcome.code == 1
    assert "the collection differs" in outcome.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-s", "bm25"], "no judgements were named"),
        (["-c", "small", "-s", "bm52"], "did you mean 'bm25'"),
        (["-c", "small", "--report", "r.pdf"], "a report is .html or .md"),
        (["-c", "small", "--report", "nowhere/r.md"], "make it first"),
        (["-c", "small", "--out", "nowhere/saved.json"], "for saved.json; make it first"),
        (["--replay", "none.json"], "cannot read none.json"),
        (["-c", "small", "--seed", "-1"], "--seed"),
    ],
)
def test_bad_input_exits_with_2_and_says_what_to_do(arguments: list[str], message: str, collection: Path) -> None:
    outcome = run("evaluate", *arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert message in outcome.err


def test_answers_are_looked_for_in_the_passages_without_a_generator(collection: Path) -> None:
    rows = ['{"query_id": "1", "answers": ["330 metres"]}', '{"query_id": "3", "answers": ["at night", "night"]}']
    (collection / "answers.jsonl").write_text("\n".join(rows), encoding="utf-8")
    options = ["-s", "bm25@3", "-s", "lex = bm25@3 > lexical[kind=lexical]", "-n", "1,3", "--report", "answers.md"]
    outcome = run("evaluate", "answers", "-c", collection, *options)
    assert outcome.code == 0, outcome.err
    assert "answer in context" in outcome.out
    assert "lex vs bm25@3" in (collection.parent / "answers.md").read_text(encoding="utf-8")
    values = run("evaluate", "answers", "-c", collection, "-s", "bm25@3", "-n", "3", "--json").json()
    assert [reply["values"]["answer in context"] for reply in values["replies"]] == [1.0, 1.0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "answers none of the queries"),
        (["--report", "r.html"], "a report is .md, not 'r.html'"),
        (["--out", "nowhere/study.json"], "for study.json; make it first"),
        (["-n", "1,\u00b2"], "--passages takes whole numbers"),
        (["-n", "0,1"], "whole numbers from 1"),
        (["--judge", "me"], "a judge is one of"),
    ],
)
def test_bad_input_to_answers_is_explained(arguments: list[str], message: str, collection: Path) -> None:
    outcome = run("evaluate", "answers", "-c", collection, "-s", "bm25@30", *arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert message in outcome.err
