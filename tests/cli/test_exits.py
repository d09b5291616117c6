"""`shortlist exits`, and what `--exits` does, as a user meets them."""

from __future__ import annotations

import json
from pathlib import Path

from .running import run


def fit(collection: Path, *more: object) -> list[object]:
    files = ["--queries", collection / "queries.jsonl", "--corpus", collection / "corpus.jsonl"]
    return ["exits", "shortlist-l6", "exits.json", *files, "--first-stage", "bm25", "--risk", "0.5", *more]


def test_margins_of_a_blend_are_fitted_for_every_top_k_and_told_in_words(collection: Path) -> None:
    outcome = run(*fit(collection))
    assert outcome.code == 0, outcome.err
    lines = outcome.out.splitlines()
    assert [line.partition(":")[0] for line in lines[:5]] == ["top 1", "top 3", "top 5", "top 10", "top 20"]
    assert "before the first layer what is more than 0.000 behind is dropped" in lines[0]
    assert "nothing is dropped: too few queries" in lines[4]
    assert lines[5] == "from 3 queries, at a risk of 0.5: exits.json"
    saved = json.loads(Path("exits.json").read_text(encoding="utf-8"))
    assert [*saved["by_top_k"]] == ["1", "3", "5", "10", "20"]
    few = run(*fit(collection, "-k", 2, "-k", 1, "--risk", "0.1", "--json")).json()
    assert few["by_top_k"] == {"1": [None], "2": [None]}
    assert "nothing is dropped: too few queries" in run(*fit(collection, "-k", 2, "--risk", "0.1")).out


def test_what_cannot_be_promised_or_written_is_said_before_anything_is_scored(tmp_path: Path) -> None:
    queries = ["--queries", tmp_path / "absent.jsonl", "--index", tmp_path]
    assert "risk must be between 0 and 1" in run("exits", "shortlist-l6", "exits.json", *queries, "--risk", "5").err
    outcome = run("exits", "shortlist-l6", tmp_path / "no" / "exits.json", *queries)
    assert (outcome.code, "a file in a folder that is there" in outcome.err) == (2, True)


def test_a_search_with_exits_says_what_it_left_unread(indexed: Path) -> None:
    whole = run("search", "how tall is the tower?", indexed, "--top-k", 1, "--json").json()
    outcome = run("search", "how tall is the tower?", indexed, "--top-k", 1, "--exits", "packaged", "--json")
    found = outcome.json()
    assert [one["doc_id"] for one in found["results"]] == [one["doc_id"] for one in whole["results"]]
    counts = next(step["counts"] for step in found["trace"] if step["stage"] == "cheap first")
    assert counts["unread"] == counts["documents"] - counts["read"] > 0
    assert f"note: cheap first: {counts['unread']} of {counts['documents']} documents were left unread" in outcome.err


def test_exits_of_another_model_and_files_that_hold_none_are_refused(indexed: Path, tmp_path: Path) -> None:
    ask = ["search", "how tall?", indexed, "--exits"]
    other = run(*ask, "packaged", "--model", "shortlist-minilm-l6")
    assert (other.code, other.out) == (2, "")
    assert "the packaged margins are of shortlist-l6, not of shortlist-minilm-l6" in other.err
    (tmp_path / "old.json").write_text('{"model": "m", "top_k": 5, "margins": [1.0]}', encoding="utf-8")
    old = run(*ask, tmp_path / "old.json")
    assert old.code == 2
    assert "old.json holds no margins of exits" in old.err


def test_the_server_takes_exits(tmp_path: Path) -> None:
    checked = run("serve", "--check", "--exits", "packaged")
    assert checked.code == 0, checked.err
    other = run("serve", "--check", "--exits", "packaged", "--model", "shortlist-minilm-l6")
    assert other.code == 2
    assert "the packaged margins are of shortlist-l6, not of shortlist-minilm-l6" in other.err
