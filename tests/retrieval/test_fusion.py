from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.errors import InputError
from shortlist.retrieval import Fuse, reciprocal_rank_fusion, weighted_fusion
from shortlist.types import Document, Query, Ranking, ScoreKind, Standing, Step, Trace

QUERY = Query("q")


def ranking_of(stage: str, scores: dict[str, float]) -> Ranking:
    documents = [Document(f"text {doc_id}", doc_id) for doc_id in scores]
    return Ranking.from_scores(QUERY, documents, list(scores.values()), kind=ScoreKind.UNKNOWN, stage=stage)


scores = st.dictionaries(st.sampled_from("abcdefghij"), st.integers(-5, 5).map(float), max_size=8)
arms = st.lists(scores, min_size=1, max_size=4).map(
    lambda many: [ranking_of(f"arm{i}", one) for i, one in enumerate(many)]
)
fusions = st.sampled_from([reciprocal_rank_fusion, weighted_fusion])


@given(arms, fusions)
def test_fusion_is_a_permutation_of_the_union_and_remembers_every_standing(arms: list[Ranking], fuse: Fuse) -> None:
    fused = fuse(arms)
    assert sorted(fused.doc_ids) == sorted({doc_id for arm in arms for doc_id in arm.doc_ids})
    for item in fused:
        wanted = {Standing(arm.stage, i.rank, i.score) for arm in arms for i in arm if i.doc_id == item.doc_id}
        assert set(item.history) == wanted
        assert len(item.history) == len(wanted)
    assert [item.rank for item in fused] == list(range(1, len(fused) + 1))


@given(arms, fusions, st.integers(1, 12))
def test_depth_gives_a_prefix(arms: list[Ranking], fuse: Fuse, depth: int) -> None:
    assert fuse(arms, depth=depth).doc_ids == fuse(arms).doc_ids[:depth]


@given(arms)
def test_a_document_that_is_ahead_in_every_arm_stays_ahead(arms: list[Ranking]) -> None:
    fused = reciprocal_rank_fusion(arms)
    place = {doc_id: rank for rank, doc_id in enumerate(fused.doc_ids)}
    ranks = [{item.doc_id: item.rank for item in arm} for arm in arms]
    for one in place:
        for other in place:
            if one != other and all(rank.get(one, math.inf) <= rank.get(other, math.inf) for rank in ranks):
                assert place[one] < place[other]


@given(arms)
def test_weighted_fusion_of_one_arm_keeps_its_order(arms: list[Ranking]) -> None:
    assert weighted_fusion(arms[:1]).doc_ids == arms[0].doc_ids
    assert reciprocal_rank_fusion(arms[:1]).doc_ids == arms[0].doc_ids


def test_reciprocal_ranks_are_those_of_the_paper() -> None:
    fused = reciprocal_rank_fusion([ranking_of("x", {"a": 3, "b": 2, "c": 1}), ranking_of("y", {"c": 9, "a": 8})])
    assert fused.doc_ids == ("a", "c", "b")
    assert [item.score for item in fused] == pytest.approx([1 / 61 + 1 / 62, 1 / 63 + 1 / 61, 1 / 62])
    assert fused.score_kind is ScoreKind.RECIPROCAL_RANK
    assert fused.stage == "hybrid"


def test_weights_count_and_scores_are_normalised() -> None:
    left, right = ranking_of("x", {"a": 10, "b": 5, "c": 0}), ranking_of("y", {"c": 2, "b": 1})
    fused = weighted_fusion([left, right], weights=(1.0, 3.0))
    assert dict(zip(fused.doc_ids, [i.score for i in fused], strict=True)) == {"c": 3.0, "a": 1.0, "b": 0.5}
    assert fused.score_kind is ScoreKind.WEIGHTED_SUM
    assert reciprocal_rank_fusion([left, right], weights=(0.0, 1.0)).doc_ids[:2] == ("c", "b")


def test_equal_scores_of_an_arm_count_one() -> None:
    assert [item.score for item in weighted_fusion([ranking_of("x", {"a": 7, "b": 7})])] == [1.0, 1.0]


def test_ties_keep_the_order_of_first_appearance() -> None:
    fused = reciprocal_rank_fusion([ranking_of("x", {"z": 1}), ranking_of("y", {"a": 1}), ranking_of("w", {"m": 1})])
    assert fused.doc_ids == ("z", "a", "m")


def test_traces_of_all_arms_are_kept() -> None:
    arms = [ranking_of(name, {"a": 1}).traced(Step(name)) for name in ("x", "y")]
    assert reciprocal_rank_fusion(arms).trace == Trace((Step("x"), Step("y")))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda r: reciprocal_rank_fusion([]), "nothing to fuse"),
        (lambda r: reciprocal_rank_fusion([r], k=-1), "k must be"),
        (lambda r: reciprocal_rank_fusion([r], weights=[1, 2]), "2 weights were given for 1"),
        (lambda r: weighted_fusion([r], weights=[0.0]), "not all zero"),
        (lambda r: weighted_fusion([r], weights=[float("nan")]), "finite"),
        (lambda r: weighted_fusion([r], depth=0), "depth must be"),
        (lambda r: weighted_fusion([r, Ranking.in_order(Query("other"), [])]), "one query"),
        (lambda r: weighted_fusion([Ranking.in_order(QUERY, [Document("x", "a")] * 2)]), "'a' twice"),
    ],
)
def test_bad_input_is_named(call: Callable[[Ranking], Ranking], said: str) -> None:
    with pytest.raises(InputError, match=said):
        call(ranking_of("x", {"a": 1}))


def test_a_partial_of_weighted_fusion_is_a_fuse() -> None:
    fuse: Fuse = partial(weighted_fusion, weights=(0.3, 0.7))
    assert fuse([ranking_of("x", {"a": 1}), ranking_of("y", {"b": 1})], depth=1).doc_ids == ("b",)
