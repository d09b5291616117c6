"""Without judgements only changes can be told, and the sentence never claims more."""

from __future__ import annotations

import pytest

from shortlist.errors import InputError
from shortlist.gating.disagreement import changes, weak_verdict

FIRST = {"q1": ["a", "b", "c", "d"], "q2": ["e", "f", "g", "h"]}
SWAPPED = {"q1": ["c", "a", "b", "d"], "q2": ["e", "g", "f", "h"]}


def test_kept_settled_and_agreeing_shares_are_counted() -> None:
    (one, other) = changes(FIRST, {"m": {2: FIRST, 4: SWAPPED}, "n": {4: FIRST}}, passages=2)
    assert (one.kept, one.same_first) == (0.5, 0.5)
    assert dict(one.settled) == {2: 0.5, 4: 1.0}
    assert one.enough == 4
    assert one.agreement == {"n": 0.5}
    assert other.agreement == {"m": 0.5}
    assert (other.kept, other.enough) == (1.0, 4)


def test_a_depth_is_enough_only_if_all_greater_ones_are_settled_too() -> None:
    (one,) = changes(FIRST, {"m": {1: SWAPPED, 2: FIRST, 4: SWAPPED}}, passages=2)
    assert dict(one.settled) == {1: 1.0, 2: 0.5, 4: 1.0}
    assert one.enough == 4


def test_the_sentence_makes_no_claim_of_quality() -> None:
    said = weak_verdict(changes(FIRST, {"m": {2: FIRST, 4: SWAPPED}}, passages=2))
    assert said.startswith("Without judgements nobody can say whether reranking helps; m replaces 50% of the first 2")
    same = weak_verdict(changes(FIRST, {"m": {4: FIRST}}, passages=2))
    assert same.startswith("Reranking hardly touches the first 2: at most 0% of them change")
    assert "nothing about quality" in same
    all_go_on = weak_verdict(changes(FIRST, {"m": {2: FIRST, 4: SWAPPED}}, passages=4))
    assert all_go_on.startswith("All 4 candidates are among the first 4, whatever their order")


def test_orders_of_other_queries_are_refused() -> None:
    nothing: tuple[dict[str, dict[int, dict[str, list[str]]]], ...] = ({}, {"m": {}})
    for reranked in nothing:
        with pytest.raises(InputError, match="nothing to compare"):
            changes(FIRST, reranked, passages=2)
    with pytest.raises(InputError, match="m at depth 4 has 1 queries"):
        changes(FIRST, {"m": {4: {"q1": ["a"]}}}, passages=2)
