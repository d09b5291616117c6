"""Voyage's POST /v1/rerank: `top_k`, results under `data`, documents back as strings.

https://docs.voyageai.com/reference/reranker-api
"""

from __future__ import annotations

from typing import Any

from shortlist.types import ScoreKind
from shortlist.wire.about import text_said, tokens_said
from shortlist.wire.dialect import Dialect, Limits
from shortlist.wire.documents import read_strings
from shortlist.wire.errors import HTTP_STATUS, ErrorReply, Fault
from shortlist.wire.reading import At, said, truth_or_none, whole_or_none
from shortlist.wire.results import read_results
from shortlist.wire.values import RerankRequest, RerankResponse, RerankResult, WireDocument, check_said

_NAME = "voyage"
_FIELDS = frozenset({"model", "top_k", "return_documents", "truncate"})
_STATUS = {**HTTP_STATUS, Fault.TOO_LARGE: 400}


def encode_request(request: RerankRequest) -> dict[str, Any]:
    """Return the request's body."""
    check_said(request, dialect=_NAME, fields_of=_FIELDS)
    return said(
        top_k=request.top_k,
        return_documents=request.return_documents,
        truncation=request.truncate,
    ) | {"model": request.model, "query": request.query, "documents": [document.text for document in request.documents]}


def decode_request(body: Any) -> RerankRequest:
    """Read a request's body; `model` is required."""
    at = At(body)
    return RerankRequest(
        at["query"].text(),
        read_strings(at["documents"]),
        model=at["model"].text(),
        top_k=whole_or_none(at.get("top_k"), least=1),
        return_documents=truth_or_none(at.get("return_documents")),
        truncate=truth_or_none(at.get("truncation")),
    )


def encode_response(response: RerankResponse) -> dict[str, Any]:
    """Return the response's body, with those documents that the response holds, as strings."""
    tokens = response.usage.total_tokens
    return {
        "object": "list",
        "data": [_result(result) for result in response.results],
        "model": response.model,
    } | said(usage=None if tokens is None else {"total_tokens": tokens})


def decode_response(body: Any, request: RerankRequest) -> RerankResponse:
    """Read the response to a request."""
    at = At(body)
    return RerankResponse(
        read_results(
            at["data"],
            request,
            score="relevance_score",
            document=lambda item: None if (found := item.get("document")) is None else WireDocument(found.text()),
        ),
        model=text_said(at, "model"),
        usage=tokens_said(at),
    )


def encode_error(fault: Fault, message: str) -> ErrorReply:
    """Return status and body of an error."""
    return ErrorReply(_STATUS[fault], {"detail": message})


def _result(result: RerankResult) -> dict[str, Any]:
    document = {} if result.document is None else {"document": result.document.text}
    return {"index": result.index, "relevance_score": result.score} | document


DIALECT = Dialect(
    name=_NAME,
    paths=("/v1/rerank",),
    limits=Limits(documents=1000, query_tokens=8_000, pair_tokens=32_000, call_tokens=600_000),  # of rerank-2.5
    fields=_FIELDS,
    score_kind=ScoreKind.UNCALIBRATED_SIGMOID,
    raw_score_kind=None,
    refuses_unknown=False,
    returns_documents=False,
    encode_request=encode_request,
    decode_request=decode_request,
    encode_response=encode_response,
    decode_response=decode_response,
    encode_error=encode_error,
)
