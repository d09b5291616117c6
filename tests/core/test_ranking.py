"""The promises of a ranking, for any scores and documents."""

from __future__ import annotations

import itertools
import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.errors import InputError, ScoreError
from shortlist.types import Document, Query, Ranking, ScoreKind, Step

QUERY = Query("what is it?")
FINITE = st.floats(width=32, allow_nan=False, allow_infinity=False)
# few distinct values, so that ties are common
TYING = st.sampled_from([-1.5, 0.0, -0.0, 0.25, 7.0])


def documents(count: int) -> list[Document]:
    return [Document("the same text", f"d{i}", metadata={"place": i}) for i in range(count)]


def ranked(scores: list[float], top_k: int | None = None) -> Ranking:
    return Ranking.from_scores(QUERY, documents(len(scores)), scores, kind=ScoreKind.LOGIT, stage="test", top_k=top_k)


@given(st.lists(FINITE | TYING, max_size=60))
def test_the_output_is_a_permutation_sorted_by_score(scores: list[float]) -> None:
    ranking = ranked(scores)
    assert sorted(ranking.doc_ids) == sorted(f"d{i}" for i in range(len(scores)))
    values = [item.score for item in ranking]
    assert values == sorted(values, reverse=True)
    assert [item.rank for item in ranking] == list(range(1, len(scores) + 1))


@given(st.lists(TYING, max_size=60))
def test_ties_keep_the_given_order(scores: list[float]) -> None:
    order = [int(doc_id[1:]) for doc_id in ranked(scores).doc_ids]
    for earlier, later in itertools.pairwise(order):
        assert scores[earlier] > scores[later] or earlier < later


@given(st.lists(FINITE, min_size=1, max_size=30), st.integers(1, 40))
def test_top_k_is_a_prefix_of_the_whole(scores: list[float], top_k: int) -> None:
    assert ranked(scores, top_k).doc_ids == ranked(scores).doc_ids[:top_k]


@given(st.lists(FINITE, min_size=1, max_size=20), st.data())
def test_a_score_that_is_not_finite_names_its_document(scores: list[float], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(scores) - 1))
    scores[place] = data.draw(st.sampled_from([math.nan, math.inf, -math.inf]))
    with pytest.raises(ScoreError, match=f"'d{place}'"):
        ranked(scores)


@given(st.lists(FINITE, max_size=20), st.integers(1, 3))
def test_a_wrong_number_of_scores_is_an_error(scores: list[float], extra: int) -> None:
    with pytest.raises(ScoreError, match="scores of shape"):
        Ranking.from_scores(QUERY, documents(len(scores) + extra), scores, kind=ScoreKind.LOGIT, stage="test")


@given(st.lists(FINITE, min_size=2, max_size=30))
def test_documents_of_equal_text_stay_distinct_and_keep_their_metadata(scores: list[float]) -> None:
    given_documents = documents(len(scores))
    ranking = Ranking.from_scores(QUERY, given_documents, scores, kind=ScoreKind.LOGIT, stage="test")
    assert len(set(ranking.doc_ids)) == len(scores)
    for item in ranking:
        assert item.document is given_documents[int(item.doc_id[1:])]


@given(st.lists(st.tuples(FINITE, FINITE), min_size=1, max_size=20))
def test_reordering_remembers_where_each_document_stood(pairs: list[tuple[float, float]]) -> None:
    first = ranked([a for a, _ in pairs])
    second = first.reordered([b for _, b in pairs], kind=ScoreKind.LOGIT, stage="second")
    before = {item.doc_id: item for item in first}
    for item in second:
        (standing,) = item.history
        assert (standing.stage, standing.rank) == ("test", before[item.doc_id].rank)
        assert standing.score == before[item.doc_id].score


def test_order_is_decided_in_fp32_where_a_half_precision_sigmoid_would_tie() -> None:
    logits = [12.0, 12.5, 13.0]
    half = np.float16(1) / (np.float16(1) + np.exp(-np.asarray(logits, np.float16)))
    assert len(set(half.tolist())) == 1
    assert ranked(logits).doc_ids == ("d2", "d1", "d0")


@pytest.mark.parametrize("top_k", [0, -1, 2.5, True, "3"])
def test_a_top_k_that_makes_no_sense_is_refused(top_k: object) -> None:
    with pytest.raises(InputError, match="top_k must be a whole number from 1"):
        ranked([1.0, 2.0], top_k)  # type: ignore[arg-type]


def test_numbers_of_numpy_are_numbers() -> None:
    two: Any = np.int64(2)
    assert len(ranked([1.0, 2.0, 3.0], two)) == 2
    assert json.loads(json.dumps(Step("s", counts={"documents": two}).to_dict()))["counts"] == {"documents": 2}


def test_an_empty_ranking_is_fine() -> None:
    assert len(ranked([])) == 0


@pytest.mark.parametrize("threshold", [math.nan, "0.5"])
def test_a_threshold_that_is_no_number_is_refused(threshold: Any) -> None:
    ranking = Ranking.in_order(Query("q"), [Document("a", "a")])
    with pytest.raises(InputError, match=f"min_score must be a finite number, got {threshold!r}"):
        ranking.at_least(threshold, kind=ScoreKind.RECIPROCAL_RANK)


def test_a_threshold_leaves_nothing_of_nothing_whatever_the_kind() -> None:
    kept = Ranking.in_order(Query("q"), []).at_least(0.5, given="given")
    assert len(kept) == 0
    assert [step.stage for step in kept.trace.steps] == ["threshold"]


def test_a_ranking_is_printed_a_line_a_document_without_what_steers_a_terminal() -> None:
    given = [Document("It is\nof \x1b[31miron.", "a", metadata={"n": 1}), Document("long " * 99, "b")]
    ranking = Ranking.from_scores(QUERY, given, [1.25, 2], kind=ScoreKind.LOGIT, stage="test")
    assert str(ranking) == f"1. 2 b: {'long ' * 12}...\n2. 1.25 a: It is of \ufffd[31miron."
    assert (ranking[1].text, ranking[1].metadata) == (given[0].text, {"n": 1})
    assert str(ranked([0.0] * 30)).endswith("\n... and 10 more")
    cut = Ranking.in_order(QUERY, given).partly_reordered([1.0], kind=ScoreKind.LOGIT, stage="test")
    assert str(cut[1]).startswith("2. not scored b: ")
