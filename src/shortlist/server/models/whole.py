"""A reranker that takes whole requests, one or a few at a time: language models, and servers elsewhere."""

from __future__ import annotations

import asyncio

from shortlist.errors import OverloadedError
from shortlist.pipeline.awaiting import arerank
from shortlist.planning.cost import CostModel
from shortlist.planning.lengths import pair_lengths
from shortlist.protocols import Reranker
from shortlist.server.models.asked import Ask, Load
from shortlist.server.models.reading import check_tokens, uncut
from shortlist.types import Ranking, Step


class WholeModel:
    """Asks a reranker for `at_once` requests at a time; at most `waiting` more are let in."""

    def __init__(self, reranker: Reranker, *, at_once: int = 1, waiting: int = 64, fingerprint: str = "") -> None:
        self._reranker = reranker
        self._turns = asyncio.Semaphore(at_once)
        self._most = at_once + waiting
        self._asked = 0
        self.fingerprint = fingerprint

    cost: CostModel | None = None
    max_length: int | None = None

    @property
    def load(self) -> Load:
        """Requests that wait and run, for pairs."""
        return Load(self._asked)

    async def rank(self, ask: Ask) -> Ranking:
        """Rerank when it is this request's turn; at its deadline the candidates come back as they were given."""
        check_tokens(pair_lengths(ask.candidates.query, ask.candidates.documents), ask.max_tokens)
        if self._asked >= self._most:
            raise OverloadedError(f"too much to do: {self._asked} requests wait already; try again later")
        self._asked += 1
        try:
            left_ms = None if ask.deadline is None else max(0.0, ask.deadline.left_ms)
            return await asyncio.wait_for(self._in_turn(ask), None if left_ms is None else left_ms / 1000)
        except asyncio.TimeoutError:
            note = f"budget of {ask.deadline.budget_ms:g} ms: nothing was scored" if ask.deadline else "no answer"
            step = Step("budget", 0.0, {"documents": len(ask.candidates), "scored": 0}, {}, (note,))
            kind, stage = ask.candidates.score_kind, ask.candidates.stage
            return ask.candidates.partly_reordered((), kind=kind, stage=stage, top_k=ask.top_k, steps=(step,))
        finally:
            self._asked -= 1

    async def close(self) -> None:
        """Wait until nothing is asked any more."""
        while self._asked:
            await asyncio.sleep(0.01)

    async def _in_turn(self, ask: Ask) -> Ranking:
        async with self._turns:
            ranking = await arerank(self._reranker, ask.candidates, top_k=ask.top_k)
        return ranking.traced(*uncut(ask.cuts))
