"""A reranker's scores beside the first stage's, and the weight that was right."""

from __future__ import annotations

import pytest

from shortlist.errors import InputError
from shortlist.pipeline.budgeted import Budgeted, Level
from shortlist.pipeline.fused import WithFirstStage, fit_weight, fused
from shortlist.scorers.lexical import Lexical
from shortlist.scorers.pointwise import Pointwise
from shortlist.testing import check_reranker
from shortlist.types import Deadline, Document, Query, Ranking, ScoreKind

DOCUMENTS = [Document("same text", name) for name in ("a", "b", "c", "c")]


def reranked(before: list[float], after: list[float]) -> Ranking:
    first = Ranking.from_scores(Query("x"), DOCUMENTS, before, kind=ScoreKind.BM25, stage="first")
    by_document = {id(document): score for document, score in zip(DOCUMENTS, after, strict=True)}
    return first.reordered(
        [by_document[id(document)] for document in first.documents], kind=ScoreKind.LOGIT, stage="second"
    )


def test_both_orders_count_by_their_weight() -> None:
    ranking = reranked([10, 8, 6, 0], [0, 1, 2, 5])
    assert fused(ranking, weight=0, first_stage="first").doc_ids == ranking.doc_ids
    assert fused(ranking, weight=1, first_stage="first").doc_ids == ("a", "b", "c", "c")
    half = fused(ranking, weight=0.5, first_stage="first")
    assert [round(item.score, 3) for item in half] == [0.5, 0.5, 0.5, 0.5]
    assert half.score_kind is ScoreKind.WEIGHTED_SUM
    assert [s.stage for s in half[0].history] == ["first", "second"]


def test_what_a_deadline_left_unscored_stays_behind_what_was_added() -> None:
    first = Ranking.from_scores(Query("x"), DOCUMENTS, [3, 2, 1, 0], kind=ScoreKind.BM25, stage="first")
    partial = first.partly_reordered([0, 1, 0.9], kind=ScoreKind.LOGIT, stage="second")
    ranking = fused(partial, weight=0.25, first_stage="first")
    assert [round(item.score, 3) for item in ranking if item.is_scored] == [0.875, 0.675, 0.25]
    assert [item.is_scored for item in ranking] == [True, True, True, False]
    assert ranking.unscored == partial.unscored == 1


def test_a_ranking_without_an_earlier_stage_is_not_added_to_anything_and_says_so() -> None:
    alone = Ranking.in_order(Query("x"), DOCUMENTS)
    assert fused(alone, weight=0.5, first_stage="first").items == alone.items
    assert "not every document has both" in fused(alone, weight=0.5, first_stage="first").trace.degradations[0]


def test_only_the_first_stage_is_added_to_not_its_arms_nor_a_stage_between() -> None:
    arm = Ranking.from_scores(Query("x"), DOCUMENTS[:3], [0, 5, 9], kind=ScoreKind.BM25, stage="arm")
    first = arm.reordered([1, 2, 3], kind=ScoreKind.RECIPROCAL_RANK, stage="first")
    unscored = fused(first, weight=0.5, first_stage="first")  # a deadline left no time for anything
    assert unscored.items == first.items
    assert "not every document has both" in unscored.trace.degradations[0]
    between = first.reordered([5, 0, 5], kind=ScoreKind.LOGIT, stage="between")
    last = between.reordered([0, 0, 1], kind=ScoreKind.LOGIT, stage="last")
    assert fused(last, weight=1, first_stage="first").doc_ids == first.doc_ids


def test_a_deadline_is_handed_on() -> None:
    candidates = Ranking.in_order(Query("same"), DOCUMENTS)
    timed = WithFirstStage(Budgeted([Level(Lexical())]), weight=0.5)
    assert timed.rerank_within(candidates, deadline=Deadline.after(60_000)).stage == "with first stage"
    with pytest.raises(InputError, match="keeps no deadline"):
        WithFirstStage(Pointwise(Lexical()), weight=0.5).rerank_within(candidates, deadline=Deadline.after(1))


def test_the_weight_that_serves_the_queries_best_is_found() -> None:
    # the first stage is right about "a", the reranker about "b"; a mixture puts both before "c"
    rankings = [reranked([10, 7, 6, 0], [2, 10, 3, 0]) for _ in range(10)]

    def value(ranking: Ranking) -> float:
        return float(set(ranking.doc_ids[:2]) == {"a", "b"})

    fit = fit_weight(rankings, value, first_stage="first")
    assert fit.by_weight[fit.weight] == 1
    assert fit.held_out == (1,) * 10
    assert fit.by_weight[0] == 0
    assert 0 < fit.weight < 1
    useless = fit_weight(rankings, lambda ranking: float(ranking.doc_ids[0] == "a"), first_stage="first")
    assert useless.weight > 0.5


def test_held_out_queries_do_not_choose_their_own_weight() -> None:
    rankings = [reranked([10, 0, 0, 0], [0, 10, 0, 0]) for _ in range(2)]
    wanted = iter(["a", "b"] * 100)
    fit = fit_weight(rankings, lambda ranking: float(ranking.doc_ids[0] == next(wanted)), first_stage="first")
    assert fit.by_weight[fit.weight] == 0.5
    assert fit.held_out == (0, 0)  # each query wants what the other's weight takes from it


def test_wrong_weights_and_single_queries_are_refused() -> None:
    with pytest.raises(InputError, match=r"within 0\.\.1"):
        WithFirstStage(Pointwise(Lexical()), weight=1.5)
    with pytest.raises(InputError, match="two queries"):
        fit_weight([], lambda ranking: 0.0, first_stage="first")


def test_it_keeps_the_contract_of_rerankers() -> None:
    check_reranker(WithFirstStage(Pointwise(Lexical()), weight=0.3))
