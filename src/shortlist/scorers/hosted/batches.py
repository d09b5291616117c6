"""What is sent of the documents, and in which calls: pure functions of texts and limits."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from shortlist.wire import Limits

_BYTES_A_TOKEN = 3  # English has 4 to 5, Chinese and Japanese 3: rather too many tokens estimated than too few
_BYTES_AROUND = 500  # the other members of a request


def sendable(text: str, limits: Limits) -> str:
    """Return what can be sent of a text: lone surrogates become U+FFFD, and what is too long is cut."""
    clean = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return clean[: limits.document_characters]


def estimated_tokens(text: str) -> int:
    """Return about how many tokens a text has, rather too many."""
    return -(-len(text.encode("utf-8")) // _BYTES_A_TOKEN)


def batches(query: str, texts: Mapping[int, str], limits: Limits) -> Iterator[list[int]]:
    """Split documents (place to text) into calls that keep the limits, in their order.

    A document that alone is above a limit has a call of its own.
    """
    asked, overhead = estimated_tokens(query), _written(query) + _BYTES_AROUND
    batch: list[int] = []
    tokens, size = 0, overhead
    for place, text in texts.items():
        more = min(asked + estimated_tokens(text), limits.pair_tokens or 1 << 62)
        bytes_more = _written(text)
        is_full = (
            len(batch) >= (limits.documents or 1 << 62)
            or tokens + more > (limits.call_tokens or 1 << 62)
            or size + bytes_more > (limits.call_bytes or 1 << 62)
        )
        if batch and is_full:
            yield batch
            batch, tokens, size = [], 0, overhead
        batch.append(place)
        tokens, size = tokens + more, size + bytes_more
    if batch:
        yield batch


def _written(text: str) -> int:
    """Return how many bytes a text takes in a body's JSON, with its escapes and the comma behind it."""
    return len(json.dumps(text, ensure_ascii=False).encode("utf-8")) + 1
