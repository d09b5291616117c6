"""Every window plan shows every passage, whatever their number, and keeps the papers' counts."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.scorers.llm.heap import heap_questions, heap_top
from shortlist.scorers.llm.windows import (
    Order,
    Plan,
    sliding,
    spans,
    top_down,
    top_down_calls,
    tournament,
    tournament_calls,
)

from .material import is_permutation


class Judge:
    """Orders groups of places by a hidden value each, or at random, and remembers the groups."""

    def __init__(self, values: Sequence[float], *, chance: random.Random | None = None) -> None:
        self._values, self._chance = values, chance
        self.groups: list[Order] = []

    def __call__(self, groups: Sequence[Order]) -> list[Order]:
        self.groups += [list(group) for group in groups]
        if self._chance is not None:
            return [self._chance.sample(group, len(group)) for group in groups]
        return [sorted(group, key=self._values.__getitem__, reverse=True) for group in groups]


def hidden(count: int, seed: int = 0) -> list[float]:
    return random.Random(seed).sample(range(count), count)


def last(orders: Iterator[Order], count: int) -> Order:
    final = list(range(count))
    for order in orders:
        assert is_permutation(order, count)
        final = order
    return final


def test_25_passages_are_the_two_windows_that_peers_get_wrong() -> None:
    assert spans(25, 20, 10) == [(5, 25), (0, 15)]
    assert spans(5, 20, 10) == [(0, 5)]
    assert spans(40, 20, 10) == [(20, 40), (10, 30), (0, 20)]
    assert spans(1, 20, 10) == spans(0, 20, 10) == []


@given(st.integers(2, 300), st.integers(2, 30), st.data())
def test_sliding_windows_cover_everything_overlap_and_are_as_many_as_the_paper_says(
    count: int, window: int, data: st.DataObject
) -> None:
    step = data.draw(st.integers(1, window - 1))
    windows = spans(count, window, step)
    assert len(windows) == max(0, math.ceil((count - window) / step)) + 1
    assert {place for start, end in windows for place in range(start, end)} == set(range(count))
    assert all(1 < end - start <= window for start, end in windows)
    for (start, _), (next_start, next_end) in pairwise(windows):
        assert next_start < start < next_end
        assert next_end - start == window - step


PLANS: dict[str, Callable[[int], Plan]] = {
    "sliding": lambda window: partial(sliding, window=window, step=max(1, window // 2)),
    "top-down": lambda window: partial(top_down, window=window),
    "tournament": lambda window: partial(tournament, window=window),
}


@pytest.mark.parametrize("name", PLANS)
@given(count=st.integers(0, 150), window=st.integers(2, 25), seed=st.integers(0, 99), lawless=st.booleans())
def test_every_plan_ends_with_a_permutation_and_shows_every_passage(
    name: str, count: int, window: int, seed: int, lawless: bool
) -> None:
    judge = Judge(hidden(count), chance=random.Random(seed) if lawless else None)
    last(PLANS[name](window)(range(count), judge), count)
    assert all(len(group) <= window for group in judge.groups)
    if count > 1:
        assert {place for group in judge.groups for place in group} == set(range(count))
    if 1 < count <= window:
        assert len(judge.groups) == 1


@given(count=st.integers(0, 200), window=st.integers(2, 25), seed=st.integers(0, 99))
def test_no_answer_makes_more_calls_than_were_announced(count: int, window: int, seed: int) -> None:
    for plan, most in (("top-down", top_down_calls), ("tournament", tournament_calls)):
        judge = Judge(hidden(count), chance=random.Random(seed))
        last(PLANS[plan](window)(range(count), judge), count)
        assert sum(len(group) > 1 for group in judge.groups) <= most(count, window)


@given(count=st.integers(1, 150), window=st.integers(4, 25), seed=st.integers(0, 99))
def test_a_perfect_judge_gives_a_perfect_front(count: int, window: int, seed: int) -> None:
    values = hidden(count, seed)
    ideal = sorted(range(count), key=values.__getitem__, reverse=True)
    for name, right in (("sliding", window - window // 2), ("tournament", window // 2), ("top-down", window // 2)):
        order = last(PLANS[name](window)(range(count), Judge(values)), count)
        assert order[:right] == ideal[:right], name


def test_each_other_pass_sets_as_many_more_places_right() -> None:
    values = hidden(100)
    ideal = sorted(range(100), key=values.__getitem__, reverse=True)
    for passes in (1, 2, 3):
        judge = Judge(values)
        order = last(sliding(range(100), judge, window=20, step=10, passes=passes), 100)
        assert order[: 10 * passes] == ideal[: 10 * passes]
        assert len(judge.groups) == 9 * passes


def test_top_down_asks_about_windows_that_do_not_wait_for_each_other() -> None:
    rounds: list[int] = []

    def rank(groups: Sequence[Order]) -> list[Order]:
        rounds.append(len(groups))
        return [sorted(group) for group in groups]  # the earlier order is right already

    last(top_down(range(100), rank, window=20), 100)
    assert rounds == [1, 5]  # Parry et al. 2024: 100 passages take 1 + ceil(80 / 19) calls, where sliding takes 9


@given(st.integers(0, 60), st.integers(1, 15), st.integers(2, 9), st.integers(0, 99))
def test_a_heap_finds_the_top_in_order_within_the_announced_questions(
    count: int, top: int, children: int, seed: int
) -> None:
    values, asked = hidden(count, seed), []

    def best(places: Sequence[int]) -> int:
        asked.append(len(places))
        return max(places, key=values.__getitem__)

    start = random.Random(seed).sample(range(count), count)
    orders = list(heap_top(start, top, best, children=children))
    ideal = sorted(range(count), key=values.__getitem__, reverse=True)
    assert orders == [ideal[:found] for found in range(1, min(top, count) + 1)]
    assert len(asked) <= heap_questions(count, top, children=children)
    assert all(1 < size <= children + 1 for size in asked)


@given(st.integers(0, 60), st.integers(1, 70), st.integers(2, 9), st.integers(0, 99))
def test_a_lawless_judge_cannot_find_a_passage_twice_in_a_heap(count: int, top: int, children: int, seed: int) -> None:
    chance = random.Random(seed)
    for found, order in enumerate(heap_top(range(count), top, chance.choice, children=children), 1):
        assert len(set(order)) == found
