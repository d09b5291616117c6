"""The calls of one scoring: side by side, and taken apart when the server refuses some document."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from shortlist.errors import RemoteRequestError
from shortlist.wire import RerankResponse

SPARE_CALLS = 40  # finds a few bad documents among a thousand; more than a few are no exception


@dataclass(slots=True)
class Calls:
    """Asks for batches of documents, by their places, and keeps what came back.

    `ask` sends the documents at some places in one call. `scores` has the score of a
    place, `refused` the server's reason for not giving one. `spare` calls may be made beside
    those for the batches; with 0 a refused batch is not taken apart.
    """

    ask: Callable[[Sequence[int]], Awaitable[RerankResponse]]
    texts: Mapping[int, str]
    concurrency: int
    spare: int
    scores: dict[int, float] = field(default_factory=dict)
    refused: dict[int, RemoteRequestError] = field(default_factory=dict)
    responses: list[RerankResponse] = field(default_factory=list)

    async def run(self, batches: Sequence[Sequence[int]]) -> None:
        """Settle every batch; the first error ends the others.

        Raises RemoteRequestError when the server refuses all of the documents, or the shortest one of a
        batch and the one of middle length alone: then it is the request that it refuses.
        """
        gate = asyncio.Semaphore(self.concurrency)

        async def settled(batch: Sequence[int]) -> None:
            async with gate:
                await self._settle(batch)

        tasks = [asyncio.ensure_future(settled(batch)) for batch in batches]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if self.refused and not self.scores:
            raise next(iter(self.refused.values()))

    async def _settle(self, batch: Sequence[int]) -> None:
        try:
            await self._call(batch)
        except RemoteRequestError as error:
            if len(batch) == 1:
                self.refused[batch[0]] = error
                return
            by_length = sorted(batch, key=lambda place: len(self.texts[place]))
            probed = await self._probe([by_length[0], by_length[len(batch) // 2]], error)
            rest = [place for place in by_length if place not in probed]  # those that are too long stand together
            if rest:
                await self._split(rest, error)

    async def _probe(self, likely: Sequence[int], error: RemoteRequestError) -> Sequence[int]:
        """Ask for documents alone until one is scored, and return those that were asked for; else raise the error."""
        if not likely:
            raise error
        try:
            await self._spend(likely[:1], error)
        except RemoteRequestError as refusal:
            probed = await self._probe(likely[1:], error)
            self.refused[likely[0]] = refusal
            return [likely[0], *probed]
        return likely[:1]

    async def _split(self, batch: Sequence[int], error: RemoteRequestError) -> None:
        """Score a batch of which some document is bad, by halves."""
        halves = [batch] if len(batch) == 1 else [batch[: len(batch) // 2], batch[len(batch) // 2 :]]
        for half in halves:
            await self._score_half(half, error)

    async def _score_half(self, half: Sequence[int], error: RemoteRequestError) -> None:
        try:
            await self._spend(half, error)
        except RemoteRequestError as refusal:
            if self.spare <= 0:
                raise
            if len(half) == 1:
                self.refused[half[0]] = refusal
            else:
                await self._split(half, refusal)

    async def _spend(self, batch: Sequence[int], error: RemoteRequestError) -> None:
        if self.spare <= 0:
            raise error
        self.spare -= 1
        await self._call(batch)

    async def _call(self, batch: Sequence[int]) -> None:
        response = await self.ask(batch)
        self.responses.append(response)
        self.scores.update((batch[result.index], result.score) for result in response.results)
