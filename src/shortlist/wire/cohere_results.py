"""The `results` in both versions of Cohere's response: indexes with scores, and documents where they were asked for."""

from __future__ import annotations

from typing import Any

from shortlist.wire.documents import as_object, read_document
from shortlist.wire.reading import At
from shortlist.wire.results import read_results
from shortlist.wire.values import RerankRequest, RerankResponse, RerankResult, WireDocument


def write_list(response: RerankResponse) -> list[dict[str, Any]]:
    """Return the list for a response, with those documents that the response holds, as objects."""
    return [_result(result) for result in response.results]


def read_list(body: At, request: RerankRequest) -> tuple[RerankResult, ...]:
    """Read the list, from the whole response to a request."""
    return read_results(body["results"], request, score="relevance_score", document=_sent_back)


def _result(result: RerankResult) -> dict[str, Any]:
    document = {} if result.document is None else {"document": as_object(result.document)}
    return document | {"index": result.index, "relevance_score": result.score}


def _sent_back(item: At) -> WireDocument | None:
    found = item.get("document")
    return None if found is None else read_document(found)
