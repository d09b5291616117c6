"""`shortlist explain`: words with their weights, for people and for programs."""

from __future__ import annotations

from pathlib import Path

import pytest

from .running import run

DOCUMENT = "It is of iron. It is 330 m tall."


def test_the_words_that_carry_a_score_weigh_most() -> None:
    found = run("explain", "how tall is it?", DOCUMENT, "--json").json()
    assert sorted(found) == ["method", "parts", "query", "score", "score_kind", "trace"]
    assert " ".join(part["text"] for part in found["parts"]) == DOCUMENT
    assert max(found["parts"], key=lambda part: part["weight"])["text"] == "tall."
    assert all(DOCUMENT[part["start"] : part["end"]] == part["text"] for part in found["parts"])
    ranked = run("rerank", "how tall is it?", DOCUMENT, "--json").json()["results"][0]
    assert found["score"] == pytest.approx(ranked["score"], abs=0.1)


def test_people_read_a_line_of_each_part_in_the_order_of_the_text() -> None:
    outcome = run("explain", "how tall is it?", "--model", "lexical:words", stdin=b"tall tower\x1b[31m")
    assert outcome.code == 0, outcome.err
    first, *lines = outcome.out.splitlines()
    assert first.startswith("score ")
    assert lines[0].split()[1] == "tall"
    assert "\x1b" not in outcome.out


def test_words_that_were_not_read_are_told() -> None:
    outcome = run("explain", "how tall is it?", "word " * 700)
    assert "note: a model read " in outcome.err


def test_settings_that_are_of_many_documents_do_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shortlist.toml").write_text('model = "lexical:words"\nfallback = ["lexical:words"]\ndiversity = 0.5\n')
    assert run("explain", "tall", "tall").code == 0


def test_nothing_is_not_explained() -> None:
    outcome = run("explain", "how tall is it?", " ")
    assert (outcome.code, "no text to explain" in outcome.err) == (2, True)


def test_a_reranker_of_all_candidates_at_once_is_not_loaded_to_be_refused() -> None:
    outcome = run("explain", "tall", "tall", "--model", "llm-pointwise:missing.gguf")
    assert (outcome.code, "gets all candidates at once" in outcome.err) == (2, True)
