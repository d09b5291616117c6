"""Waiting until a deadline, and no longer."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable
from typing import TypeVar

from shortlist.types import Deadline

_Made = TypeVar("_Made")


async def within(deadline: Deadline | None, work: Awaitable[_Made]) -> _Made:
    """Await work; raises asyncio.TimeoutError, with the work cancelled, once the deadline has passed."""
    left_ms = math.inf if deadline is None else deadline.left_ms
    return await asyncio.wait_for(work, None if left_ms == math.inf else max(0.0, left_ms) / 1000)
