"""vLLM's POST /score: one query with N documents, scores in input order, no documents back.

https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html
"""

from __future__ import annotations

from typing import Any

from shortlist.types import ScoreKind
from shortlist.wire.about import count_said, text_said, tokens_said, write_tokens
from shortlist.wire.dialect import Dialect
from shortlist.wire.documents import read_strings
from shortlist.wire.reading import At, said
from shortlist.wire.results import read_results
from shortlist.wire.values import RerankRequest, RerankResponse, WireDocument, check_said
from shortlist.wire.vllm_pooling import FIELDS, encode_error, read_pooling, write_pooling

_NAME = "vllm-score"
_NAMES = (("text_1", "text_2"), ("data_1", "data_2"), ("queries", "documents"), ("queries", "items"))


def encode_request(request: RerankRequest) -> dict[str, Any]:
    """Return the request's body, with the field names that every release knows."""
    check_said(request, dialect=_NAME, fields_of=FIELDS)
    texts = [document.text for document in request.documents]
    return write_pooling(request) | {"text_1": request.query, "text_2": texts}


def decode_request(body: Any) -> RerankRequest:
    """Read a request's body: one query with one or more documents; N queries with N documents are refused."""
    at = At(body)
    for query, documents in _NAMES:
        if at.get(query) is not None and at.get(documents) is not None:
            return RerankRequest(_one_text(at[query]), _texts(at[documents]), **read_pooling(at))
    raise at.wrong(" or ".join(f"{query} with {documents}" for query, documents in _NAMES))


def encode_response(response: RerankResponse) -> dict[str, Any]:
    """Return the response's body, the results as they are ordered (servers keep the input's order)."""
    return {
        "id": response.response_id,
        "object": "list",
        **said(created=response.created),
        "model": response.model,
        "data": [{"index": result.index, "object": "score", "score": result.score} for result in response.results],
        **write_tokens(response.usage),
    }


def decode_response(body: Any, request: RerankRequest) -> RerankResponse:
    """Read the response to a request."""
    at = At(body)
    return RerankResponse(
        read_results(at["data"], request, score="score"),
        model=text_said(at, "model"),
        response_id=text_said(at, "id"),
        created=count_said(at, "created"),
        usage=tokens_said(at),
    )


def _one_text(at: At) -> str:
    if not isinstance(at.value, list):
        return at.text()
    texts = [item.text() for item in at.items()]
    if len(texts) != 1:
        raise at.wrong("one query")
    return texts[0]


def _texts(at: At) -> tuple[WireDocument, ...]:
    return (WireDocument(at.value),) if isinstance(at.value, str) else read_strings(at)


DIALECT = Dialect(
    name=_NAME,
    paths=("/v1/score", "/score"),
    fields=FIELDS,
    score_kind=ScoreKind.UNCALIBRATED_SIGMOID,
    raw_score_kind=ScoreKind.LOGIT,
    encode_request=encode_request,
    decode_request=decode_request,
    encode_response=encode_response,
    decode_response=decode_response,
    encode_error=encode_error,
)
