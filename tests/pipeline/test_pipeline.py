"""Retrieve, rerank, keep the few; and what stands when a stage fails."""

from __future__ import annotations

import pytest

from shortlist.errors import InputError, ScoreError
from shortlist.gating.rules import Rules
from shortlist.pipeline import Budgeted, Level, Pipeline
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


@pytest.mark.parametrize("reason", ["a failed reranker", "a gate", "no time"])
def test_a_threshold_leaves_the_first_stage_order_alone_where_no_model_came_to_it(reason: str) -> None:
    timed = Budgeted([Level(Lexical())])
    gate = Rules(many=1) if reason == "a gate" else None
    pipeline = Pipeline(Fixed(), Failing() if reason == "a failed reranker" else timed, gate=gate)
    budget_ms = 1e-9 if reason == "no time" else None
    ranking = pipeline.search("tall", top_k=3, min_score=0.5, budget_ms=budget_ms)
    assert ranking.doc_ids == ("d0", "d1", "d2")
    assert any("min_score=0.5 was not applied" in note for note in ranking.trace.degradations)


def test_a_defect_is_not_taken_for_a_failure() -> None:
    with pytest.raises(ZeroDivisionError):
        Pipeline(Fixed(), Crashing()).search("tall")


@pytest.mark.parametrize(("top_k", "depth"), [(0, 10), (5, 0), (6, 5)])
def test_sizes_that_make_no_sense_are_refused(top_k: int, depth: int) -> None:
    with pytest.raises(InputError):
        Pipeline(Fixed(), None).search("tall", top_k=top_k, depth=depth)
