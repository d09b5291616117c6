"""Chains of rerankers, and circuits that leave a failing one alone."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import pytest

from forked import in_a_fork
from shortlist.errors import (
    GenerationError,
    InputError,
    MissingExtraError,
    PromptRefusedError,
    RateLimitedError,
    RemoteError,
    RemoteRequestError,
    RemoteUnavailableError,
    ScoreError,
    SettingsError,
)
from shortlist.pipeline import Breaker, Budgeted, Circuit, Fallback, Level, Pipeline, PlainBreaker
from shortlist.protocols import AsyncReranker, Reranker
from shortlist.scorers.lexical import Lexical
from shortlist.scorers.pointwise import Pointwise
from shortlist.testing import check_reranker
from shortlist.types import Deadline, Document, Query, Ranking, ScoreKind

CANDIDATES = Ranking.in_order(Query("tall tower"), [Document("iron", "a"), Document("tall tower", "b")], stage="bm25")


class Failing:
    """A reranker that raises the given errors in turn, then ranks by words."""

    def __init__(self, *errors: BaseException) -> None:
        self.errors = list(errors)
        self.calls = 0
        self.inner = Pointwise(Lexical())

    def rerank(self, candidates: Ranking, *, top_k: int | None = None) -> Ranking:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return self.inner.rerank(candidates, top_k=top_k)


@pytest.mark.parametrize("kind", [ScoreKind.LOGIT, None])
def test_a_threshold_is_not_put_to_the_scores_of_another_kind_that_a_fallback_gave(kind: ScoreKind | None) -> None:
    chain = Fallback([("logits", Failing(RemoteUnavailableError("down"))), ("words", Pointwise(Lexical()))])
    ranking = chain.rerank(CANDIDATES)
    kept = ranking.at_least(0.9, kind=kind, given=CANDIDATES.stage)
    assert kept.items == ranking.items
    assert kept.trace.degradations[-1].endswith("not applied: words took over, and its scores are of kind 'bm25'")
    assert len(ranking.at_least(1e9, kind=ScoreKind.BM25, given=CANDIDATES.stage)) == 0


class Clock:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def awaited(reranker: AsyncReranker, top_k: int | None = None) -> Ranking:
    return asyncio.run(reranker.arerank(CANDIDATES, top_k=top_k))


def waited(reranker: Reranker, top_k: int | None = None) -> Ranking:
    return reranker.rerank(CANDIDATES, top_k=top_k)


ways = pytest.mark.parametrize("rerank", [waited, awaited])


def down(times: int = 1) -> Sequence[RemoteError]:
    return [RemoteUnavailableError(f"down {i}") for i in range(times)]


@ways
def test_the_next_one_is_asked_and_the_trace_says_why(rerank: Callable[..., Ranking]) -> None:
    chain = Fallback([("hosted", Failing(*down())), ("local", Pointwise(Lexical()))])
    ranking = rerank(chain)
    assert ranking.doc_ids == ("b", "a")
    assert ranking.trace.degradations == (
        "fallback: hosted failed, so local was asked: RemoteUnavailableError: down 0",
    )
    assert rerank(chain).trace.degradations == ()


@ways
def test_when_all_fail_the_given_order_stands_with_every_reason(rerank: Callable[..., Ranking]) -> None:
    chain = Fallback([("hosted", Failing(RateLimitedError("busy"))), ("local", Failing(ScoreError("nan")))])
    ranking = rerank(chain, 1)
    assert (ranking.doc_ids, ranking[0].is_scored) == (("a",), False)
    assert ranking.trace.degradations == (
        "fallback: hosted failed, so local was asked: RateLimitedError: busy",
        "fallback: local failed, so the bm25 order stands: ScoreError: nan",
    )


@ways
@pytest.mark.parametrize("mistake", [InputError, SettingsError, MissingExtraError, ZeroDivisionError])
def test_mistakes_of_the_caller_and_defects_are_raised(
    rerank: Callable[..., Ranking], mistake: type[Exception]
) -> None:
    second = Failing()
    with pytest.raises(mistake):
        rerank(Fallback([("hosted", Failing(mistake("wrong"))), ("local", second)]))
    assert second.calls == 0


def test_an_empty_chain_is_refused() -> None:
    with pytest.raises(InputError, match="at least one"):
        Fallback([])


def test_chains_and_breakers_keep_the_rerankers_contract() -> None:
    lexical = Pointwise(Lexical())
    check_reranker(Fallback([("lexical", lexical)]))
    check_reranker(Fallback([("failing", Failing(*down())), ("lexical", lexical)]))
    check_reranker(Breaker(lexical, name="lexical"))
    check_reranker(PlainBreaker(lexical, name="lexical"))


def test_a_pipeline_takes_a_chain() -> None:
    class Fixed:
        def retrieve(self, query: Query, *, depth: int) -> Ranking:
            return CANDIDATES

    chain = Fallback([("hosted", Failing(*down())), ("local", Failing(ScoreError("nan")))])
    ranking = Pipeline(Fixed(), chain).search("tall tower", top_k=1, depth=2)
    assert ranking.doc_ids == ("a",)
    assert len(ranking.trace.degradations) == 2


@ways
def test_a_circuit_opens_lets_one_try_and_closes(rerank: Callable[..., Ranking]) -> None:
    clock = Clock()
    failing = Failing(*down(4))
    breaker = Breaker(failing, name="hosted", circuit=Circuit(failures=3, pause_ms=10_000, clock=clock))
    for i in range(3):
        with pytest.raises(RemoteUnavailableError, match=f"down {i}"):
            rerank(breaker)
    clock.seconds += 4
    with pytest.raises(RemoteUnavailableError, match=r"failed 3 times in a row and is not asked, tried again in 6"):
        rerank(breaker)
    assert failing.calls == 3
    clock.seconds += 6
    with pytest.raises(RemoteUnavailableError, match="down 3"):  # half-open, and it still fails
        rerank(breaker)
    with pytest.raises(RemoteUnavailableError, match=r"failed 4 times .* tried again in 10.0 s; last: .*: down 3"):
        rerank(breaker)
    clock.seconds += 10
    ranking = rerank(breaker)
    assert ranking.trace.steps[-1].facts == {"circuit": "half-open"}
    assert ranking.trace.degradations == (
        "circuit breaker: was half-open after 4 failures in a row, and is closed again",
    )
    closed = rerank(breaker)
    assert closed.trace.steps[-1].facts == {"circuit": "closed"}
    assert closed.trace.degradations == ()


def test_only_failures_in_a_row_and_of_the_server_count() -> None:
    wrong = [RemoteRequestError("no"), InputError("no"), ScoreError("no")]
    errors = [*down(1), wrong[0], *down(1), *wrong[1:], *down(1)]
    circuit = Circuit(failures=3)
    breaker = Breaker(Failing(*errors), name="hosted", circuit=circuit)
    for error in errors:
        with pytest.raises(type(error)):
            breaker.rerank(CANDIDATES)
    assert circuit.state.value == "closed"  # the refusal in between was an answer
    assert breaker.rerank(CANDIDATES).trace.steps[-1].counts == {"failures_before": 2}


def test_a_language_model_that_does_not_answer_counts_and_a_prompt_that_it_refuses_does_not() -> None:
    errors = [GenerationError("down"), PromptRefusedError("no"), GenerationError("down"), GenerationError("down")]
    failing = Failing(*errors)
    breaker = PlainBreaker(failing, name="llm", circuit=Circuit(failures=2))
    for error in errors:
        with pytest.raises(type(error)):
            breaker.rerank(CANDIDATES)
    with pytest.raises(RemoteUnavailableError, match="llm failed 2 times in a row and is not asked"):
        breaker.rerank(CANDIDATES)
    assert failing.calls == len(errors)


def test_of_many_threads_one_tries_a_half_open_circuit() -> None:
    clock = Clock()
    circuit = Circuit(failures=1, pause_ms=1_000, clock=clock)
    with pytest.raises(RemoteUnavailableError), circuit.call("x"):
        raise RemoteUnavailableError("down")
    clock.seconds += 1
    outcomes: list[str] = []
    together = threading.Barrier(8)
    done = threading.Event()

    def ask() -> None:
        together.wait()
        try:
            with circuit.call("x") as (state, _):
                outcomes.append(state.value)
                done.wait(30)
        except RemoteUnavailableError as error:
            outcomes.append("refused" if "being tried right now" in str(error) else str(error))
        if len(outcomes) == 8:
            done.set()

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["half-open", *["refused"] * 7]
    assert circuit.state.value == "closed"


def test_a_try_that_is_cancelled_leaves_the_circuit_half_open() -> None:
    clock = Clock()
    circuit = Circuit(failures=1, pause_ms=1_000, clock=clock)
    breaker = Breaker(Failing(*down(), KeyboardInterrupt()), name="x", circuit=circuit)
    with pytest.raises(RemoteUnavailableError):
        breaker.rerank(CANDIDATES)
    clock.seconds += 1
    with pytest.raises(KeyboardInterrupt):
        breaker.rerank(CANDIDATES)
    assert circuit.state.value == "half-open"
    assert breaker.rerank(CANDIDATES).doc_ids == ("b", "a")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Python warns of forks with threads: that is the point
def test_a_process_that_is_forked_while_others_rerank_waits_for_none_of_them() -> None:
    circuit, budgeted = Circuit(), Budgeted([Level(Lexical())])
    deadline, are_held, may_go = Deadline.after(1e9), threading.Event(), threading.Event()

    def hold() -> None:  # as a thread does that begins or ends a call
        with circuit._lock, budgeted._lock:
            are_held.set()
            assert may_go.wait(100)

    def reranks_alike() -> bool:
        ranking = Breaker(Pointwise(Lexical()), name="x", circuit=circuit).rerank(CANDIDATES)
        return budgeted.rerank_within(CANDIDATES, deadline=deadline).doc_ids == ranking.doc_ids

    holding = threading.Thread(target=hold)
    holding.start()
    assert are_held.wait(10)
    assert in_a_fork(reranks_alike)
    may_go.set()
    holding.join()


def refused(circuit: Circuit) -> bool:
    try:
        with circuit.call("x"):
            return False
    except RemoteUnavailableError:
        return True


def failed(call: AbstractContextManager[object]) -> None:
    error = RemoteUnavailableError("down")
    assert not call.__exit__(type(error), error, None)


def test_a_try_that_never_answers_is_given_up_after_a_pause_and_followed_by_one_other() -> None:
    clock = Clock()
    circuit = Circuit(failures=1, pause_ms=1_000, clock=clock)
    with pytest.raises(RemoteUnavailableError), circuit.call("x"):
        raise RemoteUnavailableError("down")
    clock.seconds += 1
    stuck, second = circuit.call("x"), circuit.call("x")
    stuck.__enter__()
    clock.seconds += 0.9
    assert refused(circuit)
    clock.seconds += 0.1
    assert second.__enter__()[0].value == "half-open"
    assert refused(circuit)
    failed(stuck)  # it ends at last: no reason to let a third one through, or to wait any longer
    assert refused(circuit)
    assert circuit.state.value == "half-open"
    second.__exit__(None, None, None)
    assert circuit.state.value == "closed"


@pytest.mark.parametrize("ends_well", [True, False])
def test_calls_that_began_before_a_circuit_opened_neither_close_it_nor_keep_it_open(ends_well: bool) -> None:
    clock = Clock()
    circuit = Circuit(failures=1, pause_ms=1_000, clock=clock)
    slow = circuit.call("x")
    slow.__enter__()
    with pytest.raises(RemoteUnavailableError), circuit.call("x"):
        raise RemoteUnavailableError("down")
    clock.seconds += 0.5
    if ends_well:
        slow.__exit__(None, None, None)
    else:
        failed(slow)
    assert circuit.state.value == "open"
    clock.seconds += 0.5
    assert circuit.state.value == "half-open"


@pytest.mark.parametrize(("failures", "pause_ms"), [(0, 1), (1, 0)])
def test_a_circuit_that_makes_no_sense_is_refused(failures: int, pause_ms: float) -> None:
    with pytest.raises(InputError):
        Circuit(failures=failures, pause_ms=pause_ms)
