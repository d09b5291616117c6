"""The order of what a search gives, over engines that order equal scores at random and keep points without a row."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from shortlist.retrieval.store import best_of
from shortlist.types import Document


@dataclass(frozen=True)
class Point:
    order: int
    score: float


@given(
    scores=st.lists(st.sampled_from([0.5, 1.0, 2.0]), max_size=120),
    hidden=st.sets(st.integers(0, 119)),
    depth=st.integers(1, 40),
    seed=st.integers(0, 9),
)
def test_the_best_that_may_be_shown_come_in_order_of_score_and_arrival(
    scores: list[float], hidden: set[int], depth: int, seed: int
) -> None:
    points = [Point(order, score) for order, score in enumerate(scores)]
    looked_up: list[int] = []

    def ask(limit: int) -> list[Point]:
        shuffled = random.Random(seed).sample(points, len(points))
        return sorted(shuffled, key=lambda point: -point.score)[:limit]

    def look_up(best: Sequence[Point]) -> list[Document | None]:
        looked_up.append(len(best))
        return [None if point.order in hidden else Document("", str(point.order)) for point in best]

    found = best_of(ask, look_up, depth)
    shown = [point for point in sorted(points, key=lambda point: -point.score) if point.order not in hidden]
    assert [(document.doc_id, score) for document, score in found] == [
        (str(point.order), point.score) for point in shown[:depth]
    ]
    if not hidden:
        assert looked_up == [min(depth, len(points))], "documents were read that no one gets"
