"""The list of results, checked against the request it answers."""

from __future__ import annotations

from collections.abc import Callable

from shortlist.errors import WireError
from shortlist.wire.reading import At
from shortlist.wire.values import RerankRequest, RerankResult, WireDocument


def read_results(
    results: At,
    request: RerankRequest,
    *,
    score: str,
    document: Callable[[At], WireDocument | None] = lambda item: None,
) -> tuple[RerankResult, ...]:
    """Read results whose score is named `score` and whose document is found by `document`.

    Raises WireError when an index is out of range or there twice, a score is no finite
    number, or there are not as many results as the request asks for.
    """
    found: dict[int, RerankResult] = {}
    for item in results.items():
        index = item["index"]
        place = index.whole()
        if place >= len(request.documents):
            raise index.wrong(f"an index below {len(request.documents)}, the number of documents")
        if place in found:
            raise index.wrong("an index that was not there before")
        found[place] = RerankResult(place, item[score].number(), document(item))
    if len(found) != request.expected:
        raise WireError(
            f"{results.path}: expected {request.expected} results for {len(request.documents)} documents,"
            f" got {len(found)}"
        )
    return tuple(found.values())
