"""`shortlist models` and `shortlist doctor`: what is there, and whether it works."""

from __future__ import annotations

from pathlib import Path

import pytest

from shortlist.catalogue import find_entry, read_catalogue
from shortlist.settings import DEFAULT_ENCODER, DEFAULT_MODEL
from shortlist.weights import packaged_models

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


def rows_of(*options: str) -> dict[str, str]:
    """The rows of the list by the model's name, without their marks."""
    known = {entry.name for entry in read_catalogue()} | {model.name for model in packaged_models()}
    lines = run("models", *options).out.splitlines()
    return {word: line for line in lines for word in line.split()[:2] if word in known}


def test_the_list_fits_into_eighty_columns_and_shows_what_a_choice_needs() -> None:
    outcome = run("models")
    assert max(len(line) for line in outcome.out.splitlines()) <= 80
    rows = rows_of()
    assert len(rows) == len(read_catalogue()) + len(packaged_models())
    assert rows["jina-colbert-v2"].startswith("-! ")  # it cannot be run, and forbids commercial use
    assert rows["monot5-base-msmarco"].startswith(" ? ")
    assert rows[DEFAULT_MODEL].startswith("*  ")
    assert rows["bge-reranker-v2-m3"].split() == ["bge-reranker-v2-m3", "568M", "8192", "many", "Apache-2.0"]


def test_the_list_is_narrowed_by_what_a_model_has_to_be_like() -> None:
    german = rows_of("--language", "de", "--max-size", "600M", "--commercial")
    assert {"bge-reranker-v2-m3", "Qwen3-Reranker-0.6B"} <= set(german)
    assert not {"jina-reranker-v2-base-multilingual", "Qwen3-Reranker-4B", "ms-marco-MiniLM-L6-v2"} & set(german)
    assert {find_entry(name).kind for name in rows_of("--kind", "seq2seq")} == {"seq2seq"}  # type: ignore[union-attr]
    assert "monot5-base-msmarco" not in rows_of("--kind", "seq2seq", "--commercial")  # no licence allows nothing
    listed = run("models", "--kind", "late-interaction", "--json").json()
    assert {entry["kind"] for entry in listed["catalogue"]} == {"late-interaction"}
    assert listed["packaged"] == []
    assert "no model is like that" in run("models", "--language", "xx", "--max-size", "1M").out
    for wrong in (("--max-size", "huge"), ("--kind", "crossencoder")):
        assert run("models", *wrong).code == 2


def test_what_is_fetched_is_marked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    snapshot = tmp_path / "models--BAAI--bge-reranker-base" / "snapshots" / "1"
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text("{}")
    assert rows_of()["bge-reranker-base"].startswith("*  ")
    assert {*rows_of("--here")} == {"bge-reranker-base", *(model.name for model in packaged_models())}


def test_one_model_is_shown_with_all_that_is_known() -> None:
    shown = run("models", "BAAI/bge-reranker-v2-m3").out
    assert "953dc6f6f85a1b2dbfca4c34a2796e7dde08d41e" in shown
    assert "3 published scores" in shown
    assert run("models", "bge-reranker-v2-m3", "--json").json()["max_length"] == 8192
    assert run("models", DEFAULT_MODEL, "--json").json()["name"] == DEFAULT_MODEL
    missing = run("models", "bge-rerankr-v2-m3")
    assert missing.code != 0
    assert "nearest: bge-reranker-v2-m3" in missing.err


def test_models_lists_the_kinds_that_plugins_add(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = run("models", "--json").json()["kinds"]
    assert {"cross-encoder", "lexical"} <= set(ours)
    information = tmp_path / "constant_scorer-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: constant-scorer\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[shortlist.scorers]\nconstant = constant_scorer:Constant.load\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert sorted(run("models", "--json").json()["kinds"]) == sorted([*ours, "constant"])
    named = run("models").out.partition("as kind:name:")[2].replace(",", " ").split()
    assert {"constant", "llm-listwise"} <= set(named)


def test_doctor_finds_this_install_in_order() -> None:
    outcome = run("doctor", "--json")
    report = outcome.json()
    fields = ["advice", "checks", "cores", "machine", "packages", "processor", "python", "shortlist"]
    assert sorted(report) == fields
    assert report["checks"][f"checksums of {DEFAULT_MODEL}"] == "ok"
    assert report["checks"]["rerank on onnxruntime"] == "ok"
    assert report["packages"]["numpy"][0].isdigit()
    assert (outcome.code, outcome.err) == (0, "")


def test_doctor_finds_nothing_wrong_where_the_kernel_is_not_for_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = pytest.importorskip("shortlist_native")
    monkeypatch.setattr(installed, "precisions", tuple)
    outcome = run("doctor", "--json")
    assert outcome.json()["checks"]["rerank on native"].startswith("not for this processor")
    assert outcome.code == 0
