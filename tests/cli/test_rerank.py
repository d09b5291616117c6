from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from shortlist.weights import packaged_models

from .running import RANKING, run

QUESTION = "how tall is the tower?"


def test_the_best_document_comes_first_and_everything_comes_back() -> None:
    outcome = run("rerank", QUESTION, "It is of iron.", "The tower is 330 m tall.", "Cats sleep.", "--json")
    assert (outcome.code, outcome.err) == (0, "")
    ranking = outcome.json()
    assert sorted(ranking) == RANKING
    assert ranking["query"] == QUESTION
    assert ranking["stage"].startswith("cross-encoder")
    assert outcome.texts()[0] == "The tower is 330 m tall."
    assert sorted(item["doc_id"] for item in ranking["results"]) == ["0", "1", "2"]


def test_a_file_that_is_given_for_a_document_is_noted(tmp_path: Path) -> None:
    file = tmp_path / "documents.jsonl"
    file.write_text('{"text": "It is of iron."}\n')
    outcome = run("rerank", QUESTION, file, "--json")
    assert (outcome.code, outcome.texts()) == (0, [str(file)])
    assert outcome.err == f"note: {file} is a file, but is taken for a text; --file reads it\n"
    assert run("rerank", QUESTION, "--file", file, "--json").texts() == ["It is of iron."]


def test_lines_of_stdin_are_objects_strings_or_text_and_keep_ids_and_metadata() -> None:
    lines = ['{"id": 7, "text": "It is of iron.", "tags": ["a", {"b": null}]}', '"330 m tall"', "", "Cats sleep."]
    outcome = run("rerank", QUESTION, "--json", stdin="\r\n".join(lines).encode())
    by_id = {item["doc_id"]: item for item in outcome.json()["results"]}
    assert {doc_id: item["text"] for doc_id, item in by_id.items()} == {
        "7": "It is of iron.",
        "1": "330 m tall",
        "2": "Cats sleep.",
    }
    assert by_id["7"]["metadata"] == {"tags": ["a", {"b": None}]}


def test_documents_come_from_a_file_beside_the_arguments(docs: Path) -> None:
    (docs / "more.jsonl").write_text('{"text": "330 m tall"}\n', encoding="utf-8")
    outcome = run("rerank", QUESTION, "iron", "--file", docs / "more.jsonl", "--top-k", "1")
    rank, score, doc_id, *text = outcome.out.split()
    assert (rank, doc_id, text) == ("1", "1", ["330", "m", "tall"])
    assert float(score)
    missing = run("rerank", QUESTION, "--file", docs / "absent.jsonl")
    assert missing.code == 2
    assert "absent.jsonl: No such file" in missing.err


@pytest.mark.parametrize(
    ("query", "stdin", "reason"),
    [
        ("", b"a\n", "the query is empty"),
        (" \t", b"a\n", "give it at least one word"),
        (QUESTION, b"", "no documents to rerank; give them as arguments, with --file, or on stdin"),
        (QUESTION, b"\n \n", "no documents to rerank"),
        (QUESTION, b'{"text": 5}\n', "'text' must be a string"),
        (QUESTION, b'fine\n{"body": "a"}\n', "document 1: 'text' must be a string"),
        (QUESTION, b'{"text": "a", "title": ["b"]}\n', "(and 'title', if given)"),
        (QUESTION, b'fine\n{"text": \n', "line 2 begins like JSON but is not"),
        (QUESTION, b'{"text": ' + b"[" * 100_000 + b"\n", "line 1 begins like JSON but is not"),
    ],
)
def test_what_cannot_be_reranked_is_refused_with_the_reason(query: str, stdin: bytes, reason: str) -> None:
    outcome = run("rerank", query, stdin=stdin)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith("error: ")
    assert reason in outcome.err


def test_empty_documents_are_ranked_and_counted() -> None:
    outcome = run("rerank", QUESTION, "", "330 m tall", "  \n", "--json")
    assert sorted(outcome.texts()) == ["", "  \n", "330 m tall"]
    assert re.search("^note: cross-encoder.*: 2 documents are empty$", outcome.err, re.MULTILINE)


