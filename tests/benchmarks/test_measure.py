"""Measures of hand-made runs."""

from __future__ import annotations

import math

import pytest
from benchmarks.quality.measure import NDCG, per_query

from shortlist.errors import InputError
from shortlist.evaluation import mean

QRELS = {"q1": {"a": 3, "b": 1, "c": 0}, "q2": {"z": 1}}


def test_ndcg_has_linear_gain() -> None:
    values = per_query({"q1": ("b", "x", "a")}, QRELS)
    expected = (1 + 3 / math.log2(4)) / (3 + 1 / math.log2(3))
    assert values[NDCG]["q1"] == pytest.approx(expected)


def test_binary_measures_count_from_the_grade() -> None:
    run = {"q1": ("b", "x", "a")}
    assert per_query(run, QRELS)["RR"]["q1"] == 1.0
    graded = per_query(run, QRELS, relevant_from=2)
    assert graded["RR"]["q1"] == pytest.approx(1 / 3)
    assert graded["R@100"]["q1"] == 1.0


def test_the_order_of_the_run_is_kept_whatever_the_ids() -> None:
    # trec_eval puts the larger doc_id first among equal scores
    first = per_query({"q2": ("z", "zz", "zzz")}, QRELS)
    last = per_query({"q2": ("zzz", "zz", "z")}, QRELS)
    assert first["RR"]["q2"] == 1.0
    assert last["RR"]["q2"] == pytest.approx(1 / 3)


def test_a_query_that_found_nothing_counts_0() -> None:
    values = per_query({"q1": ("a",), "q2": ()}, QRELS)
    assert values["RR"] == {"q1": 1.0, "q2": 0.0}
    assert mean(values["RR"]) == 0.5


def test_queries_out_of_the_sample_do_not_count() -> None:
    assert list(per_query({"q2": ("z",)}, QRELS)[NDCG]) == ["q2"]


def test_a_query_without_judgements_is_refused() -> None:
    with pytest.raises(InputError, match="'q3'"):
        per_query({"q3": ("a",)}, QRELS)
