"""A reranker of any kind, awaited."""

from __future__ import annotations

import asyncio

from shortlist.protocols import AsyncReranker, Reranker
from shortlist.types import Ranking


async def arerank(reranker: Reranker, candidates: Ranking, *, top_k: int | None) -> Ranking:
    """Await a reranker; one that cannot be awaited runs in another thread."""
    if isinstance(reranker, AsyncReranker):
        return await reranker.arerank(candidates, top_k=top_k)
    return await asyncio.to_thread(reranker.rerank, candidates, top_k=top_k)
