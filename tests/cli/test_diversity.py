"""What repeats a better one goes behind what does not, by option and by setting."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import write_files
from .running import run

QUESTION = "what is known about the battery plant in Leipzig?"
PLANT = "The company said on Monday that it will launch the battery plant in Leipzig in March, creating 400 jobs."
FILES = {
    "news.md": PLANT,
    "copy.md": PLANT.replace("on Monday", "Monday"),
    "critics.md": "Residents of Leipzig fear that the battery plant will use too much ground water.",
    "cost.md": "The battery plant costs 1.2 billion euros, of which Saxony pays a fifth.",
    "cats.md": "Cats sleep for most of the day.",
}


@pytest.fixture
def news(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write_files(tmp_path / "docs", FILES)


def test_a_search_leaves_no_place_to_a_copy_and_says_who_ordered(news: Path) -> None:
    search = ("search", QUESTION, news, "-k", "2", "--json")
    assert set(run(*search).texts()) == {FILES["news.md"], FILES["copy.md"]}
    found = run(*search, "--diversity", "0.5").json()
    assert found["results"][1]["text"] == FILES["critics.md"]
    assert found["stage"] == "diversity"
    assert found["trace"][-1]["facts"] == {"diversity": "0.5"}
    assert found["results"][1]["history"][-1]["rank"] == 3
    (news.parent / "shortlist.toml").write_text("diversity = 0.5\n")
    assert run(*search).json()["results"] == found["results"]
    asked = run("ask", QUESTION, news, "--no-generate", "-n", "2", "--json").json()
    assert [passage["text"] for passage in asked["context"]["passages"]][1] == FILES["critics.md"]
    words = run(*search, "--first-stage", "bm25", "--no-rerank").json()  # vectors of the index, whoever found what
    assert (words["stage"], words["degradations"]) == ("diversity", [])
    (news.parent / "shortlist.toml").write_text("diversity = 2\n")
    assert "diversity must be a number from 0 to 1, got 2" in run(*search).err


def test_given_texts_are_encoded_once_which_the_trace_counts() -> None:
    outcome = run("rerank", QUESTION, *FILES.values(), "--diversity", "0.5", "-k", "2", "--json")
    assert outcome.texts()[1] == FILES["critics.md"]
    steps = outcome.json()["trace"]
    assert [step["counts"].get("encoded") for step in steps] == [5, 0, None]
    assert [steps[0]["stage"], steps[-1]["stage"]] == ["vectors", "diversity"]
    few = run("rerank", QUESTION, *FILES.values(), "--diversity", "0.5", "-k", "3", "--json", "--min-score", "25")
    assert "is meant for a calibrated probability" in few.err
    kept = ("--min-score", "25", "--score-kind", "weighted sum")
    few = run("rerank", QUESTION, *FILES.values(), "--diversity", "0.5", "-k", "3", "--json", *kept)
    assert min(item["score"] for item in few.json()["results"]) >= 25
    assert len(few.texts()) == 3


def test_what_given_texts_cannot_have_is_refused() -> None:
    budget = run("rerank", "x", "y", "--diversity", "0.5", "--budget-ms", "1000")
    assert (budget.code, "encodes every document" in budget.err) == (2, True)
    assert "--diversity has no meaning with --pairs" in run("rerank", "--run", "x", "--diversity", "0.5").err
