from __future__ import annotations

import json
from pathlib import Path

import pytest

from .running import run


def test_the_command_reports_every_kind_and_reads_cases(tmp_path: Path) -> None:
    file = tmp_path / "cases.jsonl"
    case = {"query": "tall tower", "documents": ["a tall tower", "a cat\u2028that sleeps"]}
    file.write_text(json.dumps(case, ensure_ascii=False) + "\n", "utf-8-sig")
    outcome = run("probe-injection", "--kind", "lexical", "--file", file, "--json")
    rows = {row["attack"]: row for row in outcome.json()["lexical"]}
    assert rows["query repeated"] == {
        "attack": "query repeated",
        "cases": 1,
        "lifted": 1,
        "first": 1,
        "mean_ranks": 1.0,
    }
    assert "to the top" in run("probe-injection", "--kind", "lexical").out


def test_a_model_is_named_as_everywhere_and_runs_as_the_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "query repeated" in run("probe-injection", "--model", "lexical:lexical").out
    monkeypatch.setenv("SHORTLIST_PRECISION", "fp16")
    assert "no fp16" in run("probe-injection").err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--kind", "llm-listwise"], "needs a language model"),
        (["--kind", "nonsense"], "no scorer of kind"),
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
    outcome = run("probe-injection", "--kind", "lexical", "--file", file)
    assert outcome.code == 2
    assert "cases.jsonl, line 1: " in outcome.err
    assert "; write " in outcome.err
