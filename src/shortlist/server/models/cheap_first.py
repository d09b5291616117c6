"""An exit before the first layer, in front of a served model: what is not worth reading is not queued."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from shortlist.pipeline.cheap_first import CheapFirst, Chosen
from shortlist.planning.cost import CostModel
from shortlist.server.models.asked import Ask, Load, Served
from shortlist.server.models.waiting import within
from shortlist.types import Ranking


class CheapFirstModel:
    """Lets a served model read the most promising first, and only what may reach the `top_k`; see `CheapFirst`."""

    def __init__(self, exits: CheapFirst, served: Served) -> None:
        self._exits, self._served = exits, served

    @property
    def fingerprint(self) -> str:
        """The served model's own: what is read scores as without exits."""
        return self._served.fingerprint

    @property
    def cost(self) -> CostModel | None:
        """The served model's own."""
        return self._served.cost

    @property
    def max_length(self) -> int | None:
        """The served model's own."""
        return self._served.max_length

    @property
    def load(self) -> Load:
        """The served model's own."""
        return self._served.load

    async def rank(self, ask: Ask) -> Ranking:
        """Rerank those chosen; by a deadline the most promising come first."""
        is_timed = ask.deadline is not None and not ask.in_given_order
        if not self._exits.has_say(ask.candidates, is_timed=is_timed):
            return await self._served.rank(ask)
        choosing = asyncio.to_thread(self._exits.choose, ask.candidates, top_k=ask.top_k, is_timed=is_timed)
        try:
            chosen = await within(ask.deadline, choosing)
        except asyncio.TimeoutError:
            return ask.unscored()
        to_read = chosen.most_promising_first() if is_timed else chosen.to_read
        progress = None if ask.progress is None else _whole(ask.progress, chosen, ask.top_k)
        read = await self._served.rank(replace(ask, candidates=to_read, top_k=None, progress=progress))
        return chosen.put_together(read).head(ask.top_k)

    async def close(self) -> None:
        """Finish what was let in, then end the threads."""
        await self._served.close()


def _whole(progress: Callable[[Ranking], None], chosen: Chosen, top_k: int | None) -> Callable[[Ranking], None]:
    """Show what there is so far with the unread behind it."""
    return lambda so_far: progress(chosen.put_together(so_far).head(top_k))
