from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from shortlist.cli.output import print_text

from .running import RANKING, run

TOWER = "The tower is 330 metres tall."


def test_a_folder_is_indexed_first_and_afterwards_only_what_changed(docs: Path) -> None:
    first = run("search", "how tall is the tower?", docs, "--json")
    assert (first.code, first.texts()[0]) == (0, TOWER)
    assert "indexed 4 files (5 passages)" in first.err
    (docs / "cats.txt").write_text("Dogs bark at the postman.", encoding="utf-8")
    (docs / "git" / "undo.rst").unlink()
    second = run("search", "which animal barks?", docs, "--json", "--no-rerank")
    assert second.texts()[0] == "Dogs bark at the postman."
    assert "indexed 1 files (4 passages)" in second.err
    third = run("search", "which animal barks?", docs, "--json", "--no-rerank", "--first-stage", "bm25")
    assert (third.code, third.err) == (0, "")


def test_a_result_says_where_it_is_and_where_it_stood_before_reranking(indexed: Path) -> None:
    outcome = run("search", "how tall is the tower?", indexed / ".shortlist", "--json", "--top-k", "2")
    assert (outcome.code, outcome.err) == (0, "")
    ranking = outcome.json()
    assert sorted(ranking) == RANKING
    *first_stage, second_stage = (step["stage"] for step in ranking["trace"])
    assert first_stage == ["bm25", "dense", "hybrid"]
    assert second_stage.startswith("cross-encoder")
    assert sorted(ranking["trace"][0]) == ["counts", "degradations", "facts", "latency_ms", "stage", "truncations"]
    best, second = ranking["results"]
    assert sorted(best) == ["doc_id", "history", "metadata", "place", "rank", "score", "text", "title"]
    assert best["place"] == {"path": "tower.md", "first_line": 3, "last_line": 3, "heading": "Height"}
    assert [(s["stage"], s["rank"]) for s in best["history"]] == [("bm25", 1), ("dense", 1), ("hybrid", 1)]
    assert sorted(best["history"][0]) == ["rank", "score", "stage"]
    assert (best["rank"], second["rank"]) == (1, 2)
    assert best["score"] > second["score"]


def test_for_people_it_shows_the_passage_its_place_and_both_ranks(indexed: Path) -> None:
    outcome = run("search", "how tall is the tower?", indexed, "--top-k", "1")
    assert outcome.code == 0
    heading, standing, passage, *rest = outcome.out.splitlines()
    assert heading.split() == ["1.", "tower.md:3-3", "Height"]
    assert standing.endswith("; stood at: bm25 1, dense 1, hybrid 1")
    assert passage.strip() == TOWER
    named = [line for line in rest if line.strip() and not line.startswith(" ")]
    assert [line.split()[0] for line in named] == ["step", "bm25", "dense", "hybrid", "cross-encoder", "total"]


def test_without_reranking_the_first_stage_order_stands(indexed: Path) -> None:
    for stage, score_kind in {"bm25": "bm25", "weighted": "weighted sum"}.items():
        outcome = run("search", "tall tower", indexed, "--json", "--no-rerank", "--first-stage", stage)
        assert outcome.json()["score_kind"] == score_kind
        assert outcome.texts()[0] == TOWER


def test_a_filter_keeps_what_meets_it(indexed: Path) -> None:
    lexical = ["--json", "--no-rerank", "--first-stage", "bm25"]
    found = run("search", "the first program", indexed, *lexical, "--where", '{"year": {"lt": 1900}}').json()
    assert [(item["doc_id"], item["metadata"]["year"]) for item in found["results"]] == [("ada", 1843)]
    none = run("search", "the first program", indexed, *lexical, "--where", '{"year": 1900}')
    assert none.json()["results"] == []
    assert run("search", "zebra", indexed, *lexical[1:]).out == "nothing found\n"


@pytest.mark.parametrize(
    ("where", "reason"),
    [("{", "must be JSON"), ("[1]", "must be a JSON object"), ('{"a": {"near": 1}}', "known are gt, gte, lt, lte")],
)
def test_a_filter_of_the_wrong_kind_is_refused_with_an_example(indexed: Path, where: str, reason: str) -> None:
    outcome = run("search", "tower", indexed, "--no-rerank", "--first-stage", "bm25", "--where", where)
    assert (outcome.code, outcome.out) == (2, "")
    assert reason in outcome.err


def test_what_cannot_be_meant_is_refused_before_anything_is_indexed(docs: Path) -> None:
    for arguments in (["  ", docs], ["tower", docs, "--where", "{"]):
        assert run("search", *arguments).code == 2
    assert not (docs / ".shortlist").exists()


@pytest.mark.parametrize(
    ("option", "known"),
    [
        ("--first-stage", "hybrid, weighted, bm25, dense"),
        ("--engine", "native, openvino, onnxruntime"),
        ("--precision", "fp32, bf16, fp16, int16, int8"),
        ("--long-documents", "error, head, head+tail, passages-max"),
    ],
)
def test_an_unknown_choice_lists_the_known_ones(indexed: Path, option: str, known: str) -> None:
    outcome = run("search", "tower", indexed / ".shortlist", option, "nonsense")
    assert (outcome.code, outcome.out) == (2, "")
    assert known in outcome.err
    assert "'nonsense'" in outcome.err


def test_a_path_that_is_neither_index_nor_documents_is_an_error(docs: Path) -> None:
    outcome = run("search", "tower", "nowhere")
    assert (outcome.code, outcome.out) == (1, "")
    assert "there is no index in nowhere, nor a folder of that name: check the spelling, or make one" in outcome.err
    assert run("search", "tower").err.startswith("error: there is no index in .shortlist")
    assert not (docs.parent / ".shortlist").exists()


def test_only_the_named_file_is_searched_also_when_its_index_holds_others(indexed: Path) -> None:
    outcome = run("search", "how tall is the tower?", indexed / "cats.txt", "--json", "--no-rerank")
    assert {item["place"]["path"] for item in outcome.json()["results"]} == {"cats.txt"}


def test_one_file_can_be_searched(docs: Path) -> None:
    outcome = run("search", "wrought iron", docs / "tower.md", "--json", "--no-rerank")
    assert outcome.texts()[0] == "It is made of wrought iron."


@pytest.mark.parametrize(("is_terminal", "lines"), [(True, ["   one two", "   three", "     four"]), (False, None)])
def test_long_lines_of_a_passage_break_within_its_margin_on_a_terminal_only(
    is_terminal: bool, lines: list[str] | None
) -> None:
    screen = Console(file=io.StringIO(), force_terminal=is_terminal, width=12, height=9, color_system=None)
    print_text(screen, "one two three\n  four", margin=3)
    assert isinstance(screen.file, io.StringIO)
    assert screen.file.getvalue().splitlines() == (lines or ["   one two three", "     four"])
