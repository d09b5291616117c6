"""Advice from what systems answered, and how to follow it."""

from __future__ import annotations

import pytest

from shortlist.evaluation.advising import Asked, Candidate, Mix, judged_advice
from shortlist.evaluation.systems import Answered

QUERIES = [f"q{place}" for place in range(12)]
QRELS = {query_id: {"b": 1, "a": 0, "c": 0} for query_id in QUERIES}
ABOUT = {"collection": {}, "provenance": {}, "first_stage": "bm25@3", "notes": ("one",)}


def answers(*order: str) -> dict[str, Answered]:
    first = ("a", "b", "c")
    one = Answered(order, scores=(3.0, 2.0, 1.0), candidates=first, stage_ms=(1.0, 2.0))
    return dict.fromkeys(QUERIES, one)


@pytest.mark.parametrize("score_kind", ["reciprocal rank", "negative mean rank"])
def test_places_in_an_order_are_not_sorted_again_at_smaller_depths(score_kind: str) -> None:
    twelve = tuple("abcdefghijkl")
    answer = Answered(twelve, scores=tuple(range(12, 0, -1)), candidates=twelve, stage_ms=(1.0, 2.0))
    deep = dict.fromkeys(QUERIES, answer)
    assert Candidate.of("m", deep, score_kind=score_kind, share_of=lambda depth, full: depth / full).depths == (12,)
    assert len(Candidate.of("m", deep, score_kind="logit", share_of=lambda depth, full: depth / full).depths) > 1


@pytest.mark.parametrize(("values", "notes"), [(1.0, 2), (0.6309, 1)])
def test_a_sum_that_helps_comes_with_the_options_that_make_it(values: float, notes: int) -> None:
    model = Candidate.of("m", answers("a", "c", "b"), score_kind="logit", share_of=lambda depth, full: depth / full)
    mix = Mix("m", 0.6, dict.fromkeys(QUERIES, values))
    found = judged_advice(answers("a", "b", "c"), [model], QRELS, Asked(passages=2), mixes=[mix], about=ABOUT)
    assert found.notes[0] == "one"
    assert len(found.notes) == notes
    command = "--model m --depth 3 --first-stage bm25 --first-stage-weight 0.6`"
    assert (command in found.notes[-1]) is (notes == 2)


@pytest.mark.parametrize(
    ("first_stage", "model", "told"),
    [
        (
            "hybrid@3",
            "m@2[max_length=64,price=1]",
            "--model 'm[max_length=64]' --depth 2 --first-stage hybrid --first-s",
        ),
        (
            "run:a b.trec@3",
            "m@2",
            "--model m --depth 2 --first-stage-weight 0.6` over a first stage that scores as the",
        ),
    ],
)
def test_the_options_of_a_sum_name_what_a_search_can_take(first_stage: str, model: str, told: str) -> None:
    two = dict.fromkeys(QUERIES, Answered(("b", "a", "c"), (2.0, 1.0), ("a", "b", "c"), (1.0, 2.0)))
    candidate = Candidate.of(model, two, score_kind="logit", share_of=lambda depth, full: depth / full)
    mix = Mix(model, 0.6, dict.fromkeys(QUERIES, 1.0))
    about = {**ABOUT, "first_stage": first_stage}
    found = judged_advice(answers("a", "b", "c"), [candidate], QRELS, Asked(passages=2), mixes=[mix], about=about)
    assert told in found.notes[-1]
