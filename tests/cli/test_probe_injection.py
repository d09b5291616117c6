from __future__ import annotations

import json
from pathlib import Path

import pytest

from .running import run


def test_the_command_reports_every_model_and_reads_cases(tmp_path: Path) -> None:
    file = tmp_path / "cases.jsonl"
    case = {"query": "tall tower", "documents": ["a tall tower", "a cat\u2028that sleeps"]}
    file.write_text(json.dumps(case, ensure_ascii=False) + "\n", "utf-8-sig")
    outcome = run("probe-injection", "-m", "lexical:words", "-m", "shortlist-l6", "--file", file, "--json")
    assert list(outcome.json()) == ["lexical:words", "shortlist-l6"]
    rows = {row["attack"]: row for row in outcome.json()["lexical:words"]}
    assert rows["query repeated"] == {
        "attack": "query repeated",
        "cases": 1,
        "lifted": 1,
        "first": 1,
        "mean_ranks": 1.0,
    }
    assert "to the top" in run("probe-injection", "-m", "lexical:words").out


def test_the_model_in_use_is_probed_as_the_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHORTLIST_PRECISION", "fp16")
    assert "no fp16" in run("probe-injection").err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["-m", "llm-listwise:qwen3"], "name the server that runs it"),
        (["-m", "llm-listwse:qwen3"], "did you mean 'llm-listwise:qwen3'?"),
        (["--file", "missing.jsonl"], "missing.jsonl is missing"),
    ],
)
def test_what_cannot_be_probed_is_said(arguments: list[str], reason: str) -> None:
    outcome = run("probe-injection", *arguments)
    assert outcome.code == 2
    assert reason in outcome.err


@pytest.mark.parametrize("content", ["not json", '{"query": "q"}', '["a"]', '{"query": "q", "documents": "one"}'])
def test_a_bad_file_of_cases_is_named(content: str, tmp_path: Path) -> None:
    file = tmp_path / "cases.jsonl"
    file.write_text(content, "utf-8")
    outcome = run("probe-injection", "-m", "lexical:words", "--file", file)
    assert outcome.code == 2
    assert "cases.jsonl, line 1: " in outcome.err
    assert "; write " in outcome.err
