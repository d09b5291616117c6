"""`shortlist models` and `shortlist doctor`: what is there, and whether it works."""

from __future__ import annotations

from pathlib import Path

import pytest

from shortlist.settings import DEFAULT_ENCODER, DEFAULT_MODEL

from .running import run


def test_models_lists_the_packaged_ones_with_their_cards() -> None:
    outcome = run("models", "--json")
    assert (outcome.code, outcome.err) == (0, "")
    listed = outcome.json()
    assert sorted(listed) == ["catalogue", "kinds", "packaged"]
    names = [card["name"] for card in listed["packaged"]]
    assert {DEFAULT_MODEL, DEFAULT_ENCODER} <= set(names)
    fields = {"name", "kind", "licence", "source", "parameters", "languages", "max_length", "sha256"}
    assert {card["name"]: fields - set(card) for card in listed["packaged"]} == {name: set() for name in names}
    table = run("models").out
    assert all(text in table for text in (*names, "Apache-2.0"))


def test_models_lists_what_is_known_by_name_with_what_it_needs() -> None:
    listed = {entry["name"]: entry for entry in run("models", "--json").json()["catalogue"]}
    assert listed["bge-reranker-v2-m3"]["hub"] == "BAAI/bge-reranker-v2-m3"
    assert listed["Qwen3-Reranker-0.6B"]["install"] == "pip install 'shortlist[hub,torch]'"
    assert listed["jina-reranker-v2-base-multilingual"]["commercial"] is False
    rows = {line.split()[0]: line for line in run("models").out.splitlines() if line.strip()}
    assert "CC-BY-NC-4.0 !" in rows["jina-colbert-v2"]
    assert "8192" in rows["bge-reranker-v2-m3"]
    assert "568.0 M" in rows["bge-reranker-v2-m3"]


def test_models_lists_the_kinds_that_plugins_add(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = run("models", "--json").json()["kinds"]
    assert {"cross-encoder", "lexical"} <= set(ours)
    information = tmp_path / "constant_scorer-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: constant-scorer\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[shortlist.scorers]\nconstant = constant_scorer:Constant.load\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert sorted(run("models", "--json").json()["kinds"]) == sorted([*ours, "constant"])
    assert ", constant," in run("models").out.splitlines()[-1]


def test_doctor_finds_this_install_in_order() -> None:
    outcome = run("doctor", "--json")
    report = outcome.json()
    fields = ["advice", "checks", "cores", "machine", "packages", "processor", "python", "shortlist"]
    assert sorted(report) == fields
    assert report["checks"][f"checksums of {DEFAULT_MODEL}"] == "ok"
    assert report["checks"]["rerank on onnxruntime"] == "ok"
    assert report["packages"]["numpy"][0].isdigit()
    assert (outcome.code, outcome.err) == (0, "")
