"""Retrieve, rerank, keep the few; and what stands when a stage fails."""

from __future__ import annotations

import pytest

from shortlist.errors import InputError, ScoreError
from shortlist.pipeline import Pipeline
from shortlist.scorers.lexical import Lexical
from shortlist.scorers.pointwise import Pointwise
from shortlist.types import Document, Query, Ranking

DOCUMENTS = [Document(text, f"d{i}") for i, text in enumerate(["iron tower", "tall tall tower", "nothing", "tall"])]


class Fixed:
    """A retriever that finds the same documents for every query."""

    def retrieve(self, query: Query, *, depth: int) -> Ranking:
        return Ranking.in_order(query, DOCUMENTS[:depth], stage="fixed")


class Failing:
    """A reranker whose model gives NaN."""

    def rerank(self, candidates: Ranking, *, top_k: int | None = None) -> Ranking:
        raise ScoreError("nan for document 'd1'")


class Crashing:
    """A reranker with a defect."""

    def rerank(self, candidates: Ranking, *, top_k: int | None = None) -> Ranking:
        raise ZeroDivisionError


def test_the_best_come_first_and_remember_where_they_stood() -> None:
    ranking = Pipeline(Fixed(), Pointwise(Lexical())).search("how tall", top_k=2)
    assert ranking.doc_ids == ("d1", "d3")
    assert [(s.stage, s.rank) for s in ranking[0].history] == [("fixed", 2)]
    assert [step.stage for step in ranking.trace.steps] == ["lexical"]


def test_without_a_reranker_the_first_stage_stands() -> None:
    assert Pipeline(Fixed(), None).search("tall", top_k=3).doc_ids == ("d0", "d1", "d2")


def test_a_failing_reranker_leaves_the_first_stage_order_and_says_so() -> None:
    ranking = Pipeline(Fixed(), Failing()).search("tall", top_k=3)
    assert ranking.doc_ids == ("d0", "d1", "d2")
    assert ranking.trace.degradations == (
        "fallback: reranking failed, so the fixed order stands: ScoreError: nan for document 'd1'",
    )


def test_a_defect_is_not_taken_for_a_failure() -> None:
    with pytest.raises(ZeroDivisionError):
        Pipeline(Fixed(), Crashing()).search("tall")


@pytest.mark.parametrize(("top_k", "depth"), [(0, 10), (5, 0), (6, 5)])
def test_sizes_that_make_no_sense_are_refused(top_k: int, depth: int) -> None:
    with pytest.raises(InputError):
        Pipeline(Fixed(), None).search("tall", top_k=top_k, depth=depth)
