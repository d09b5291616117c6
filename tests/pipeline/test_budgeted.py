"""The deadline is kept to the chunk, on a clock that the tests move."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.errors import InputError, ScoreError
from shortlist.pipeline import Budgeted, Level, Pipeline
from shortlist.pipeline.awaiting import cancellable
from shortlist.planning.cost import CostModel
from shortlist.protocols import Scorer, TimedReranker
from shortlist.scorers.lexical import Lexical
from shortlist.scorers.pointwise import Pointwise
from shortlist.testing import check_reranker
from shortlist.types import QUERY_CUT, Cancel, Deadline, Document, Query, Ranking, ScoreKind, Scores, Step, Truncation

QUERY = Query("which one?")
PAIR = CostModel(pair_ms=10)


class Clock:
    """A clock that only moves when it is told to."""

    def __init__(self) -> None:
        self.now_ms = 1000.0

    def __call__(self) -> float:
        return self.now_ms


class Timed:
    """A scorer that takes so many ms a document, and likes the later ones better."""

    def __init__(self, clock: Clock, *, pair_ms: float = 10, name: str = "timed") -> None:
        self.clock, self.pair_ms, self.fingerprint = clock, pair_ms, name
        self.chunks: list[list[str]] = []

    def score(self, query: Query, documents: Sequence[Document]) -> Scores:
        self.clock.now_ms += self.pair_ms * len(documents)
        self.chunks.append([d.doc_id for d in documents])
        values = np.asarray([float(d.doc_id) for d in documents], np.float32)
        step = Step(self.fingerprint, self.pair_ms * len(documents), {"documents": len(documents)}, {}, ("a note",))
        return Scores(values, ScoreKind.LOGIT, step)


class Fixed:
    """A retriever that takes its time."""

    def __init__(self, clock: Clock, *, takes_ms: float) -> None:
        self.clock, self.takes_ms = clock, takes_ms

    def retrieve(self, query: Query, *, depth: int) -> Ranking:
        self.clock.now_ms += self.takes_ms
        return given_ranking(depth)


def given_ranking(count: int) -> Ranking:
    return Ranking.in_order(QUERY, [Document(f"text {i}", str(i)) for i in range(count)], stage="first")


def within(budgeted: Budgeted, clock: Clock, budget_ms: float, *, count: int = 20, top_k: int | None = None) -> Ranking:
    deadline = Deadline.after(budget_ms, clock=clock)
    return budgeted.rerank_within(given_ranking(count), deadline=deadline, top_k=top_k)


def test_with_time_enough_it_is_the_ordinary_reranking() -> None:
    clock = Clock()
    scorer = Timed(clock)
    ranking = within(Budgeted([Level(scorer, PAIR)]), clock, 10_000)
    plain = Pointwise(scorer).rerank(given_ranking(20))
    assert ranking.items == plain.items
    assert (ranking.is_partial, ranking.unscored) == (False, 0)
    assert scorer.chunks[0] == [str(i) for i in range(20)]
    assert ranking.trace.steps[-1].degradations == ()


def test_chunks_are_half_of_what_is_left_in_the_given_order() -> None:
    clock = Clock()
    scorer = Timed(clock)
    ranking = within(Budgeted([Level(scorer, PAIR)]), clock, 100)
    assert [len(chunk) for chunk in scorer.chunks] == [5, 2, 1, 1, 1]
    assert [doc_id for chunk in scorer.chunks for doc_id in chunk] == [str(i) for i in range(10)]
    assert clock.now_ms == 1100
    assert ranking.unscored == 10


def test_what_was_scored_comes_first_and_the_rest_keeps_its_order() -> None:
    clock = Clock()
    ranking = within(Budgeted([Level(Timed(clock), PAIR)]), clock, 40, count=8)
    assert ranking.doc_ids == ("3", "2", "1", "0", "4", "5", "6", "7")
    assert [item.is_scored for item in ranking] == [True] * 4 + [False] * 4
    assert [item.rank for item in ranking] == list(range(1, 9))
    assert [item.score for item in ranking] == [3, 2, 1, 0, 0, 0, 0, 0]
    assert [item.history[-1].rank for item in ranking] == [4, 3, 2, 1, 5, 6, 7, 8]
    assert (ranking.is_partial, ranking.unscored, ranking.score_kind) == (True, 4, ScoreKind.LOGIT)
    scored, budget = ranking.trace.steps
    assert (scored.latency_ms, dict(scored.counts), scored.degradations) == (40, {"documents": 4}, ("a note",))
    assert dict(budget.counts) == {"candidates": 8, "scored": 4, "chunks": 3}
    assert dict(budget.facts) == {"budget_ms": "40", "left_ms": "0.0", "level": "timed"}
    assert budget.degradations == ("budget of 40 ms: 4 of 8 candidates were scored, the others keep their order",)


def test_a_partial_ranking_is_that_of_a_smaller_depth() -> None:
    clock = Clock()
    scorer = Timed(clock)
    partial = within(Budgeted([Level(scorer, PAIR)]), clock, 70, count=20)
    scored = 20 - partial.unscored
    shallow = Pointwise(scorer).rerank(given_ranking(scored))
    assert partial.items[:scored] == shallow.items
    assert partial.doc_ids[scored:] == given_ranking(20).doc_ids[scored:]


def test_a_cut_ranking_still_says_that_it_is_partial() -> None:
    clock = Clock()
    ranking = within(Budgeted([Level(Timed(clock), PAIR)]), clock, 40, count=8, top_k=2)
    assert (ranking.doc_ids, ranking.unscored) == (("3", "2"), 4)
    assert not Pointwise(Lexical()).rerank(ranking).is_partial  # scored anew, all of it


@given(st.floats(1, 3000), st.floats(0.1, 50), st.floats(0.05, 30), st.integers(0, 40))
def test_it_is_never_late_by_more_than_one_chunk(
    budget_ms: float, predicted_ms: float, true_ms: float, count: int
) -> None:
    clock = Clock()
    scorer = Timed(clock, pair_ms=true_ms)
    ranking = within(Budgeted([Level(scorer, CostModel(pair_ms=predicted_ms))]), clock, budget_ms, count=count)
    last = len(scorer.chunks[-1]) * true_ms if scorer.chunks else 0
    assert clock.now_ms - 1000 - last <= budget_ms
    assert sorted(ranking.doc_ids, key=int) == [str(i) for i in range(count)]
    assert ranking.unscored == count - sum(map(len, scorer.chunks))
    if true_ms <= predicted_ms:
        assert clock.now_ms - 1000 <= budget_ms + 1e-6


def test_a_machine_that_became_slow_is_noticed_and_said() -> None:
    clock = Clock()
    scorer = Timed(clock, pair_ms=50)
    ranking = within(Budgeted([Level(scorer, PAIR)]), clock, 100, count=30)
    assert [len(chunk) for chunk in scorer.chunks] == [5]
    assert ranking.trace.steps[-1].degradations[-1] == "150 ms over the budget of 100 ms"
    budgeted = Budgeted([Level(scorer, PAIR)])
    for _ in range(8):
        scorer.chunks.clear()
        began = clock.now_ms
        within(budgeted, clock, 100, count=30)
    assert [len(chunk) for chunk in scorer.chunks] == [1, 1]
    assert clock.now_ms - began == 100


def test_a_scorer_of_unknown_pace_is_learned_in_use() -> None:
    clock = Clock()
    scorer = Timed(clock, pair_ms=10)
    budgeted = Budgeted([Level(scorer)])
    within(budgeted, clock, 400, count=30)
    assert len(scorer.chunks[0]) == 1
    within(budgeted, clock, 400, count=30)
    assert scorer.chunks[-1][-1] == "29"


def test_a_budget_that_is_gone_leaves_the_given_order() -> None:
    clock = Clock()
    scorer = Timed(clock)
    deadline = Deadline.after(50, clock=clock)
    clock.now_ms += 60
    ranking = Budgeted([Level(scorer, PAIR)]).rerank_within(given_ranking(5), deadline=deadline, top_k=3)
    assert (ranking.doc_ids, ranking.stage, ranking.unscored) == (("0", "1", "2"), "first", 5)
    assert not any(item.is_scored for item in ranking)
    assert scorer.chunks == []
    assert ranking.trace.degradations[-1] == "budget: 10 ms over the budget of 50 ms"


def test_what_every_chunk_says_is_said_once_with_all_that_was_counted() -> None:
    class Cutting(Timed):
        """Cuts the query, and all documents but the first."""

        def score(self, query: Query, documents: Sequence[Document]) -> Scores:
            scores = super().score(query, documents)
            cut = [Truncation(d.doc_id, 1, 2) for d in documents if d.doc_id != "0"]
            notes = (f"{len(cut)} texts cut", "the query was cut")
            step = replace(scores.step, degradations=notes, truncations=(Truncation(QUERY_CUT, 3, 4), *cut))
            return Scores(scores.values, scores.kind, step)

    clock = Clock()
    scorer = Cutting(clock)
    step = within(Budgeted([Level(scorer, PAIR)]), clock, 100, count=8).trace.steps[0]
    assert [len(chunk) for chunk in scorer.chunks] == [5, 2, 1]
    assert step.degradations == ("7 texts cut", "the query was cut")
    assert [one.doc_id for one in step.truncations] == [QUERY_CUT, *"1234567"]


def test_the_smaller_model_takes_over_when_the_larger_cannot_finish() -> None:
    clock = Clock()
    large, small = Timed(clock, pair_ms=100, name="large"), Timed(clock, pair_ms=1, name="small")
    budgeted = Budgeted([Level(large, CostModel(pair_ms=100)), Level(small, CostModel(pair_ms=1))])
    assert within(budgeted, clock, 2000, count=20).trace.steps[-1].facts["level"] == "large"
    ranking = within(budgeted, clock, 1999, count=20)
    assert ranking.trace.steps[-1].facts["level"] == "small"
    assert ranking.trace.degradations[-1] == (
        "budget: large would take about 2000 ms for 20 candidates, 1999 ms were left"
    )
    assert not ranking.is_partial
    assert within(budgeted, clock, 10, count=20).unscored == 10
    nothing = within(budgeted, clock, 0.5, count=20)
    assert (nothing.stage, nothing.trace.steps[-1].facts["level"]) == ("first", "none")


def test_a_threshold_is_not_put_to_the_scores_of_another_model_unless_they_are_of_its_kind() -> None:
    clock = Clock()
    budgeted = Budgeted([Level(Timed(clock, pair_ms=100), CostModel(pair_ms=100)), Level(Lexical(), CostModel(), "bm")])
    in_time = within(budgeted, clock, 5000)
    assert in_time.at_least(15, kind=ScoreKind.LOGIT, given="first").doc_ids == ("19", "18", "17", "16", "15")
    with pytest.raises(InputError, match="of kind 'logit'"):
        in_time.at_least(15, kind=ScoreKind.BM25, given="first")
    taken_over = within(budgeted, clock, 100)
    kept = taken_over.at_least(15, kind=ScoreKind.LOGIT, given="first")
    assert kept.items == taken_over.items
    note = "threshold: min_score=15 was not applied: bm took over, and its scores are of kind 'bm25'"
    assert kept.trace.degradations[-1] == note
    assert len(taken_over.at_least(1e9, kind=ScoreKind.BM25, given="first")) == 0


def test_a_larger_model_comes_back_after_a_slow_moment() -> None:
    clock = Clock()
    large, small = Timed(clock, pair_ms=10, name="large"), Timed(clock, pair_ms=1, name="small")
    budgeted = Budgeted([Level(large, PAIR), Level(small, CostModel(pair_ms=1))])
    large.pair_ms = 80
    within(budgeted, clock, 500, count=20)
    large.pair_ms = 10
    levels = [within(budgeted, clock, 500, count=20).trace.steps[-1].facts["level"] for _ in range(40)]
    assert levels[0] == "small"
    assert levels[-1] == "large"


def test_a_calibration_from_a_busy_moment_does_not_bar_a_model_for_ever() -> None:
    clock = Clock()
    budgeted = Budgeted([Level(Timed(clock, pair_ms=1), CostModel(pair_ms=100))])
    unscored = [within(budgeted, clock, 50, count=20).unscored for _ in range(40)]
    assert unscored[0] == 20
    assert unscored[-1] == 0


def test_a_model_that_really_is_too_slow_is_tried_rarely_and_late_by_one_pair_at_most() -> None:
    clock = Clock()
    scorer = Timed(clock, pair_ms=100)
    budgeted = Budgeted([Level(scorer, PAIR)])
    for _ in range(100):
        within(budgeted, clock, 50, count=20)
    assert 1 <= len(scorer.chunks) <= 20
    assert {len(chunk) for chunk in scorer.chunks[1:]} == {1}


@pytest.mark.parametrize("left_ms", [-5, 1])
def test_budgets_too_small_for_anything_do_not_make_the_next_one_late(left_ms: float) -> None:
    clock = Clock()
    scorer = Timed(clock)
    budgeted = Budgeted([Level(scorer, PAIR)])
    for _ in range(40):
        deadline = Deadline.after(50, clock=clock)
        clock.now_ms += 50 - left_ms
        budgeted.rerank_within(given_ranking(50), deadline=deadline)
    assert scorer.chunks == []
    began = clock.now_ms
    assert within(budgeted, clock, 200, count=50).unscored == 30
    assert clock.now_ms - began == 200


def test_a_learned_model_that_is_too_slow_is_tried_with_one_pair() -> None:
    clock = Clock()
    large, small = Timed(clock, pair_ms=10, name="large"), Timed(clock, pair_ms=0.1, name="small")
    budgeted = Budgeted([Level(large), Level(small)])
    for _ in range(200):
        began = clock.now_ms
        within(budgeted, clock, 20, count=50)
        assert clock.now_ms - began <= 20
    assert {len(chunk) for chunk in large.chunks} == {1}
    assert 1 < len(large.chunks) < 10


def test_a_cancelled_search_stops_before_the_next_chunk() -> None:
    clock, cancel = Clock(), threading.Event()

    class Cancelling(Timed):
        """Scores, and somebody cancels meanwhile."""

        def score(self, query: Query, documents: Sequence[Document]) -> Scores:
            cancel.set()
            return super().score(query, documents)

    scorer = Cancelling(clock)
    deadline = Deadline.after(math.inf, clock=clock, cancel=cancel)
    ranking = Budgeted([Level(scorer, PAIR)]).rerank_within(given_ranking(100), deadline=deadline)
    assert [len(chunk) for chunk in scorer.chunks] == [25]  # a quarter of a second, not all that fits into infinity
    assert ranking.unscored == 75
    assert ranking.trace.degradations[-1].startswith("budget: cancelled: 25 of 100")


def test_ctrl_c_is_passed_on_and_ends_at_once() -> None:
    class Interrupted(Timed):
        """Ctrl-C arrives in the second chunk."""

        def score(self, query: Query, documents: Sequence[Document]) -> Scores:
            if self.chunks:
                raise KeyboardInterrupt
            return super().score(query, documents)

    clock = Clock()
    scorer = Interrupted(clock)
    with pytest.raises(KeyboardInterrupt):
        within(Budgeted([Level(scorer, PAIR)]), clock, 100)
    assert len(scorer.chunks) == 1


def test_retrieval_is_paid_from_the_same_budget() -> None:
    clock = Clock()
    scorer = Timed(clock)
    pipeline = Pipeline(Fixed(clock, takes_ms=70), Budgeted([Level(scorer, PAIR)]), clock=clock)
    ranking = pipeline.search("x", top_k=3, depth=20, budget_ms=100)
    assert ranking.unscored == 17
    assert clock.now_ms == 1100
    assert not pipeline.search("x", top_k=3, depth=20).is_partial


def test_a_reranker_without_a_sense_of_time_is_refused_before_anything_runs() -> None:
    clock = Clock()
    with pytest.raises(InputError, match="Pointwise keeps no deadline"):
        Pipeline(Fixed(clock, takes_ms=70), Pointwise(Lexical()), clock=clock).search("x", budget_ms=5)
    assert clock.now_ms == 1000


def test_wrong_counts_in_a_chunk_are_an_error_and_the_first_stage_stands() -> None:
    class Short(Timed):
        """Forgets a document."""

        def score(self, query: Query, documents: Sequence[Document]) -> Scores:
            return super().score(query, documents[1:])

    clock = Clock()
    with pytest.raises(ScoreError, match="4 scores for 5 documents"):
        within(Budgeted([Level(Short(clock), PAIR)]), clock, 100)
    pipeline = Pipeline(Fixed(clock, takes_ms=0), Budgeted([Level(Short(clock), PAIR)]), clock=clock)
    assert pipeline.search("x", top_k=2, budget_ms=100).doc_ids == ("0", "1")


def test_a_stale_calibration_is_said_in_the_trace() -> None:
    clock = Clock()
    ranking = within(Budgeted([Level(Timed(clock), PAIR, "m", "the calibration of m is stale")]), clock, 1000)
    assert ranking.trace.degradations[-1] == "budget: the calibration of m is stale"


@pytest.mark.parametrize("budget", [0, -1, math.nan, "100", True, None])
def test_a_budget_that_is_none_is_refused(budget: object) -> None:
    with pytest.raises(InputError, match="budget_ms"):
        Deadline.after(budget)  # type: ignore[arg-type]


def test_it_keeps_the_contract_of_rerankers() -> None:
    budgeted = Budgeted([Level(Lexical())])
    check_reranker(budgeted)
    assert isinstance(budgeted, TimedReranker)
    with pytest.raises(InputError):
        Budgeted([])


class Sleeping:
    """Takes real time, a millisecond a document, and needs no processor for it."""

    fingerprint = "sleeping"

    def score(self, query: Query, documents: Sequence[Document]) -> Scores:
        time.sleep(0.001 * len(documents))
        return Scores(np.arange(len(documents), dtype=np.float32), ScoreKind.LOGIT, Step("sleeping"))


def test_several_threads_may_share_it() -> None:
    scorer: Scorer = Sleeping()
    budgeted, found = Budgeted([Level(scorer, CostModel(pair_ms=1))]), list[Ranking]()

    def ask() -> None:
        found.append(budgeted.rerank_within(given_ranking(30), deadline=Deadline.after(5000)))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [ranking.unscored for ranking in found] == [0] * 8


def test_a_budget_is_for_scoring_however_many_texts_there_are() -> None:
    text = "time year people way " * 50
    candidates = Ranking.in_order(QUERY, [Document(text, str(i)) for i in range(20_000)])
    deadline = Deadline.after(250)
    ranking = Budgeted([Level(Sleeping(), CostModel(pair_ms=1))]).rerank_within(candidates, deadline=deadline, top_k=5)
    assert ranking.unscored < 20_000
    assert deadline.elapsed_ms < 500


class Drifting(Timed):
    """A scorer whose score of one text is a little higher in every chunk, as rounding may make it."""

    def score(self, query: Query, documents: Sequence[Document]) -> Scores:
        scores = super().score(query, documents)
        lengths = [np.float32(len(document.text)) for document in documents]
        drift = np.float32(len(self.chunks) * 1e-5)
        return Scores(np.asarray(lengths, np.float32) + drift, scores.kind, scores.step)


def test_equal_texts_tie_although_they_are_scored_in_different_chunks() -> None:
    clock = Clock()
    documents = [Document("text" if i % 2 else "longer text", str(i)) for i in range(12)]
    candidates = Ranking.in_order(QUERY, documents, stage="first")
    scorer = Drifting(clock)
    ranking = Budgeted([Level(scorer, PAIR)]).rerank_within(candidates, deadline=Deadline.after(100, clock=clock))
    assert len(scorer.chunks) > 3
    scored = [item.doc_id for item in ranking.items[: 12 - ranking.unscored]]
    assert scored == ["0", "2", "4", "6", "8", "1", "3", "5", "7", "9"]


def test_a_cancelled_task_stops_before_the_next_chunk() -> None:
    started, goes_on, ended = threading.Event(), threading.Event(), threading.Event()
    clock = Clock()

    class Waiting(Timed):
        """Waits in its first chunk until the task was cancelled."""

        def score(self, query: Query, documents: Sequence[Document]) -> Scores:
            started.set()
            assert goes_on.wait(60)
            return super().score(query, documents)

    scorer = Waiting(clock)
    budgeted = Budgeted([Level(scorer, CostModel(pair_ms=100))])

    def work(cancel: Cancel) -> Ranking:
        ranking = budgeted.rerank_within(
            given_ranking(20), deadline=Deadline.after(math.inf, clock=clock, cancel=cancel)
        )
        ended.set()
        return ranking

    async def cancelled() -> None:
        task = asyncio.create_task(cancellable(work))
        await asyncio.to_thread(started.wait, 60)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        goes_on.set()

    asyncio.run(cancelled())
    assert ended.wait(60)
    assert [len(chunk) for chunk in scorer.chunks] == [2]  # 250 ms of work at most, then it looks
