"""`shortlist advise` as a user meets it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shortlist.build.calibration import calibrations_folder
from shortlist.inference.cores import usable_cores
from shortlist.planning.cost import CostModel
from shortlist.planning.fitting import FitError
from shortlist.planning.machine import Machine
from shortlist.planning.store import Record, save
from shortlist.scorers.lexical import Lexical

from .running import run

MODEL = "lexical[kind=lexical]"


def test_advice_has_a_verdict_intervals_and_a_report(collection: Path, tmp_path: Path) -> None:
    options = ["--first-stage", "bm25", "--depth", 8, "--report", "advice.md"]
    outcome = run("advise", "-c", collection, "-m", MODEL, *options)
    assert outcome.code == 0, outcome.err
    assert "Do not rerank: " in outcome.out
    page = (tmp_path / "advice.md").read_text(encoding="utf-8")
    for title in ("by depth", "Against no reranking", "how many passages", "first stage's scores added"):
        assert title in page
    values = run("advise", "-c", collection, "-m", MODEL, *options, "--json").json()
    assert [gain["passages"] for gain in values["by_passages"]] == [3, 5, 10, 30]
    plain = next(one for one in values["models"] if not one["mixes"])
    assert all(gain["low"] <= gain["mean"] <= gain["high"] for gain in plain["gains"])
    assert 0 < values["recall"] <= 1
    assert values["ceiling"] >= values["baseline"][0]


def test_a_model_of_another_kind_may_be_the_one_in_use(collection: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHORTLIST_MODEL", "lexical:lexical")
    outcome = run("advise", "-c", collection, "--first-stage", "bm25", "--depth", 8)
    assert outcome.code == 0, outcome.err
    assert "lexical:lexical" in outcome.out


def test_a_run_takes_the_place_of_retrieval(collection: Path, tmp_path: Path) -> None:
    lines = [f"{q} Q0 {d} 0 {score} x" for q in "12" for d, score in (("cats", 3), ("tower", 2), ("iron", 1))]
    (tmp_path / "bad.trec").write_text("\n".join(lines), encoding="utf-8")
    files = ["--queries", collection / "queries.jsonl", "--qrels", collection / "qrels" / "test.tsv"]
    outcome = run(
        "advise", *files, "--corpus", collection / "corpus.jsonl", "--run", "bad.trec", "-m", MODEL, "--depth", 3
    )
    assert outcome.code == 0, outcome.err
    assert "run:bad.trec@3" in outcome.out


def test_a_query_that_found_nothing_does_not_say_what_kind_of_model_it_is(collection: Path, tmp_path: Path) -> None:
    first = json.loads((collection / "queries.jsonl").read_text(encoding="utf-8").splitlines()[0])["_id"]
    run("evaluate", "-c", collection, "-s", "bm25@8", "--runs", "runs")
    lines = (tmp_path / "runs" / "1-bm25@8.trec").read_text(encoding="utf-8").splitlines()
    kept = [f"{line}\n" for line in lines if line.split()[0] != first]
    (tmp_path / "without.trec").write_text("".join(kept), encoding="utf-8")
    values = run("advise", "-c", collection, "--run", "without.trec", "-m", MODEL, "--json").json()
    assert len(values["mixes"]) == 1


def test_a_sum_keeps_what_the_model_did_not_read_behind_it(collection: Path, tmp_path: Path) -> None:
    lines = [f"{q} Q0 {d} 0 {score} x\n" for q in "12" for d, score in (("cats", 3), ("tower", 2), ("iron", 1))]
    (tmp_path / "bad.trec").write_text("".join(lines), encoding="utf-8")
    values = run("advise", "-c", collection, "--run", "bad.trec", "-m", "lexical@1[kind=lexical]", "--json").json()
    assert [one["gains"][-1]["mean"] for one in values["models"]] == [0, 0]  # of one document there is no other order
    assert {one["mixes"] for one in values["models"]} == {"", "lexical@1[kind=lexical]"}


def test_without_judgements_only_changes_are_told(collection: Path) -> None:
    files = ["--queries", collection / "queries.jsonl", "--corpus", collection / "corpus.jsonl"]
    arguments = ["advise", *files, "--first-stage", "bm25", "-m", MODEL, "--depth", 8, "--passages", 1]
    outcome = run(*arguments)
    assert outcome.code == 0, outcome.err
    assert "latency" not in outcome.err, "there is none in what is told"
    assert "says nothing about quality" in outcome.out or "nobody can say whether reranking helps" in outcome.out
    values = run(*arguments, "--json").json()
    assert values["models"] == []
    assert values["recall"] is None
    assert 0 <= values["changes"][0]["kept"] <= 1


def test_what_smaller_depths_take_is_what_was_calibrated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    for name, texts in {"corpus": ["tall " * i for i in range(1, 9)], "queries": ["tall", "how tall"]}.items():
        lines = [json.dumps({"_id": str(i), "text": text}) + "\n" for i, text in enumerate(texts)]
        (tmp_path / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")
    (tmp_path / "qrels.trec").write_text("0 0 1 1\n1 0 2 1\n", encoding="utf-8")
    files = ["--queries", "queries.jsonl", "--corpus", "corpus.jsonl", "--qrels", "qrels.trec"]
    command = ["advise", *files, "--first-stage", "bm25", "-m", MODEL, "--depth", 8]
    assert "in proportion to the candidates" in run(*command).err
    error, cost = FitError(0.1, 0.1, 0.95, 6, 60), CostModel(fixed_ms=100, pair_ms=1)
    scorer, cores = Lexical().fingerprint, usable_cores()
    record = Record("lexical", scorer, "auto", "auto", cores, Machine.here(), cost, error, 60, "now")
    save(calibrations_folder(), record)
    outcome = run(*command, "--json")
    assert "in proportion to the candidates" not in outcome.err
    plain = next(one for one in outcome.json()["models"] if not one["mixes"])
    at_5, at_8 = (gain["latency_ms"] for gain in plain["gains"])
    assert at_5 / at_8 == pytest.approx(105 / 108)


def test_a_first_stage_that_finds_nothing_gives_no_advice(collection: Path, tmp_path: Path) -> None:
    lines = (collection / "queries.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [{"_id": json.loads(line)["_id"], "text": "xyzzy"} for line in lines]
    (tmp_path / "other.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    arguments = ["--queries", "other.jsonl", "--corpus", collection / "corpus.jsonl", "--first-stage", "bm25"]
    outcome = run("advise", *arguments, "-m", MODEL)
    assert outcome.code == 2
    assert f"bm25@100 found nothing for any of the {len(rows)} queries" in outcome.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-m", MODEL], "no queries were named"),
        (["-c", "small", "--report", "advice.pdf"], "a report is .md"),
        (["-c", "small", "--first-stage", "bm52"], "did you mean 'bm25'"),
        (["-c", "small", "--sample", "1", "--first-stage", "bm25", "-m", MODEL], "at least two queries"),
    ],
)
def test_bad_input_exits_with_2_and_says_what_to_do(arguments: list[str], message: str, collection: Path) -> None:
    outcome = run("advise", *arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert message in outcome.err


def test_the_device_reaches_the_models(collection: Path) -> None:
    where = ["--engine", "onnxruntime", "--device", "cuda"]
    outcome = run("advise", "-c", collection, "--first-stage", "bm25", "-m", "shortlist-minilm-l6", *where)
    assert outcome.code == 2
    assert "device='cuda'" in outcome.err
