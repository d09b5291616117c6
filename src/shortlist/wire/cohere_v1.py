"""Cohere's POST /v1/rerank: strings or objects in, documents back when asked for.

https://docs.cohere.com/v1/reference/rerank
"""

from __future__ import annotations

from typing import Any

from shortlist.types import ScoreKind
from shortlist.wire.about import text_said
from shortlist.wire.cohere_meta import read_usage, read_warnings, write_meta
from shortlist.wire.cohere_results import read_list, write_list
from shortlist.wire.dialect import Dialect, Limits
from shortlist.wire.documents import as_given, read_strings_or_objects
from shortlist.wire.errors import HTTP_STATUS, ErrorReply, Fault
from shortlist.wire.reading import At, said, text_or, truth_or_none, whole_or_none
from shortlist.wire.values import RerankRequest, RerankResponse, check_said

_NAME = "cohere-v1"
_FIELDS = frozenset({"model", "top_k", "return_documents", "rank_fields"})


def encode_request(request: RerankRequest) -> dict[str, Any]:
    """Return the request's body."""
    check_said(request, dialect=_NAME, fields_of=_FIELDS)
    return said(
        model=request.model,
        top_n=request.top_k,
        return_documents=request.return_documents,
        rank_fields=list(request.rank_fields),
    ) | {"query": request.query, "documents": [as_given(document) for document in request.documents]}


def decode_request(body: Any) -> RerankRequest:
    """Read a request's body; objects need `text`, or each of the `rank_fields`."""
    at = At(body)
    named = at.get("rank_fields")
    rank_fields = () if named is None else tuple(item.text() for item in named.items())
    return RerankRequest(
        at["query"].text(),
        read_strings_or_objects(at["documents"], rank_fields=rank_fields),
        model=text_or(at.get("model")),
        top_k=whole_or_none(at.get("top_n"), least=1),
        return_documents=truth_or_none(at.get("return_documents")),
        rank_fields=rank_fields,
    )


def encode_response(response: RerankResponse) -> dict[str, Any]:
    """Return the response's body, with those documents that the response holds, as objects."""
    meta = write_meta(response, {"version": "1"})
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
    return ErrorReply(HTTP_STATUS[fault], {"message": message})


DIALECT = Dialect(
    name=_NAME,
    paths=("/v1/rerank",),
    limits=Limits(documents=999, query_tokens=2048),  # documents times chunks (10 each) must stay below 10,000
    fields=_FIELDS,
    score_kind=ScoreKind.UNCALIBRATED_SIGMOID,
    encode_request=encode_request,
    decode_request=decode_request,
    encode_response=encode_response,
    decode_response=decode_response,
    encode_error=encode_error,
)
