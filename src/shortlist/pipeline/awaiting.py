"""Rerankers of any kind, awaited."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

from shortlist.protocols import AsyncReranker, Reranker
from shortlist.types import Cancel, Ranking


async def arerank(reranker: Reranker, candidates: Ranking, *, top_k: int | None) -> Ranking:
    """Await a reranker; one that cannot be awaited runs in another thread."""
    if isinstance(reranker, AsyncReranker):
        return await reranker.arerank(candidates, top_k=top_k)
    return await asyncio.to_thread(reranker.rerank, candidates, top_k=top_k)


async def cancellable(work: Callable[[Cancel], Ranking]) -> Ranking:
    """Do blocking work in a thread; when the task is cancelled, the work is told, and nobody waits for it.

    A thread cannot be cancelled: the work has to look at what it is given, as `Deadline.is_cancelled` does.
    """
    cancel = threading.Event()
    try:
        return await asyncio.to_thread(work, cancel)
    except asyncio.CancelledError:
        cancel.set()
        raise