def test_a_document_of_5_mb_is_cut_and_reported() -> None:
    long = "The tower is tall. " * (5_000_000 // 19)
    line = json.dumps({"id": "long", "text": long}).encode()
    outcome = run("rerank", QUESTION, "--json", stdin=line + b"\nCats sleep.\n")
    assert outcome.code == 0
    assert outcome.texts()[0] == long
    cut, cut_by_the_bi_encoder = outcome.json()["trace"][-1]["truncations"]
    assert cut["doc_id"] == cut_by_the_bi_encoder["doc_id"] == "long"
    assert 0 < cut["seen"] < 512 < 1_000_000 < cut["total"]
    assert "the longest is long: read" in outcome.err


def test_bytes_that_are_no_utf8_are_replaced_in_input_and_arguments() -> None:
    outcome = run("rerank", "caf\udce9", "--json", stdin=b"bad \xff byte\nfine\n" + b'{"text": "lone \\ud800"}\n')
    assert outcome.code == 0
    assert sorted(outcome.texts()) == ["bad \ufffd byte", "fine", "lone ?"]
    assert outcome.json()["query"] == "caf?"


def test_a_terminal_that_lacks_a_letter_shows_a_replacement() -> None:
    outcome = run("rerank", QUESTION, "caf\u00e9 \u4e2d \ud800", encoding="ascii")
    assert outcome.code == 0
    assert outcome.out.endswith("caf? ? ?\n")


def test_documents_cannot_steer_the_terminal_or_be_read_as_markup() -> None:
    text = "\x1b]0;owned\x07 \x9b31m [red]bold[/red] :key: std::cout"
    outcome = run("rerank", QUESTION, text)
    assert outcome.out.endswith("\ufffd]0;owned\ufffd \ufffd31m [red]bold[/red] :key: std::cout\n")


def test_numbers_that_json_lacks_become_null() -> None:
    outcome = run("rerank", QUESTION, "--json", stdin=b'{"text": "a", "x": NaN, "y": [1e999, 2]}\n')
    assert outcome.json()["results"][0]["metadata"] == {"x": None, "y": [None, 2]}


def test_a_model_that_is_nowhere_lists_the_packaged_ones(docs: Path) -> None:
    outcome = run("rerank", "a", "b", "--model", "nonsense")
    assert (outcome.code, outcome.out) == (1, "")
    assert all(model.name in outcome.err for model in packaged_models())
    assert "no config.json" in run("rerank", "a", "b", "--model", docs).err


def test_a_server_is_named_by_kind_and_its_failure_falls_back_with_a_note() -> None:
    nowhere = ("--model", "tei:http://127.0.0.1:9", "--json")
    failed = run("rerank", QUESTION, "iron", "the tower", *nowhere)
    assert (failed.code, failed.out) == (1, "")
    assert "http://127.0.0.1:9/rerank cannot be reached" in failed.err
    outcome = run("rerank", QUESTION, "iron", "the tower", *nowhere, "--fallback", "lexical:words")
    assert outcome.texts() == ["the tower", "iron"]
    assert "note: fallback: tei:http://127.0.0.1:9 failed, so lexical:words was asked: Remote" in outcome.err


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("SHORTLIST_MODLE", "SHORTLIST_MODEL"),
        ("SHORTLIST_SERVER", "SHORTLIST_LLM_SERVER"),
        ("SHORTLIST_SERVE_PROT", "SHORTLIST_SERVE_PORT"),
        ("SHORTLIST_MODEL", ""),
        ("SHORTLIST_MODELS", ""),
        ("SHORTLIST_SERVE_PORT", ""),
        ("SHORTLIST_DATA", ""),
        ("SHORTLIST_SERVICE_HOST", ""),
    ],
)
def test_a_variable_that_is_nearly_a_settings_is_noted(name: str, meant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "lexical:words")
    outcome = run("rerank", "tower", "cats", "a tower", "--model", "lexical:words", "--json")
    assert outcome.texts() == ["a tower", "cats"]
    assert outcome.err == (f"note: {name} is read by nothing; did you mean {meant}?\n" if meant else "")
