"""Jina's POST /v1/rerank: strings or objects in, documents back unless declined.

https://jina.ai/reranker
"""

from __future__ import annotations

from typing import Any

from shortlist.types import ScoreKind
from shortlist.wire.about import text_said, tokens_said
from shortlist.wire.dialect import Dialect, Limits
from shortlist.wire.documents import as_given, as_object, read_document, read_strings_or_objects
from shortlist.wire.errors import HTTP_STATUS, ErrorReply, Fault
from shortlist.wire.reading import At, said, text_or, truth_or_none, whole_or_none
from shortlist.wire.results import read_results
from shortlist.wire.values import RerankRequest, RerankResponse, RerankResult, check_said

_NAME = "jina"
_FIELDS = frozenset({"model", "top_k", "return_documents", "max_document_tokens"})
_STATUS = {**HTTP_STATUS, Fault.INVALID: 422}


def encode_request(request: RerankRequest) -> dict[str, Any]:
    """Return the request's body."""
    check_said(request, dialect=_NAME, fields_of=_FIELDS)
    return said(
        model=request.model,
        top_n=request.top_k,
        return_documents=request.return_documents,
        max_doc_length=request.max_document_tokens,
    ) | {"query": request.query, "documents": [as_given(document) for document in request.documents]}


def decode_request(body: Any) -> RerankRequest:
    """Read a request's body."""
    at = At(body)
    return RerankRequest(
        at["query"].text(),
        read_strings_or_objects(at["documents"]),
        model=text_or(at.get("model")),
        top_k=whole_or_none(at.get("top_n"), least=1),
        return_documents=truth_or_none(at.get("return_documents")),
        max_document_tokens=whole_or_none(at.get("max_doc_length"), least=1),
    )


def encode_response(response: RerankResponse) -> dict[str, Any]:
    """Return the response's body, with those documents that the response holds, as objects."""
    tokens = response.usage.total_tokens
    usage = {} if tokens is None else {"usage": {"total_tokens": tokens, "prompt_tokens": tokens}}
    return {
        "model": response.model,
        "object": "list",
        **usage,
        "results": [_result(result) for result in response.results],
    }


def decode_response(body: Any, request: RerankRequest) -> RerankResponse:
    """Read the response to a request."""
    at = At(body)
    return RerankResponse(
        read_results(
            at["results"],
            request,
            score="relevance_score",
            document=lambda item: None if (found := item.get("document")) is None else read_document(found),
        ),
        model=text_said(at, "model"),
        usage=tokens_said(at),
    )


def encode_error(fault: Fault, message: str) -> ErrorReply:
    """Return status and body of an error."""
    return ErrorReply(_STATUS[fault], {"detail": message})


def _result(result: RerankResult) -> dict[str, Any]:
    document = {} if result.document is None else {"document": as_object(result.document)}
    return {"index": result.index, **document, "relevance_score": result.score}


DIALECT = Dialect(
    name=_NAME,
    paths=("/v1/rerank",),
    limits=Limits(),
    fields=_FIELDS,
    score_kind=ScoreKind.UNCALIBRATED_SIGMOID,
    raw_score_kind=None,
    refuses_unknown=False,
    returns_documents=True,
    encode_request=encode_request,
    decode_request=decode_request,
    encode_response=encode_response,
    decode_response=decode_response,
    encode_error=encode_error,
)
