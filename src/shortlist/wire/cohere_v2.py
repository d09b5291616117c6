"""Cohere's POST /v2/rerank: strings in, indexes with scores out, unknown fields refused.

https://docs.cohere.com/reference/rerank, and `return_documents`, which it does not name and LiteLLM says in every call.
"""

from __future__ import annotations

from typing import Any

from shortlist.types import ScoreKind
from shortlist.wire.about import text_said
from shortlist.wire.cohere_meta import read_usage, read_warnings, write_meta
from shortlist.wire.cohere_results import read_list, write_list
from shortlist.wire.dialect import Dialect, Limits
from shortlist.wire.documents import read_strings
from shortlist.wire.errors import HTTP_STATUS, ErrorReply, Fault
from shortlist.wire.reading import At, said, truth_or_none, whole_or_none
from shortlist.wire.values import LEAST_URGENT, RerankRequest, RerankResponse, check_said

_NAME = "cohere-v2"
_FIELDS = frozenset({"model", "top_k", "return_documents", "max_document_tokens", "priority"})
_KNOWN = ("model", "query", "documents", "top_n", "return_documents", "max_tokens_per_doc", "priority")
_STATUS = {**HTTP_STATUS, Fault.INVALID: 422}


def encode_request(request: RerankRequest) -> dict[str, Any]:
    """Return the request's body."""
    check_said(request, dialect=_NAME, fields_of=_FIELDS)
    return said(
        top_n=request.top_k,
        return_documents=request.return_documents,
        max_tokens_per_doc=request.max_document_tokens,
        priority=request.priority,
    ) | {"model": request.model, "query": request.query, "documents": [document.text for document in request.documents]}


def decode_request(body: Any) -> RerankRequest:
    """Read a request's body; `model` is required."""
    at = At(body).only(_KNOWN)
    return RerankRequest(
        at["query"].text(),
        read_strings(at["documents"]),
        model=at["model"].text(),
        top_k=whole_or_none(at.get("top_n"), least=1),
        return_documents=truth_or_none(at.get("return_documents")),
        max_document_tokens=whole_or_none(at.get("max_tokens_per_doc"), least=1),
        priority=whole_or_none(at.get("priority"), most=LEAST_URGENT),
    )


def encode_response(response: RerankResponse) -> dict[str, Any]:
    """Return the response's body, with those documents that the response holds."""
    meta = write_meta(response, {"version": "2", "is_experimental": False})
    return {"id": response.response_id, "results": write_list(response), "meta": meta}


def decode_response(body: Any, request: RerankRequest) -> RerankResponse:
    """Read the response to a request."""
    at = At(body)
    return RerankResponse(
        read_list(at, request),
        response_id=text_said(at, "id"),
        usage=read_usage(at),
        warnings=read_warnings(at),
    )


def encode_error(fault: Fault, message: str) -> ErrorReply:
    """Return status and body of an error."""
    return ErrorReply(_STATUS[fault], {"id": "", "message": message})


DIALECT = Dialect(
    name=_NAME,
    paths=("/v2/rerank",),
    limits=Limits(documents=1000, query_tokens=2048, pair_tokens=4096),  # recommended; above 10,000 it refuses
    fields=_FIELDS,
    score_kind=ScoreKind.UNCALIBRATED_SIGMOID,
    encode_request=encode_request,
    decode_request=decode_request,
    encode_response=encode_response,
    decode_response=decode_response,
    encode_error=encode_error,
)
