"""The queue decides fairly, within bounds, and forgets what nobody wants any more."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.fakes import FakeClock
from shortlist.server.scheduling.queue import Batch, Bounds, PairQueue
from shortlist.server.scheduling.throughput import Throughput
from shortlist.server.scheduling.work import PairFailure, PairScore, Task
from shortlist.types import Deadline, Document, Query, ScoreKind

_NAMES = itertools.count()


def queue_of(
    *, batch_tokens: int = 100, bounds: Bounds | None = None, rate: float = 1.0, clock: FakeClock
) -> PairQueue:
    return PairQueue(
        clock=clock, throughput=Throughput.guessed(rate), batch_tokens=batch_tokens, bounds=bounds or Bounds()
    )


def task_of(
    *lengths: int, client: str = "a", priority: int = 0, deadline: Deadline | None = None, name: str = ""
) -> Task:
    name = name or f"t{next(_NAMES)}"
    documents = [Document(f"{name} {place}", str(place)) for place in range(len(lengths))]
    return Task(Query(name), documents, lengths, client, priority, deadline)


def scored(batch: Batch) -> list[PairScore]:
    return [PairScore(float(pair.tokens), ScoreKind.LOGIT) for pair in batch.pairs]


def drained(queue: PairQueue) -> list[Batch]:
    batches = []
    while (batch := queue.next_batch()) is not None:
        batches.append(batch)
        queue.finished(batch, scored(batch))
    return batches


def owners(batch: Batch) -> list[str]:
    return [pair.query.text for pair in batch.pairs]


def test_one_batch_holds_pairs_of_several_requests() -> None:
    queue = queue_of(clock=FakeClock())
    for name in ("x", "y"):
        queue.add(task_of(30, 20, name=name))
    batch = queue.next_batch()
    assert batch is not None
    assert sorted(owners(batch)) == ["x", "x", "y", "y"]
    assert [len(group) for group in batch.groups()] == [2, 2]


def test_equal_requests_of_a_client_are_done_in_the_order_they_came() -> None:
    queue = queue_of(clock=FakeClock())
    for name in ("first", "second", "third"):
        queue.add(task_of(50, 50, name=name))
    assert [set(owners(batch)) for batch in drained(queue)] == [{"first"}, {"second"}, {"third"}]


def test_a_short_request_passes_a_long_one_of_the_same_client() -> None:
    queue = queue_of(clock=FakeClock())
    queue.add(task_of(*[50] * 20, name="long"))
    first = queue.next_batch()
    queue.add(task_of(50, 50, name="short"))
    second = queue.next_batch()
    assert first is not None
    assert second is not None
    assert set(owners(first)) == {"long"}
    assert set(owners(second)) == {"short"}


def test_a_long_request_is_not_starved_by_short_ones_that_keep_coming() -> None:
    queue = queue_of(clock=FakeClock())
    long = task_of(*[50] * 10, name="long")
    queue.add(long)
    rounds = 0
    while not long.is_over:
        queue.add(task_of(50, 50))
        batch = queue.next_batch()
        assert batch is not None
        queue.finished(batch, scored(batch))
        rounds += 1
        assert rounds <= 10


def test_a_client_with_many_requests_gets_no_more_than_its_share() -> None:
    queue = queue_of(clock=FakeClock())
    for _ in range(20):
        queue.add(task_of(50, 50, client="greedy"))
    queue.add(task_of(50, 50, client="modest", name="modest"))
    found = [owners(batch) for batch in (queue.next_batch(), queue.next_batch()) if batch is not None]
    assert sum(owner == "modest" for batch in found for owner in batch) == 2


def test_a_client_that_comes_back_does_not_claim_what_it_left_unused() -> None:
    queue = queue_of(clock=FakeClock())
    queue.add(task_of(50, client="late"))
    drained(queue)
    queue.add(task_of(*[50] * 20, client="steady"))
    for _ in range(5):
        batch = queue.next_batch()
        assert batch is not None
        queue.finished(batch, scored(batch))
    queue.add(task_of(*[50] * 20, client="late", name="late"))
    next_batches = [queue.next_batch() for _ in range(4)]
    late = sum(owner == "late" for batch in next_batches if batch for owner in owners(batch))
    assert late == 4


def test_an_urgent_request_comes_before_one_that_can_wait() -> None:
    queue = queue_of(clock=FakeClock())
    queue.add(task_of(50, 50, priority=3, name="patient"))
    queue.add(task_of(50, 50, priority=0, name="urgent"))
    assert [owners(batch)[0] for batch in drained(queue)] == ["urgent", "patient"]


def test_what_is_far_longer_than_the_rest_of_its_request_comes_last() -> None:
    queue = queue_of(clock=FakeClock())
    queue.add(task_of(400, 40, 40, 40))
    assert [[pair.tokens for pair in batch.pairs] for batch in drained(queue)] == [[40, 40], [40], [400]]


def test_a_pair_that_does_not_fit_leaves_its_place_to_a_shorter_one() -> None:
    queue = queue_of(clock=FakeClock())
    queue.add(task_of(60, 60, name="x"))
    queue.add(task_of(30, 90, 90, 90, name="y"))
    batch = queue.next_batch()
    assert batch is not None
    assert sorted(pair.tokens for pair in batch.pairs) == [30, 60]


def test_equal_pairs_of_two_requests_are_scored_once_for_both() -> None:
    queue = queue_of(clock=FakeClock())
    one, other = task_of(10, 10, name="same"), task_of(10, 10, name="same", client="b")
    queue.add(one)
    queue.add(other)
    assert sum(len(batch.pairs) for batch in drained(queue)) == 2
    assert one.outcomes == other.outcomes
    assert other.shared == 2
    assert one.is_over
    assert other.is_over


def test_a_text_that_is_there_twice_is_scored_once_and_shared_with_no_other_request() -> None:
    queue = queue_of(clock=FakeClock())
    one, other = (Task(Query("q"), [Document("same", str(i)) for i in range(3)], [10] * 3) for _ in range(2))
    queue.add(one)
    queue.add(other)
    assert sum(len(batch.pairs) for batch in drained(queue)) == 1
    assert (one.shared, other.shared) == (0, 3)
    assert len(set(one.outcomes)) == 1


def test_a_pair_in_a_running_batch_is_shared_too() -> None:
    queue = queue_of(clock=FakeClock())
    queue.add(task_of(10, name="same"))
    batch = queue.next_batch()
    other = task_of(10, name="same")
    queue.add(other)
    assert batch is not None
    assert queue.next_batch() is None
    assert other in queue.finished(batch, scored(batch))
    assert other.is_over


def test_what_was_scored_of_late_is_not_scored_again() -> None:
    queue = queue_of(clock=FakeClock())
    queue.add(task_of(10, 20, name="again"))
    drained(queue)
    task = task_of(10, 20, name="again")
    queue.add(task)
    assert task.is_over
    assert task.cached == 2
    assert queue.next_batch() is None


def test_the_work_of_a_client_that_left_is_dropped_unless_another_wants_it() -> None:
    queue = queue_of(clock=FakeClock())
    gone, stays = task_of(10, 10, 10, name="same"), task_of(10, name="same", client="b")
    queue.add(gone)
    queue.add(stays)
    queue.drop(gone)
    assert sum(len(batch.pairs) for batch in drained(queue)) == 1
    assert stays.is_over
    assert queue.waiting_pairs == queue.waiting_tokens == queue.running_tokens == 0


def test_a_request_with_a_deadline_gives_only_what_fits_before_it() -> None:
    clock = FakeClock()
    queue = queue_of(clock=clock, batch_tokens=1000)
    task = task_of(*[10] * 20, deadline=Deadline.after(100, clock=clock))
    queue.add(task)
    batch = queue.next_batch()
    assert batch is not None
    assert len(batch.pairs) == 8  # 80 % of 100 ms at a token a millisecond
    clock.ms = 95
    queue.finished(batch, scored(batch))
    assert queue.next_batch() is None
    assert queue.ended() == [task]
    assert sum(outcome is not None for outcome in task.outcomes) == 8
    assert queue.waiting_pairs == 0


def test_a_request_that_gets_no_turn_beside_what_runs_goes_on_when_that_has_ended() -> None:
    clock = FakeClock()
    queue = queue_of(clock=clock, batch_tokens=1000)
    task = task_of(*[10] * 20, deadline=Deadline.after(100, clock=clock))
    queue.add(task)
    first = queue.next_batch()
    assert first is not None
    assert len(first.pairs) == 8
    assert queue.next_batch() is None, "a second worker may take no more than what is predicted to fit"
    clock.ms = 20  # four times as fast as predicted
    queue.finished(first, scored(first))
    drained(queue)
    assert task.is_over
    assert None not in task.outcomes


def test_a_failed_batch_is_split_until_only_the_bad_pair_fails() -> None:
    queue = queue_of(clock=FakeClock())
    good, bad = task_of(10, 10, 10, name="good"), task_of(10, 10, name="bad")
    queue.add(good)
    queue.add(bad)
    while (batch := queue.next_batch()) is not None:
        if any(pair.document.text == "bad 1" for pair in batch.pairs):
            queue.failed(batch, ValueError("no"))
        else:
            queue.finished(batch, scored(batch))
    assert all(isinstance(outcome, PairScore) for outcome in (*good.outcomes, bad.outcomes[0]))
    assert isinstance(bad.outcomes[1], PairFailure)
    assert queue.running_tokens == 0


def test_a_broken_model_does_not_try_every_pair_of_a_long_queue() -> None:
    queue = queue_of(clock=FakeClock(), batch_tokens=10_000)
    queue.add(task_of(*[10] * 500))
    tries = 0
    while (batch := queue.next_batch()) is not None:
        tries += 1
        queue.failed(batch, ValueError("broken"))
    assert tries < 50


def test_admission_refuses_by_predicted_wait_and_says_when_to_come_again() -> None:
    queue = queue_of(clock=FakeClock(), bounds=Bounds(10_000, wait_ms=1000))
    assert queue.refusal("a", 10_000) is None, "an idle server takes what one request may hold"
    queue.add(task_of(*[100] * 30))
    refusal = queue.refusal("a", 1)
    assert refusal is not None
    assert refusal.retry_after_ms == 2000


def test_a_new_client_is_let_in_while_another_fills_the_queue() -> None:
    queue = queue_of(clock=FakeClock(), bounds=Bounds(10_000, wait_ms=1000))
    queue.add(task_of(*[100] * 30, client="greedy"))
    assert queue.refusal("greedy", 1) is not None
    assert queue.refusal("modest", 1) is None


def test_a_new_client_is_let_in_while_the_texts_of_another_are_read() -> None:
    queue = queue_of(clock=FakeClock(), bounds=Bounds(10_000, wait_ms=1000))
    queue.expect("greedy", 30, 3000)
    assert queue.refusal("greedy", 1) is not None
    assert queue.refusal("modest", 1) is None
    queue.expect("greedy", -30, -3000)
    assert queue.predicted_wait_ms("greedy") == 0


def test_one_client_cannot_hold_more_than_half_of_the_bound() -> None:
    queue = queue_of(clock=FakeClock(), bounds=Bounds(100, wait_ms=1e9))
    queue.add(task_of(*[1] * 45, client="a"))
    assert queue.refusal("a", 10) is not None
    assert queue.refusal("b", 10) is None


def test_a_task_that_cannot_be_let_in_leaves_nothing_behind() -> None:
    queue = queue_of(clock=FakeClock())
    broken = Task(Query("q"), [Document("d", "0"), None], [10, 10])  # type: ignore[list-item]
    with pytest.raises(AttributeError):
        queue.add(broken)
    assert queue.waiting_pairs == queue.waiting_tokens == 0
    assert queue.next_batch() is None


_STEP = st.tuples(
    st.sampled_from(["add", "add", "run", "run", "drop", "fail"]),
    st.lists(st.integers(1, 250), min_size=1, max_size=6),
    st.sampled_from("abc"),
    st.integers(0, 5),
)


@given(st.lists(_STEP, max_size=40))
def test_whatever_happens_every_task_ends_and_the_books_balance(steps: list[tuple[str, list[int], str, int]]) -> None:
    clock = FakeClock()
    queue = queue_of(clock=clock)
    tasks: list[Task] = []
    for what, lengths, client, number in steps:
        clock.ms += 1
        if what == "add":
            tasks.append(task_of(*lengths, client=client, name=f"q{number}"))
            queue.add(tasks[-1])
        elif what == "drop" and tasks:
            queue.drop(tasks[number % len(tasks)])
        elif (batch := queue.next_batch()) is not None:
            assert len(batch.pairs) == 1 or batch.tokens <= 100
            queue.failed(batch, ValueError()) if what == "fail" else queue.finished(batch, scored(batch))
    drained(queue)
    assert all(task.is_over for task in tasks)
    assert queue.waiting_pairs == queue.waiting_tokens == queue.running_tokens == 0
    assert queue.predicted_wait_ms("a") == 0


def slow_queue(clock: FakeClock) -> PairQueue:
    """A queue that has learned from one batch that took 5 s."""
    queue = queue_of(clock=clock)
    queue.add(task_of(10))
    batch = queue.next_batch()
    assert batch is not None
    clock.ms += 5000
    queue.finished(batch, scored(batch))
    return queue


def test_a_slow_moment_does_not_bar_small_budgets_for_ever() -> None:
    clock = FakeClock()
    queue, tried = slow_queue(clock), []
    for _ in range(60):
        queue.add(task_of(50, deadline=Deadline.after(100, clock=clock)))
        tried += drained(queue)
        queue.ended()
    assert 30 < len(tried) < 60


def test_budgets_that_no_pace_could_keep_teach_nothing() -> None:
    clock = FakeClock()
    queue = slow_queue(clock)
    learned = queue.throughput.tokens_per_ms
    for _ in range(40):
        queue.add(task_of(50, deadline=Deadline.after(10, clock=clock)))
        assert drained(queue) == []
    assert queue.throughput.tokens_per_ms == learned


def test_tasks_that_wait_for_a_running_batch_do_not_hide_others() -> None:
    clock = FakeClock()
    queue = queue_of(batch_tokens=100, clock=clock)
    queue.add(task_of(100, client="first"))
    assert queue.next_batch() is not None
    for number in range(20):
        queue.add(task_of(50, client=f"by a deadline {number}", deadline=Deadline.after(120, clock=clock)))
    queue.add(task_of(40, client="patient", name="patient"))
    batch = queue.next_batch()
    assert batch is not None
    assert owners(batch) == ["patient"]


class Workers:
    """Two at a time take batches of a queue; a token takes a millisecond, and batches that run share the time."""

    def __init__(self, queue: PairQueue, clock: FakeClock) -> None:
        self._queue, self._clock = queue, clock
        self._running: list[Batch] = []

    def work(self, until_ms: float) -> None:
        while self._clock.ms < until_ms:
            while len(self._running) < 2 and (batch := self._queue.next_batch()) is not None:
                self._running.append(batch)
            if not self._running:
                self._clock.ms = until_ms
                return
            batch = self._running.pop(0)
            self._clock.ms += batch.tokens
            self._queue.finished(batch, scored(batch))


def test_requests_by_a_deadline_are_scored_beside_others_that_never_cease() -> None:
    clock = FakeClock()
    queue = queue_of(clock=clock, batch_tokens=4000, bounds=Bounds(wait_ms=1e9))
    workers, unscored = Workers(queue, clock), []
    for _ in range(20):
        for _ in range(20):
            queue.add(task_of(*[100] * 10, client="bulk"))
        hurried = task_of(*[100] * 5, client="hurried", deadline=Deadline.after(4000, clock=clock))
        queue.add(hurried)
        workers.work(clock.ms + 4000)
        unscored.append(hurried.outcomes.count(None))
        queue.drop(hurried)
    assert unscored == [0] * 20


@pytest.mark.parametrize("later_ms", [0, 1e6, math.inf], ids=["none", "long budgets", "endless budgets"])
def test_batches_are_full_again_when_nobody_is_in_a_hurry_any_more(later_ms: float) -> None:
    clock = FakeClock()
    queue = queue_of(clock=clock, batch_tokens=800)
    for budget_ms in (100, later_ms):
        if budget_ms:
            queue.add(task_of(10, deadline=Deadline.after(budget_ms, clock=clock)))
    drained(queue)
    queue.add(task_of(*[100] * 16))
    batch = queue.next_batch()
    assert batch is not None
    assert batch.tokens == 100
    clock.ms = 10_000
    if later_ms:
        queue.add(task_of(10, client="b", deadline=Deadline.after(later_ms, clock=clock)))
    batch = queue.next_batch()
    assert batch is not None
    assert batch.tokens > 700
