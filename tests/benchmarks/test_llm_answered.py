"""A long benchmark's answers survive its end, and can be asked anew by system."""

from __future__ import annotations

from pathlib import Path

from benchmarks.quality.llm_answered import Answered, Saved

from shortlist import Document, Query, Ranking
from shortlist.scorers.registry import load_reranker
from shortlist.types import Completion, Prompt


class Wordy:
    fingerprint = "wordy"

    def generate(self, prompt: Prompt) -> Completion:
        return Completion("[2] > [2] > [7]", 30, 5)


def answered(system: str) -> Answered:
    given = Ranking.in_order(Query("which?", "q1"), [Document("one", "a"), Document("two", "b")])
    return Answered.of("a setting", system, load_reranker("llm-listwise", Wordy()).rerank(given), 1.5)


def test_calls_and_tokens_are_counted_apart_from_repairs() -> None:
    one = answered("listwise")
    assert one.doc_ids == ("b", "a")
    assert one.counts == {"calls": 1, "prompt_tokens": 30, "completion_tokens": 5}
    assert one.repairs == {"duplicates_dropped": 1, "unknown_ids_dropped": 1, "missing_appended": 1}


def test_what_was_saved_is_known_to_the_next_run_but_for_what_is_asked_again(tmp_path: Path) -> None:
    file = tmp_path / "answers.jsonl"
    saved = Saved(file)
    for system in ("listwise", "cross-encoder"):
        saved.add(answered(system))
    later = Saved(file, again=["cross-encoder"])
    assert later.get("a setting", "listwise", "q1") == answered("listwise")
    assert later.get("a setting", "cross-encoder", "q1") is None
    assert later.get("another setting", "listwise", "q1") is None
    later.add(answered("cross-encoder"))
    assert Saved(file).get("a setting", "cross-encoder", "q1") == answered("cross-encoder")
    assert Saved(None).get("a setting", "listwise", "q1") is None
