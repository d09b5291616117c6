"""Each stage of a cascade sees the best of the one before, and the rest keeps its order."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from shortlist.errors import InputError
from shortlist.pipeline import Budgeted, Cascade, Level
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
    assert (within(5).doc_ids, within(5).stage, within(5).unscored) == (CANDIDATES.doc_ids, "first", 9)


def test_stages_that_make_no_sense_are_refused() -> None:
    for stages in ([], [(Pointwise(UP), 0)], [(Pointwise(UP), None)]):
        with pytest.raises(InputError):
            Cascade(stages)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="Pointwise keeps no deadline"):
        Cascade([(Pointwise(UP), 3)]).rerank_within(CANDIDATES, deadline=Deadline.after(5))


def test_it_keeps_the_contract_of_rerankers() -> None:
    check_reranker(Cascade([(Pointwise(Lexical()), 8), (Pointwise(Lexical()), 4)]))
