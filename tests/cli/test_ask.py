"""`shortlist ask` on real files, with a real small language model where it is installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from llm.endpoints import Loopback, listening
from shortlist.types import Completion, Prompt

from .running import run


def test_without_a_generator_the_way_out_is_said(indexed: Path) -> None:
    outcome = run("ask", "how tall is the tower?", indexed)
    assert outcome.code == 2
    assert "--no-generate for the passages alone" in outcome.err


def test_the_context_is_shown_with_marks_and_places(indexed: Path) -> None:
    outcome = run("ask", "how tall is the tower?", indexed, "--no-generate", "-n", "2")
    assert outcome.code == 0, outcome.err
    assert '<passage id="1" source="tower.md:' in outcome.out
    assert "The tower is 330 metres tall." in outcome.out


def test_a_question_about_something_else_is_not_in_these_documents(indexed: Path) -> None:
    outcome = run("ask", "which enzyme splits lactose?", indexed, "--no-generate", "--json")
    told = outcome.json()
    assert told["found"] is False
    assert told["chance"] < told["floor"]
    assert told["answer"] is None
    assert "not in these documents" in run("ask", "which enzyme splits lactose?", indexed, "--no-generate").out


def test_a_budget_without_room_for_a_passage_is_no_missing_answer(indexed: Path) -> None:
    outcome = run("ask", "how tall is the tower?", indexed, "--no-generate", "--context-tokens", "20")
    assert outcome.code == 2
    assert "not one word of a passage fits into 20 tokens of context" in outcome.err
    assert "not in these documents" not in outcome.out


def test_a_file_is_run_with_room_for_the_context_that_is_asked_for(
    indexed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shortlist.build.generators.FACTORY", f"{__name__}:Roomy")
    outcome = run("ask", "how tall is the tower?", indexed, "-g", "a.gguf", "--context-tokens", "9000")
    assert outcome.code == 0, outcome.err
    assert Roomy.context > 9000 + 256


class Roomy:
    """A model that remembers how much context it was loaded with."""

    fingerprint = "roomy"
    context = 0

    def __init__(self, model: str, *, threads: int | None = None, context: int = 0) -> None:
        Roomy.context = context

    def generate(self, prompt: Prompt) -> Completion:
        return Completion("It is 330 metres tall [1].")


def test_a_real_model_answers_and_its_places_are_told(indexed: Path, gguf: Path) -> None:
    outcome = run("ask", "How tall is the tower?", indexed, "-g", gguf, "--max-tokens", "24", "-n", "2")
    assert outcome.code == 0, outcome.err
    assert "330" in outcome.out
    assert "tower.md:" in outcome.out
    told = run("ask", "How tall is the tower?", indexed, "-g", gguf, "--max-tokens", "24", "-n", "2", "--json").json()
    assert told["found"] is True
    assert told["answer"].split()[0] in outcome.out
    assert told["context"]["tokens"] <= told["context"]["budget"]
    assert told["usage"]["prompt_tokens"] > told["context"]["tokens"]
    assert "".join(told["answer"][s["start"] : s["end"]] for s in told["sentences"]).split() == told["answer"].split()


def test_a_real_server_answers_in_a_stream_and_its_places_are_told(indexed: Path, language_server: str) -> None:
    """OpenAI's format over HTTP: llama.cpp's own server, the official client, the whole command."""
    pytest.importorskip("openai")
    where = ("--llm-server", language_server, "-g", "SmolLM2-135M-Instruct")
    outcome = run("ask", "How tall is the tower?", indexed, *where, "--max-tokens", "24", "-n", "2")
    assert outcome.code == 0, outcome.err
    assert "330" in outcome.out
    assert "tower.md:" in outcome.out
    told = run("ask", "How tall is the tower?", indexed, *where, "--max-tokens", "24", "-n", "2", "--json").json()
    assert told["found"] is True
    assert told["answer"].split()[0] in outcome.out
    assert told["usage"]["completion_tokens"] > 0


def test_a_server_that_is_not_there_is_an_error_that_names_it(indexed: Path) -> None:
    pytest.importorskip("openai")
    outcome = run(
        "ask", "How tall is the tower?", indexed, "--llm-server", "http://127.0.0.1:9/v1", "-g", "m", "-n", "2"
    )
    assert outcome.code == 1
    assert "127.0.0.1:9" in outcome.err


def test_a_server_that_wants_a_key_gets_it_from_the_environment(indexed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is in no option, which other users of the machine could read, and never another server's."""
    pytest.importorskip("openai")
    monkeypatch.setenv("OPENAI_API_KEY", "another server's")
    monkeypatch.setenv("SHORTLIST_LLM_KEY", "sesame")
    loopback = Loopback(lambda _: (401, {}, b'{"error": {"message": "stop here"}}'))
    with listening(loopback) as server:
        outcome = run("ask", "How tall is the tower?", indexed, "--llm-server", server, "-g", "m", "-n", "2")
    assert "stop here" in outcome.err
    assert set(loopback.keys) == {"Bearer sesame"}
