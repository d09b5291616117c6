"""Budgets, plans, gates and thresholds as a user meets them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shortlist.build.search import open_pipeline
from shortlist.calibration.error import Interval
from shortlist.calibration.fitted import ScoreCalibration
from shortlist.calibration.maps import Platt
from shortlist.scorers.lexical import Lexical
from shortlist.settings import Settings

from .running import Outcome, run

DOCUMENTS = ["iron tower", "tall tall tower", "nothing", "tall"]


@pytest.fixture(autouse=True)
def data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep calibrations out of the user's own folder, and settings files out of the test."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def rerank(*options: object) -> Outcome:
    return run("rerank", "how tall is the tower?", *DOCUMENTS, "--model", "all-minilm-l6-v2", *options)


@pytest.mark.parametrize(
    "option", [("--budget-ms", "50"), ("--gate", "rules"), ("--exits", "packaged"), ("--log-reranks", "log.jsonl")]
)
def test_an_option_of_the_second_stage_is_refused_where_there_is_none(option: tuple[str, str]) -> None:
    outcome = run("search", "q", "absent", "--no-rerank", *option)
    assert outcome.code == 2
    assert f"{option[0]} has no meaning with --no-rerank" in outcome.err


def test_a_generous_budget_changes_nothing_but_the_trace() -> None:
    plain, within = rerank("--json").json(), rerank("--json", "--budget-ms", "60000").json()
    assert [item["doc_id"] for item in within["results"]] == [item["doc_id"] for item in plain["results"]]
    assert (within["partial"], within["unscored"]) == (False, 0)
    assert within["trace"][-1]["stage"] == "budget"
    assert within["trace"][-1]["counts"]["scored"] == 4


def test_a_budget_too_small_for_anything_leaves_the_given_order_and_says_so() -> None:
    outcome = run(
        "rerank", "how tall", *["tall tower " * 100] * 8, "--model", "shortlist-l6", "--budget-ms", "1", "--json"
    )
    ranking = outcome.json()
    assert (ranking["partial"], ranking["unscored"]) == (True, 8)
    assert [item["doc_id"] for item in ranking["results"]] == [str(i) for i in range(8)]
    assert "0 of 8 candidates were scored" in outcome.err


def test_a_model_of_another_kind_is_calibrated_and_takes_over_by_its_kind() -> None:
    assert run("calibrate", "lexical:any", "--seconds", "1", "--json").json()[0]["model"] == "lexical:any"
    assert rerank("--budget-ms", "60000", "--faster", "lexical:any").code == 0
    outcome = run("calibrate", "tei:http://localhost:1")
    assert outcome.code == 2
    assert "tei:http://localhost:1 does not run here" in outcome.err


@pytest.mark.parametrize("command", [("rerank", "q", "a document"), ("search", "q", "absent")])
@pytest.mark.parametrize(
    ("alone", "needed"), [(("--faster", "nomodel"), "--budget-ms"), (("--score-kind", "foo"), "--min-score")]
)
def test_an_option_without_the_one_that_it_belongs_to_is_refused(
    command: tuple[str, ...], alone: tuple[str, str], needed: str
) -> None:
    outcome = run(*command, *alone)
    assert outcome.code == 2
    assert f"{alone[0]} has no meaning without {needed}" in outcome.err


def test_calibrating_makes_plans_possible() -> None:
    outcome = run("calibrate", "all-minilm-l6-v2", "--seconds", "1")
    assert outcome.code == 0
    assert outcome.out.startswith("all-minilm-l6-v2 (")
    assert "shapes held out, P50 was off by" in outcome.out
    planned = run("plan", "--p95", "5000", "--candidates", "10", "--json").json()
    assert {stage["model"] for one in planned["choices"] for stage in one["stages"]} == {"all-minilm-l6-v2"}
    assert planned["chosen"]["quality"]["source"].startswith("measured")
    indexed = run("plan", "--p95", "5000", "--candidates", "10", "--indexed", "--json").json()
    assert indexed["choices"][0]["p50_ms"] < planned["choices"][0]["p50_ms"]  # the vectors are there
    within = rerank("--budget-ms", "60000", "--json").json()
    assert within["trace"][-1]["facts"]["level"] == "all-minilm-l6-v2"


def test_a_stale_calibration_is_noticed(data_folder: Path) -> None:
    run("calibrate", "all-minilm-l6-v2", "--seconds", "1")
    (file,) = (data_folder / "data").rglob("*.json")
    record = json.loads(file.read_text())
    record["machine"]["processor"] = "another"
    file.write_text(json.dumps(record))
    assert (
        "note: the calibration of all-minilm-l6-v2 is stale: processor: another then" in run("plan", "--p95", "9").err
    )
    assert "run `shortlist calibrate all-minilm-l6-v2`" in rerank("--budget-ms", "60000").err


def test_a_model_of_another_kind_is_calibrated_by_the_name_that_budgets_know_it_by() -> None:
    outcome = run("calibrate", "bi-encoder:all-minilm-l6-v2", "--seconds", "1")
    assert outcome.out.startswith("bi-encoder:all-minilm-l6-v2 (")
    assert "bi-encoder:all-minilm-l6-v2" in run("plan", "--p95", "5000").out


def test_a_plan_can_be_made_of_given_figures() -> None:
    fast, slow = "cross-encoder/ms-marco-MiniLM-L6-v2,pairs_per_s=2000", "gpt-4,pairs_per_s=5,price_per_query=.03"
    outcome = run("plan", "--p95", "200", "--assume", fast, "--assume", slow)
    assert (outcome.code, outcome.err) == (0, "")
    table, verdict = outcome.out, outcome.out.splitlines()[-1]
    assert "published" in table
    assert verdict.startswith("Take cross-encoder/ms-marco-MiniLM-L6-v2@50: 25 ms, 38 ms at P95.")


def test_a_plan_without_any_figures_says_what_to_run() -> None:
    outcome = run("plan", "--p95", "200")
    assert outcome.code == 2
    assert "run `shortlist calibrate` first" in outcome.err
    assert "was not calibrated on this machine" in run("plan", "--p95", "200", "--model", "x").err


def test_the_user_s_own_figures_count(data_folder: Path) -> None:
    points = [{"model": "a", "depth": d, "value": v} for d, v in ((10, 0.5), (50, 0.4))]
    (data_folder / "mine.json").write_text(json.dumps({"collection": "mine", "points": points}))
    planned = run("plan", "--p95", "900", "--assume", "a,pairs_per_s=1000", "--quality", "mine.json", "--json").json()
    assert planned["chosen"]["stages"] == [{"model": "a", "depth": 10, "tokens": 180}]


def test_a_threshold_needs_its_kind() -> None:
    outcome = rerank("--min-score", "0.5")
    assert outcome.code == 2
    assert "these scores are of kind 'similarity'" in outcome.err
    kept = rerank("--min-score", "0.3", "--score-kind", "similarity", "--json").json()
    assert 0 < len(kept["results"]) < 4


def test_scores_become_probabilities_by_a_fitted_file(data_folder: Path) -> None:
    nothing = Interval(0.02, 0.01, 0.03)
    made = ScoreCalibration("platt", Platt(1, 0), Lexical().fingerprint, "nothing", 40, 9, nothing, nothing)
    made.save(data_folder / "c.json")
    outcome = rerank("--calibration", "c.json")
    assert outcome.code == 2
    assert "is of lexical:" in outcome.err


def test_a_gate_is_trained_on_logged_rerankings(data_folder: Path) -> None:
    words = ["iron", "tower", "tall", "river", "boat", "stone", "bridge", "light", "water", "north"]
    (data_folder / "docs").mkdir()
    for place, word in enumerate(words):
        text = f"# {word}\n\nThe {word} {words[place - 1]} and {words[place - 3]} of the {words[place - 2]}.\n"
        (data_folder / "docs" / f"{place}.md").write_text(text)
    run("search", "boat", "docs", "--log-reranks", "log.jsonl", "--top-k", "2", "--model", "all-minilm-l6-v2")
    chosen, log = Settings(model="all-minilm-l6-v2", top_k=2), data_folder / "log.jsonl"
    with open_pipeline(data_folder / "docs" / ".shortlist", settings=chosen, log=log) as pipeline:
        for first, second in zip(words, words[5:] + words[:5], strict=True):
            for query in (first, f"which {first} is near the {second}?"):
                pipeline.search(query, top_k=2, depth=6)
    assert len(log.read_text().splitlines()) == 21
    outcome = run("train-gate", "log.jsonl", "--out", "gate.json")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.startswith("gate.json: reranking changed ")
    assert run("train-gate", "log.jsonl", "--json").json()["queries"] == 21
    step = run("search", "boat", "docs", "--gate", "gate.json", "--json", "--top-k", "2").json()["trace"][3]
    assert (step["stage"], sorted(step["facts"])) == ("gate", ["chance", "decision", "reason"])
    assert run("train-gate", "none.jsonl").code == 2


def test_a_share_of_the_first_stage_is_kept_by_option_and_by_setting(data_folder: Path) -> None:
    (data_folder / "docs").mkdir()
    for name, text in (("a", "The tower is tall."), ("b", "A tall tower, a tower of iron, tower."), ("c", "Boats.")):
        (data_folder / "docs" / f"{name}.md").write_text(f"# {name}\n\n{text}\n")

    question = ("search", "how tall is the tower?", "docs", "--json")
    first = run(*question, "--no-rerank").json()
    kept = run(*question, "--first-stage-weight", "1", "--model", "all-minilm-l6-v2").json()
    assert [item["doc_id"] for item in kept["results"]] == [item["doc_id"] for item in first["results"]]
    assert kept["stage"] == "with first stage"
    (data_folder / "shortlist.toml").write_text('first_stage_weight = 0.25\nmodel = "all-minilm-l6-v2"\n')
    within = run(*question, "--budget-ms", "60000").json()
    assert within["trace"][-1]["facts"] == {"weight": "0.25"}
    (data_folder / "shortlist.toml").write_text('first_stage_weight = 3\nmodel = "all-minilm-l6-v2"\n')
    assert "must be a number from 0 to 1" in run("search", "x", "docs").err


def test_a_gate_is_asked(data_folder: Path) -> None:
    (data_folder / "docs").mkdir()
    (data_folder / "docs" / "a.md").write_text("# Tower\n\nThe tower is 330 m tall.\n")
    outcome = run(
        "search", "how tall is it?", "docs", "--gate", "rules", "--first-stage", "bm25", "--json", "--depth", "9"
    )
    assert outcome.json()["trace"][-1]["facts"]["decision"] == "skip"
    assert run("search", "x", "docs", "--gate", "none").code == 2


def test_a_fleet_is_planned_for_a_load() -> None:
    fast = "small,pairs_per_s=2000,p95_ratio=1.2"
    load = ["--fleet", "--p95", "200", "--candidates", "100", "--qps", "50", "--passages", "1000000"]
    found = run("plan", *load, "--assume", fast, "--assume", "slow,pairs_per_s=100", "--json").json()
    fleet = found["fleets"]["small"]
    assert 3 < fleet["replicas"] < 8  # fifty queries of 50 ms keep 2.5 busy; one is spare
    assert fleet["p95_ms"] <= 200
    assert "take fewer candidates" in found["refused"]["slow"]
    assert found["index"]["vectors"] == 1_536_000_000
    shown = run("plan", *load, "--assume", fast, "--price-per-hour", "0.1").out
    assert f"{fleet['replicas'] * 73:,}" in shown
    assert "index of 1,000,000 passages: 2.4 GB of memory" in shown
