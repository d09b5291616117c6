"""The pure parts of the scripts: agreement, texts of a length, tables, the recorded command."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from benchmarks.provenance import provenance
from benchmarks.quality.collection import Collection
from benchmarks.quality.tables import across, differences
from benchmarks.speed.texts import SPREAD, make_candidates

from shortlist.evaluation.agreement import Agreement, agreement, over_queries
from shortlist.evaluation.significance import Comparison
from shortlist.types import Document, Query


def test_the_same_scores_agree_wholly() -> None:
    scores = np.arange(20, dtype=np.float32)
    assert agreement(scores, scores) == Agreement(1.0, 1.0, 0.0)


def test_a_reversed_order_disagrees_wholly() -> None:
    scores = np.arange(20, dtype=np.float32)
    assert agreement(scores, -scores) == Agreement(-1.0, 0.0, 38.0)


def test_scores_without_spread_have_no_order() -> None:
    assert agreement(np.zeros(3, np.float32), np.arange(3, dtype=np.float32)).tau == 0.0


def test_agreements_are_averaged_but_the_worst_difference_stays() -> None:
    both = over_queries([Agreement(1.0, 1.0, 0.1), Agreement(0.5, 0.5, 0.3)])
    assert both == Agreement(0.75, 0.75, 0.3)


def _word_offsets(text: str) -> Sequence[tuple[int, int]]:
    ends = [place for place, letter in enumerate(f"{text} ") if letter == " "]
    return [(0, end) for end in ends]


@pytest.mark.parametrize("tokens", [5, 60, 400])
def test_texts_have_about_the_wanted_length(tokens: int) -> None:
    documents = {str(i): Document(" ".join([f"word{i}"] * (i + 3)), str(i)) for i in range(30)}
    query = Query("which word?", "q")
    collection = Collection("made", documents, (query,), {}, candidates={"q": tuple(documents)})
    made = make_candidates(collection, query, tokens=tokens, count=12, offsets=_word_offsets, seed=0)
    lengths = [len(document.text.split()) for document in made.documents]
    assert len(lengths) == 12
    assert all(tokens * (1 - SPREAD) - 1 <= length <= tokens * (1 + SPREAD) + 1 for length in lengths)
    assert made == make_candidates(collection, query, tokens=tokens, count=12, offsets=_word_offsets, seed=0)


def test_tables_show_what_did_not_run_as_a_dash() -> None:
    table = across("nDCG@10", {"x": {"BM25": {"nDCG@10": {"q": 0.5}}}, "y": {"CE": {"nDCG@10": {"q": 1.0}}}})
    assert table.splitlines()[2:] == ["| BM25 | .5000 | - |", "| CE | - | 1.0000 |"]


def test_differences_keep_their_sign() -> None:
    table = differences([Comparison("a", "b", -0.05, -0.1, 0.02, 1, 2, 3, 0.04, 0.00001, 0.08)])
    assert "| a - b | -.0500 | -.1000 to +.0200 | 1/2/3 | .0400 | < .0001 | .0800 |" in table


def test_the_recorded_command_names_no_folder() -> None:
    run = provenance("benchmarks.quality.two_stage", ["--model", "/somewhere/private/model", "--queries", "5"])
    assert run["command"] == "python -m benchmarks.quality.two_stage --model model --queries 5"
    assert run["hardware"]["usable_cores"] >= 1
