"""Each stage of a cascade sees the best of the one before, and the rest keeps its order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.errors import InputError, RemoteUnavailableError
from shortlist.pipeline import Budgeted, Cascade, CheapFirst, Fallback, Level
from shortlist.planning.cost import CostModel
from shortlist.scorers.lexical import Lexical
from shortlist.scorers.pointwise import Pointwise
from shortlist.testing import check_reranker
from shortlist.types import Deadline, Document, Query, Ranking, ScoreKind, Scores, Step

CANDIDATES = Ranking.in_order(Query("x"), [Document(f"text {i}", str(i)) for i in range(6)], stage="first")


class By:
    """A scorer by a function of the id, that takes 10 ms a document on a clock of its own."""

    now_ms = 0.0

    def __init__(self, name: str, value: Callable[[int], float]) -> None:
        self.fingerprint, self._value = name, value

    def score(self, query: Query, documents: Sequence[Document]) -> Scores:
        By.now_ms += 10 * len(documents)
        values = np.asarray([self._value(int(d.doc_id)) for d in documents], np.float32)
        return Scores(values, ScoreKind.LOGIT, Step(self.fingerprint))


UP, DOWN = By("up", lambda i: float(i)), By("down", lambda i: -float(i))
COST = CostModel(pair_ms=10)


def test_the_second_stage_orders_the_best_of_the_first() -> None:
    ranking = Cascade([(Pointwise(UP), 6), (Pointwise(DOWN), 3)]).rerank(CANDIDATES)
    assert ranking.doc_ids == ("3", "4", "5", "2", "1", "0")
    assert [item.rank for item in ranking] == [1, 2, 3, 4, 5, 6]
    assert [(s.stage, s.rank) for s in ranking[0].history] == [("first", 4), ("up", 3)]
    assert [(s.stage, s.rank) for s in ranking[5].history] == [("first", 1), ("up", 6)]
    assert [item.is_scored for item in ranking] == [True] * 3 + [False] * 3
    assert not ranking.is_partial
    assert [step.stage for step in ranking.trace.steps] == ["up", "down"]


def test_what_the_first_stage_does_not_get_stays_behind() -> None:
    ranking = Cascade([(Pointwise(UP), 2)]).rerank(CANDIDATES, top_k=4)
    assert ranking.doc_ids == ("1", "0", "2", "3")


def test_a_deadline_is_shared_by_the_stages() -> None:
    def within(budget_ms: float) -> Ranking:
        cascade = Cascade([(Budgeted([Level(UP, COST)]), 6), (Budgeted([Level(DOWN, COST)]), 3)])
        By.now_ms = 0
        deadline = Deadline.after(budget_ms, clock=lambda: By.now_ms)
        return cascade.rerank_within(CANDIDATES, deadline=deadline)

    assert (within(1000).doc_ids, within(1000).unscored) == (("3", "4", "5", "2", "1", "0"), 0)
    assert (within(80).doc_ids, within(80).unscored) == (("4", "5", "3", "2", "1", "0"), 1)
    only_first = within(60)
    assert (only_first.doc_ids, only_first.stage, only_first.unscored) == (("5", "4", "3", "2", "1", "0"), "up", 3)
    assert all(item.is_scored for item in only_first)
    assert (within(5).doc_ids, within(5).stage, within(5).unscored) == (CANDIDATES.doc_ids, "first", 6)
    assert not any(item.is_scored for item in within(5))


@pytest.mark.parametrize(("first_ms", "unscored"), [(40, 5), (60, 3), (70, 2), (90, 0)])
def test_a_document_that_two_stages_missed_is_counted_once(first_ms: float, unscored: int) -> None:
    cascade = Cascade([(Budgeted([Level(UP, COST)]), 6), (Budgeted([Level(DOWN, COST)]), 3)])
    By.now_ms = 0
    ranking = cascade.rerank_within(CANDIDATES, deadline=Deadline.after(first_ms, clock=lambda: By.now_ms))
    assert ranking.unscored == unscored


def test_a_stage_without_time_leaves_the_order_before_whatever_it_would_have_read_first() -> None:
    timed = Budgeted([Level(DOWN, COST)])
    first = (Budgeted([Level(UP, COST)]), 6)
    for second in (timed, CheapFirst(By("cheap", lambda i: -float(i)), timed, margins={})):
        By.now_ms = 0
        deadline = Deadline.after(65, clock=lambda: By.now_ms)
        ranking = Cascade([first, (second, 2)]).rerank_within(CANDIDATES, deadline=deadline)
        assert ranking.doc_ids == ("5", "4", "3", "2", "1", "0")
        assert ranking[0].score == 5.0


def test_stages_that_make_no_sense_are_refused() -> None:
    for stages in ([], [(Pointwise(UP), 0)], [(Pointwise(UP), None)]):
        with pytest.raises(InputError):
            Cascade(stages)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="Pointwise keeps no deadline"):
        Cascade([(Pointwise(UP), 3)]).rerank_within(CANDIDATES, deadline=Deadline.after(5))


def test_it_keeps_the_contract_of_rerankers() -> None:
    check_reranker(Cascade([(Pointwise(Lexical()), 8), (Pointwise(Lexical()), 4)]))


@given(
    scores=st.lists(st.lists(st.sampled_from([0.0, 1.0, 2.0]), min_size=6, max_size=6), min_size=1, max_size=3),
    depths=st.lists(st.integers(1, 8), min_size=3, max_size=3),
    top_k=st.integers(1, 7),
)
def test_each_stage_orders_its_own_and_leaves_the_others_as_they_stood(
    scores: list[list[float]], depths: list[int], top_k: int
) -> None:
    stages = [(Pointwise(By("s", values.__getitem__)), depth) for values, depth in zip(scores, depths, strict=False)]
    expected = list(range(6))
    for values, depth in zip(scores, depths, strict=False):
        first = sorted(expected[:depth], key=lambda place: -values[place])
        expected = [*first, *expected[depth:]]
    whole = Cascade(stages).rerank(CANDIDATES)
    assert whole.doc_ids == tuple(map(str, expected))
    assert [item.rank for item in whole] == [1, 2, 3, 4, 5, 6]
    assert all(above.score >= below.score for above, below in pairwise(whole))
    assert Cascade(stages).rerank(CANDIDATES, top_k=top_k).doc_ids == whole.doc_ids[:top_k]


class Failing:
    """A reranker whose server does not answer."""

    def rerank(self, candidates: Ranking, *, top_k: int | None = None) -> Ranking:
        raise RemoteUnavailableError("down")

    def rerank_within(self, candidates: Ranking, *, deadline: Deadline, top_k: int | None = None) -> Ranking:
        raise RemoteUnavailableError("down")


@pytest.mark.parametrize("is_timed", [False, True])
def test_a_stage_that_fails_leaves_the_scores_of_the_one_before(is_timed: bool) -> None:
    cascade = Cascade([(Budgeted([Level(UP, COST)]), 6), (Fallback([("down", Failing())]), 3)])
    deadline = Deadline.after(60_000)
    ranking = cascade.rerank_within(CANDIDATES, deadline=deadline) if is_timed else cascade.rerank(CANDIDATES)
    assert ranking.doc_ids == ("5", "4", "3", "2", "1", "0")
    assert [(item.score, item.is_scored) for item in ranking] == [(float(i), True) for i in (5, 4, 3, 2, 1, 0)]
    assert [[s.stage for s in item.history] for item in ranking] == [["first"]] * 6
    assert "the up order stands" in ranking.trace.degradations[-1]
