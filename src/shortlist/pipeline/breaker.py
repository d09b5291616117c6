"""A circuit breaker: a server that keeps failing is left alone for a while (Nygard 2007, Release It!)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum

from shortlist.errors import (
    GenerationError,
    InputError,
    PromptRefusedError,
    RemoteError,
    RemoteRequestError,
    RemoteUnavailableError,
)
from shortlist.inference.forks import ForkLock
from shortlist.pipeline.awaiting import arerank
from shortlist.protocols import Reranker
from shortlist.types import Ranking, Step

_FAILURES = (RemoteError, GenerationError)
_REFUSALS = (RemoteRequestError, PromptRefusedError)  # what answers so is there


class State(str, Enum):
    """Whether calls go through (closed), are refused (open), or one of them tries (half-open)."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Circuit:
    """Opens after so many failures in a row; after a pause lets one call through, which closes it or opens it again.

    A call that has not ended after another pause is given up, and the next one tries. Calls that began before the
    circuit opened, or that were given up, count no more when they end. `clock` is monotonic seconds. Safe to use from
    several threads.
    """

    def __init__(
        self, *, failures: int = 5, pause_ms: float = 30_000, clock: Callable[[], float] = time.monotonic
    ) -> None:
        if failures < 1 or pause_ms <= 0:
            raise InputError(f"a circuit needs failures from 1 and a pause_ms above 0; got {failures}, {pause_ms}")
        self._most = failures
        self._pause_s = pause_ms / 1000
        self._clock = clock
        self._lock = ForkLock()
        self._in_a_row = 0
        self._opened = 0.0
        self._reason = ""
        self._tried: float | None = None  # when the call began that is trying now
        self._era = 0  # of calls; what one of an earlier era finds out is out of date

    @property
    def state(self) -> State:
        """The state at this moment."""
        with self._lock:
            return self._state()

    @contextmanager
    def call(self, name: str) -> Iterator[tuple[State, int]]:
        """Let a call of `name` through; gives the state and the failures in a row before it.

        A RemoteError or a GenerationError counts as a failure, unless it only refuses the request. Raises
        RemoteUnavailableError while the circuit is open, or another call is trying.
        """
        before, era = self._enter(name)
        try:
            yield before
        except _REFUSALS:
            self._leave(era, None, is_settled=True)
            raise
        except _FAILURES as error:
            self._leave(era, error, is_settled=True)
            raise
        except BaseException:
            self._leave(era, None, is_settled=False)
            raise
        self._leave(era, None, is_settled=True)

    def _state(self) -> State:
        if self._in_a_row < self._most:
            return State.CLOSED
        return State.HALF_OPEN if self._clock() >= self._opened + self._pause_s else State.OPEN

    def _enter(self, name: str) -> tuple[tuple[State, int], int]:
        with self._lock:
            state, now = self._state(), self._clock()
            is_tried = self._tried is not None and now < self._tried + self._pause_s
            if state is State.OPEN or (state is State.HALF_OPEN and is_tried):
                wait = max(0.0, self._opened + self._pause_s - now)
                when = f"tried again in {wait:.1f} s" if wait else "being tried right now"
                raise RemoteUnavailableError(
                    f"{name} failed {self._in_a_row} times in a row and is not asked, {when}; last: {self._reason}"
                )
            if state is State.HALF_OPEN:
                self._tried = now
                self._era += 1
            return (state, self._in_a_row), self._era

    def _leave(self, era: int, error: RemoteError | GenerationError | None, *, is_settled: bool) -> None:
        """Count a call that ended; one that is not settled (cancelled, or never sent) says nothing of the server."""
        with self._lock:
            if era != self._era:
                return
            self._tried = None
            if error is not None:
                self._in_a_row += 1
                self._opened = self._clock()
                self._reason = f"{type(error).__name__}: {error}"
                if self._in_a_row >= self._most:
                    self._era += 1
            elif is_settled:
                self._in_a_row = 0


class PlainBreaker:
    """A reranker behind a circuit; the circuit's state is in the trace of every ranking, or in the error's words."""

    def __init__(self, reranker: Reranker, *, name: str, circuit: Circuit | None = None) -> None:
        self._reranker = reranker
        self._name = name
        self._circuit = circuit or Circuit()

    def rerank(self, candidates: Ranking, *, top_k: int | None = None) -> Ranking:
        """Return the reranker's ranking; raises RemoteUnavailableError without asking while the circuit is open."""
        with self._circuit.call(self._name) as before:
            ranking = self._reranker.rerank(candidates, top_k=top_k)
        return ranking.traced(_step(*before))


class Breaker(PlainBreaker):
    """The same, to be awaited: for a reranker that waits for a server and may stop waiting at any time."""

    async def arerank(self, candidates: Ranking, *, top_k: int | None = None) -> Ranking:
        """Return what `rerank` returns, without blocking the event loop."""
        with self._circuit.call(self._name) as before:
            ranking = await arerank(self._reranker, candidates, top_k=top_k)
        return ranking.traced(_step(*before))


def _step(before: State, failures: int) -> Step:
    note = (f"was {before.value} after {failures} failures in a row, and is closed again",) if failures else ()
    return Step("circuit breaker", 0.0, {"failures_before": failures}, {"circuit": before.value}, note)
