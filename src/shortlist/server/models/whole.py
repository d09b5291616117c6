"""A reranker that takes whole requests, one or a few at a time: language models, and servers elsewhere."""

from __future__ import annotations

import asyncio

from shortlist.errors import OverloadedError
from shortlist.pipeline.awaiting import arerank
from shortlist.planning.cost import CostModel
from shortlist.planning.lengths import pair_lengths
from shortlist.protocols import AsyncReranker, Reranker
from shortlist.server.models.asked import Ask, Load
from shortlist.server.models.reading import check_tokens, uncut
from shortlist.server.models.waiting import within
from shortlist.types import Ranking


class WholeModel:
    """Asks a reranker for `at_once` requests at a time; at most `waiting` more are let in.

    A thread cannot be stopped: what has begun there keeps its turn until it has ended, though nobody waits for it.
    """

    def __init__(self, reranker: Reranker, *, at_once: int = 1, waiting: int = 64, fingerprint: str = "") -> None:
        self._reranker = reranker
        self._turns = asyncio.Semaphore(at_once)
        self._most = at_once + waiting
        self._waiting: set[object] = set()
        self._running: set[asyncio.Task[Ranking]] = set()
        self.fingerprint = fingerprint

    cost: CostModel | None = None
    max_length: int | None = None

    @property
    def load(self) -> Load:
        """Requests that wait and run, for pairs."""
        return Load(self._asked)

    @property
    def _asked(self) -> int:
        return len(self._waiting) + len(self._running)

    async def rank(self, ask: Ask) -> Ranking:
        """Rerank when it is this request's turn; at its deadline the candidates come back as they were given."""
        if ask.max_tokens:  # counting pieces of megabytes would hold everybody else up
            lengths = await asyncio.to_thread(pair_lengths, ask.candidates.query, ask.candidates.documents)
            check_tokens(lengths, ask.max_tokens)
        if self._asked >= self._most and not ask.is_let_in:
            raise OverloadedError(f"too much to do: {self._asked} requests wait already; try again later")
        place = object()
        self._waiting.add(place)
        try:
            return await within(ask.deadline, self._in_turn(ask, place))
        except asyncio.TimeoutError:
            return ask.unscored()
        finally:
            self._waiting.discard(place)

    async def close(self) -> None:
        """Wait until nothing is asked any more."""
        while self._asked:
            await asyncio.sleep(0.01)

    async def _in_turn(self, ask: Ask, place: object) -> Ranking:
        await self._turns.acquire()
        self._waiting.discard(place)
        # a task of its own, in a copy of this context, for the spans of whoever traces
        running = asyncio.create_task(arerank(self._reranker, ask.candidates, top_k=ask.top_k))
        self._running.add(running)
        running.add_done_callback(self._ended)
        try:
            ranking = await asyncio.shield(running)
        except asyncio.CancelledError:
            if isinstance(self._reranker, AsyncReranker):  # it waits for a server, and may stop at once
                running.cancel()
            raise
        return ranking.traced(*uncut(ask.cuts))

    def _ended(self, running: asyncio.Task[Ranking]) -> None:
        self._running.discard(running)
        self._turns.release()
        if not running.cancelled():
            running.exception()  # looked at, so that asyncio does not report what nobody waited for
