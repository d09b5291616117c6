"""The served models: loaded at first use, put away when memory is short, exchanged while requests run."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from shortlist.errors import InputError, ModelError
from shortlist.server.models.asked import Served
from shortlist.types import Clock, monotonic_ms

RETRY_MS = 5000.0  # a model that could not be loaded is not tried again for so long

Loading = Callable[[str], Awaitable[Served]]
Announcing = Callable[[str], Awaitable[object]]


@dataclass(slots=True, eq=False)
class _Entry:
    served: Served
    size: int
    users: int = 0
    used_ms: float = 0.0


@dataclass(slots=True)
class _Slot:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    entry: _Entry | None = None
    filling: asyncio.Task[None] | None = None
    waiting: int = 0  # requests that are about to use it
    failed_ms: float = -math.inf
    failure: Exception | None = None


class ModelPool:
    """Models by name, the first being the default. `aliases` are other names that clients say for them.

    `resident` tells how many bytes this process holds; what loading adds to it counts as a
    model's size against `memory_bytes` (0: no limit). Names that are not served are never loaded.
    `announce` may be set to what is told of every use, while the model is in memory.
    """

    announce: Announcing | None = None

    def __init__(
        self,
        names: Sequence[str],
        load: Loading,
        *,
        aliases: Mapping[str, str] | None = None,
        memory_bytes: int = 0,
        resident: Callable[[], int] = lambda: 0,
        clock: Clock = monotonic_ms,
    ) -> None:
        if not names:
            raise InputError("a server needs at least one model")
        self.names = tuple(dict.fromkeys(names))
        self.aliases = dict(aliases or {})
        wrong = sorted(set(self.aliases.values()) - set(self.names))
        if wrong:
            raise InputError(f"an alias stands for {wrong[0]!r}, which is not served (there are: {', '.join(names)})")
        self._load, self._memory, self._resident, self._clock = load, memory_bytes, resident, clock
        self._slots = {name: _Slot() for name in self.names}
        self._retiring: set[asyncio.Task[None]] = set()
        self._is_closed = False

    @property
    def default(self) -> str:
        """The first model's name."""
        return self.names[0]

    def find(self, asked: str) -> str | None:
        """Return the served name for one that a client said; the default for an empty one, None for an unknown one."""
        if not asked:
            return self.default
        return asked if asked in self._slots else self.aliases.get(asked)

    def loaded(self, name: str) -> Served | None:
        """Return a model when it is in memory."""
        entry = self._slots[name].entry
        return entry.served if entry is not None else None

    def in_memory(self) -> dict[str, Served]:
        """Return the models that are in memory, by name."""
        return {name: slot.entry.served for name, slot in self._slots.items() if slot.entry is not None}

    @asynccontextmanager
    async def lease(self, name: str) -> AsyncIterator[Served]:
        """Use a served model, which stays in memory meanwhile; raises ModelError when it cannot be loaded."""
        entry = await self._ready(self._slots[name], name)
        entry.users += 1
        entry.used_ms = self._clock()
        try:
            if self.announce is not None:
                await self.announce(name)
            yield entry.served
        finally:
            entry.users -= 1

    def put_away(self, name: str) -> None:
        """Put a model away once its requests are answered, if it is in memory; the next request loads it again."""
        entry, self._slots[name].entry = self._slots[name].entry, None
        if entry is not None:
            self._retire(entry)

    async def reload(self, name: str) -> None:
        """Load a model again and exchange it; requests that run end with the old one, which stays when this fails."""
        slot = self._slots[name]
        async with slot.lock:
            fresh = await self._loaded(slot, name)
            old, slot.entry = slot.entry, fresh
        if old is not None:
            self._retire(old)

    async def close(self) -> None:
        """Put every model away once its requests are answered; nothing is loaded any more."""
        self._is_closed = True
        for slot in self._slots.values():
            async with slot.lock:
                entry, slot.entry = slot.entry, None
            if entry is not None:
                self._retire(entry)
        while self._retiring:
            await asyncio.gather(*self._retiring)

    async def _ready(self, slot: _Slot, name: str) -> _Entry:
        slot.waiting += 1
        try:
            while slot.entry is None:
                if self._is_closed:
                    raise ModelError(f"the server is ending, and {name} is not loaded any more")
                if slot.filling is None or slot.filling.done():
                    slot.filling = asyncio.create_task(self._fill(slot, name))
                await asyncio.shield(slot.filling)  # who leaves stops no loading: the next request needs it
                if slot.entry is None and slot.failure is not None:
                    raise ModelError(f"{name} cannot be loaded: {slot.failure}") from slot.failure
            return slot.entry
        finally:
            slot.waiting -= 1

    async def _fill(self, slot: _Slot, name: str) -> None:
        async with slot.lock:
            if slot.entry is not None or self._clock() - slot.failed_ms < RETRY_MS:
                return
            try:
                slot.entry = await self._loaded(slot, name)
            except Exception:  # the slot keeps it, for everybody who waits
                return
            slot.entry.used_ms = self._clock()
            self._make_room(name)

    async def _loaded(self, slot: _Slot, name: str) -> _Entry:
        before = self._resident()
        try:
            served = await self._load(name)
        except Exception as error:  # of any kind: it is no mistake of whoever asks
            slot.failed_ms, slot.failure = self._clock(), error
            raise
        slot.failed_ms, slot.failure = -math.inf, None
        return _Entry(served, max(0, self._resident() - before))

    def _make_room(self, name: str) -> None:
        """Put the models away that were used longest ago, never the one that was just loaded or one in use."""
        while self._memory and sum(s.entry.size for s in self._slots.values() if s.entry) > self._memory:
            idle = [
                other
                for other, slot in self._slots.items()
                if other != name
                and slot.entry is not None
                and not (slot.entry.users or slot.waiting)
                and not slot.lock.locked()
            ]
            if not idle:
                return
            self.put_away(min(idle, key=self._used_ms))

    def _used_ms(self, name: str) -> float:
        entry = self._slots[name].entry
        return entry.used_ms if entry is not None else 0.0

    def _retire(self, entry: _Entry) -> None:
        task = asyncio.create_task(self._closed(entry))
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    async def _closed(self, entry: _Entry) -> None:
        while entry.users:
            await asyncio.sleep(0.01)
        await entry.served.close()
