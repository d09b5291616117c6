"""Threads for one kind of work, and a bound on how much of it waits for them."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from shortlist.errors import OverloadedError
from shortlist.types import Deadline

_Made = TypeVar("_Made")


class Turns:
    """Does `at_once` works at a time, on threads of its own, in the order in which they came; `waiting` more may wait.

    `what` they are is for messages. Make and use it within one event loop.
    """

    def __init__(self, what: str, *, at_once: int, waiting: int) -> None:
        self._what, self._at_once, self._waiting = what, at_once, waiting
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="shortlist-turn")
        self._asked: set[Future[Any]] = set()  # until they are done, though nobody may wait for them any more

    async def do(self, work: Callable[[], _Made], *, deadline: Deadline | None = None) -> _Made:
        """Await a work; once it has begun it is done to its end, and when this is cancelled before, never.

        Raises OverloadedError when too many wait already, or when it still waits at its deadline.
        """
        if len(self._asked) >= self._at_once + self._waiting:
            raise OverloadedError(f"too much to do: {self._waiting} {self._what} wait already; try again later")
        begins_at_once = len(self._asked) < self._at_once
        asked = self._threads.submit(work)
        self._asked.add(asked)
        asked.add_done_callback(self._asked.discard)
        made = asyncio.wrap_future(asked)
        try:
            if deadline is not None and deadline.left_ms < math.inf and not begins_at_once:
                await asyncio.wait({made}, timeout=max(0.0, deadline.left_ms) / 1000)
                if asked.cancel():
                    raise OverloadedError(f"too much to do: other {self._what} took the whole budget; try again later")
            return await made
        finally:
            made.cancel()

    def close(self) -> None:
        """Return once what was let in is done."""
        self._threads.shutdown()
