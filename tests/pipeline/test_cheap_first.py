"""What cannot reach the top any more is not read, and everyone is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from shortlist.calibration.error import Interval
from shortlist.calibration.fitted import ScoreCalibration
from shortlist.calibration.maps import Platt
from shortlist.errors import InputError
from shortlist.pipeline import Budgeted, CheapFirst, Level
from shortlist.planning.cost import CostModel
from shortlist.scorers.calibrated import Calibrated
from shortlist.scorers.lexical import Lexical
from shortlist.scorers.pointwise import Pointwise
from shortlist.testing import check_reranker
from shortlist.types import Deadline, Document, Query, Ranking, ScoreKind, Scores, Step

CANDIDATES = Ranking.in_order(Query("x"), [Document(f"text {i}", str(i)) for i in range(8)], stage="first")
INF = float("inf")


class By:
    """A scorer by a function of the id, that remembers whom it read and takes 10 ms a document on its own clock."""

    now_ms = 0.0

    def __init__(self, name: str, value: Callable[[int], float], *, has_vectors: bool = True) -> None:
        self.fingerprint, self._value, self._has_vectors = name, value, has_vectors
        self.read: list[str] = []

    def score(self, query: Query, documents: Sequence[Document]) -> Scores:
        By.now_ms += 10 * len(documents)
        self.read += [d.doc_id for d in documents]
        values = np.asarray([self._value(int(d.doc_id)) for d in documents], np.float32)
        return Scores(values, ScoreKind.LOGIT, Step(self.fingerprint))

    def has_stored(self, documents: Sequence[Document]) -> bool:
        return self._has_vectors


def odd_first(i: int) -> float:
    """Order the even ones behind the odd ones, the later ones first: 7 5 3 1 6 4 2 0."""
    return i + 10 * (i % 2)


def made(margin: float, *, top_k: int = 2) -> tuple[CheapFirst, By]:
    dear = By("dear", lambda i: -float(i))
    return CheapFirst(By("cheap", odd_first), Pointwise(dear), margins={top_k: margin}), dear


def within(reranker: CheapFirst, budget_ms: float, *, top_k: int | None = 2) -> Ranking:
    By.now_ms = 0
    return reranker.rerank_within(CANDIDATES, deadline=Deadline.after(budget_ms, clock=lambda: By.now_ms), top_k=top_k)


def test_only_those_within_the_margin_of_the_kth_are_read_in_their_own_order() -> None:
    reranker, dear = made(2.0)  # the second best stands at 15
    ranking = reranker.rerank(CANDIDATES, top_k=2)
    assert dear.read == ["3", "5", "7"]
    assert ranking.doc_ids == ("3", "5")
    assert [item.score for item in ranking] == [-3.0, -5.0]


def test_the_unread_follow_by_their_cheap_score_unscored_and_with_where_they_stood() -> None:
    reranker, _ = made(2.0, top_k=2)
    chosen = reranker.choose(CANDIDATES, top_k=2)
    ranking = chosen.put_together(reranker.reranker.rerank(chosen.to_read))
    assert ranking.doc_ids == ("3", "5", "7", "1", "6", "4", "2", "0")
    assert [item.is_scored for item in ranking] == [True] * 3 + [False] * 5
    assert [item.rank for item in ranking] == [*range(1, 9)]
    assert [(s.stage, s.rank) for s in ranking[3].history] == [("first", 2)]
    assert not ranking.is_partial


def test_how_many_were_left_unread_is_counted_and_said() -> None:
    reranker, _ = made(2.0)
    step = next(s for s in reranker.rerank(CANDIDATES, top_k=2).trace.steps if s.stage == "cheap first")
    assert step.counts == {"documents": 8, "read": 3, "unread": 5}
    (note,) = step.degradations
    assert note.startswith("5 of 8 documents were left unread: more than 2.000 behind number 2")


def test_a_smaller_top_k_takes_the_margin_of_the_next_fitted_one_and_its_place() -> None:
    dear = By("dear", lambda i: -float(i))
    reranker = CheapFirst(By("cheap", odd_first), Pointwise(dear), margins={1: 0.0, 3: 1.0, 5: INF})
    reranker.rerank(CANDIDATES, top_k=2)
    assert dear.read == ["3", "5", "7"]  # the third stands at 13, the fourth at 11


@pytest.mark.parametrize("top_k", [None, 3, 8])
def test_without_a_margin_for_it_all_are_read_as_they_were_given(top_k: int | None) -> None:
    reranker, dear = made(0.0)
    ranking = reranker.rerank(CANDIDATES, top_k=top_k)
    assert dear.read == list(CANDIDATES.doc_ids)
    assert ranking.doc_ids == CANDIDATES.doc_ids[:top_k]
    asked = top_k or "the whole order"
    note = f"cheap first: none was left out: margins are for a top_k up to 2, and {asked} is asked for"
    assert note in ranking.trace.degradations


def test_where_vectors_are_not_stored_and_cannot_be_all_are_read() -> None:
    cheap, dear = By("cheap", odd_first, has_vectors=False), By("dear", lambda i: -float(i))
    reranker = CheapFirst(cheap, Pointwise(dear), margins={2: 0.0})
    ranking = reranker.rerank(CANDIDATES, top_k=2)
    assert (cheap.read, dear.read) == ([], list(CANDIDATES.doc_ids))
    assert any("no stored vector" in text for text in ranking.trace.degradations)


def test_few_candidates_are_read_without_a_cheap_score() -> None:
    cheap, dear = By("cheap", odd_first), By("dear", lambda i: -float(i))
    CheapFirst(cheap, Pointwise(dear), margins={8: 0.0}).rerank(CANDIDATES, top_k=5)
    assert (cheap.read, len(dear.read)) == ([], 8)


def test_a_deadline_cuts_off_the_least_promising() -> None:
    reranker, dear = made(4.0)
    timed = reranker.over(Budgeted([Level(dear, CostModel(pair_ms=10))]))
    assert within(timed, 1000).doc_ids == ("1", "3")
    dear.read.clear()
    ranking = within(timed, 105, top_k=2)  # 80 ms are for the cheap scores
    assert dear.read == ["7", "5"]
    assert (ranking.doc_ids, ranking.unscored) == (("5", "7"), 2)
    dear.read.clear()
    everyone = within(timed, 105, top_k=None)
    assert everyone.doc_ids == ("5", "7", "3", "1", "6", "4", "2", "0")
    assert everyone.unscored == 6


def test_without_margins_a_deadline_finds_the_most_promising_first_and_nothing_else_changes() -> None:
    dear = By("dear", lambda i: -float(i))
    timed = CheapFirst(By("cheap", odd_first), Budgeted([Level(dear, CostModel(pair_ms=10))]), margins={})
    ranking = within(timed, 105, top_k=None)
    assert dear.read == ["7", "5"]
    assert ranking.doc_ids == ("5", "7", "3", "1", "6", "4", "2", "0")
    assert ranking.unscored == 6
    in_time = timed.rerank(CANDIDATES, top_k=3)
    assert in_time == Pointwise(dear).rerank(CANDIDATES, top_k=3)


def test_where_no_time_limit_is_near_nothing_is_asked_of_the_cheap_part() -> None:
    cheap, dear = By("cheap", odd_first), By("dear", lambda i: 0.0)
    timed = CheapFirst(cheap, Budgeted([Level(dear, CostModel(pair_ms=10))]), margins={})
    assert within(timed, INF, top_k=None).doc_ids == CANDIDATES.doc_ids  # equal scores, in the given order
    assert cheap.read == []
    assert not timed.has_say(CANDIDATES, is_timed=False)
    assert timed.has_say(CANDIDATES, is_timed=True)


def test_a_cheap_score_that_is_no_number_orders_nothing_and_is_said() -> None:
    dear = By("dear", lambda i: -float(i))
    timed = CheapFirst(By("cheap", lambda i: float("nan")), Pointwise(dear), margins={2: 0.0})
    ranking = timed.rerank(CANDIDATES, top_k=2)
    assert (ranking.doc_ids, len(dear.read)) == (("0", "1"), 8)
    assert any("is no number" in note for note in ranking.trace.degradations)


def test_without_margins_nothing_is_said_of_documents_whose_vectors_are_not_stored() -> None:
    dear, cheap = By("dear", lambda i: -float(i)), By("cheap", odd_first, has_vectors=False)
    level = Level(dear, CostModel(pair_ms=10))
    ranking = within(CheapFirst(cheap, Budgeted([level]), margins={}), 25)
    assert (ranking.doc_ids, cheap.read) == (("0", "1"), [])
    assert [step.stage for step in ranking.trace.steps] == ["dear", "budget"]


def test_when_there_was_no_time_to_read_the_cheap_order_stands_unscored() -> None:
    reranker, dear = made(4.0)
    ranking = within(reranker.over(Budgeted([Level(dear, CostModel(pair_ms=10))])), 81, top_k=5)
    assert dear.read == []
    assert ranking.doc_ids == ("7", "5", "3", "1", "6")
    assert not any(item.is_scored for item in ranking)
    scores = [item.score for item in ranking]
    assert scores == sorted(scores, reverse=True)
    assert ranking.unscored == 8  # nobody has a score of the reranker's, as when a budget lets none be read


@pytest.mark.parametrize("kind", [None, ScoreKind.LOGIT])
def test_a_threshold_leaves_the_cheap_order_as_it_stands(kind: ScoreKind | None) -> None:
    reranker, dear = made(4.0)
    ranking = within(reranker.over(Budgeted([Level(dear, CostModel(pair_ms=10))])), 81, top_k=5)
    kept = ranking.at_least(0, kind=kind, given=CANDIDATES.stage)
    assert kept.items == ranking.items
    note = "threshold: min_score=0 was not applied: no document was scored, and the cheap first order stands"
    assert kept.trace.degradations[-1] == note


def test_the_cheap_order_is_not_called_probable() -> None:
    reranker, dear = made(4.0)
    exact = Interval(0.0, 0.0, 0.0)
    made_for_it = ScoreCalibration("platt", Platt(1, 0), "dear", "x", 20, 5, exact, exact)
    calibrated = Calibrated(reranker.over(Budgeted([Level(dear, CostModel(pair_ms=10))])), made_for_it)
    By.now_ms = 0
    ranking = calibrated.rerank_within(CANDIDATES, deadline=Deadline.after(81, clock=lambda: By.now_ms), top_k=5)
    assert ranking.score_kind is ScoreKind.LOGIT


def test_a_reranker_without_deadlines_and_negative_margins_are_refused() -> None:
    reranker, dear = made(1.0)
    with pytest.raises(InputError, match="Pointwise keeps no deadline"):
        within(reranker, 100)
    with pytest.raises(InputError, match="a margin must be a number from 0"):
        CheapFirst(By("cheap", odd_first), Pointwise(dear), margins={2: -1.0})


def test_it_keeps_the_contract_of_rerankers() -> None:
    check_reranker(CheapFirst(Lexical(), Pointwise(Lexical()), margins={3: 0.0}))
