"""Qdrant: points that a query brought, reranked by the text in their payload (qdrant-client 1).

from shortlist.integrations.qdrant import rerank_points
points = client.query_points("docs", query=vector, limit=100, with_payload=True).points
best = rerank_points(reranker, "how tall?", points, text="text", top_k=5)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from shortlist.errors import InputError
from shortlist.integrations.rows import Rows, areranked, reranked
from shortlist.protocols import Reranker


def rerank_points(
    reranker: Reranker, query: str, points: Sequence[Any], *, text: str = "text", top_k: int | None = None
) -> list[Any]:
    """Return copies of the points, best first, with the reranker's score; ids, payloads and versions stay.

    Raises InputError, naming the point, when its payload has no string at the key `text`.
    """
    return _kept(points, reranked(reranker, query, _texts(points, text), top_k=top_k))


async def arerank_points(
    reranker: Reranker, query: str, points: Sequence[Any], *, text: str = "text", top_k: int | None = None
) -> list[Any]:
    """Return what `rerank_points` does, without blocking the event loop: for AsyncQdrantClient."""
    return _kept(points, await areranked(reranker, query, _texts(points, text), top_k=top_k))


def _texts(points: Sequence[Any], key: str) -> list[str]:
    texts = []
    for point in points:
        text = (point.payload or {}).get(key)
        if not isinstance(text, str):
            known = sorted(point.payload or {})
            raise InputError(
                f"point {point.id} has no text at {key!r} of its payload, which has {known}; query with_payload=True"
            )
        texts.append(text)
    return texts


def _kept(points: Sequence[Any], rows: Rows) -> list[Any]:
    return [points[row].model_copy(update={"score": score}) for row, score in rows]
