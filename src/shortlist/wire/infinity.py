"""Infinity's POST /rerank: Cohere's fields, documents back as strings, `raw_scores`.

https://github.com/michaelfeil/infinity
"""

from __future__ import annotations

from typing import Any

from shortlist.types import ScoreKind
from shortlist.wire.about import count_said, text_said, tokens_said, write_tokens
from shortlist.wire.dialect import Dialect, Limits
from shortlist.wire.documents import read_strings
from shortlist.wire.errors import HTTP_STATUS, ErrorReply, Fault
from shortlist.wire.reading import At, said, text_or, truth_or_none, whole_or_none
from shortlist.wire.results import read_results
from shortlist.wire.values import RerankRequest, RerankResponse, RerankResult, WireDocument, check_said

_NAME = "infinity"
_FIELDS = frozenset({"model", "top_k", "return_documents", "raw_scores"})
_STATUS = {**HTTP_STATUS, Fault.INVALID: 422, Fault.NOT_FOUND: 400, Fault.TOO_LARGE: 422}


def encode_request(request: RerankRequest) -> dict[str, Any]:
    """Return the request's body."""
    check_said(request, dialect=_NAME, fields_of=_FIELDS)
    return {"query": request.query, "documents": [document.text for document in request.documents]} | said(
        return_documents=request.return_documents,
        raw_scores=request.raw_scores,
        model=request.model,
        top_n=request.top_k,
    )


def decode_request(body: Any) -> RerankRequest:
    """Read a request's body."""
    at = At(body)
    return RerankRequest(
        at["query"].text(),
        read_strings(at["documents"]),
        model=text_or(at.get("model")),
        top_k=whole_or_none(at.get("top_n"), least=1),
        return_documents=truth_or_none(at.get("return_documents")),
        raw_scores=truth_or_none(at.get("raw_scores")),
    )


def encode_response(response: RerankResponse) -> dict[str, Any]:
    """Return the response's body; `document` is null where the response holds none."""
    return {
        "object": "rerank",
        "results": [_result(result) for result in response.results],
        "model": response.model,
        **write_tokens(response.usage),
        "id": response.response_id,
        **said(created=response.created),
    }


def decode_response(body: Any, request: RerankRequest) -> RerankResponse:
    """Read the response to a request."""
    at = At(body)
    return RerankResponse(
        read_results(
            at["results"],
            request,
            score="relevance_score",
            document=lambda item: None if (found := item.get("document")) is None else WireDocument(found.text()),
        ),
        model=text_said(at, "model"),
        response_id=text_said(at, "id"),
        created=count_said(at, "created"),
        usage=tokens_said(at),
    )


def encode_error(fault: Fault, message: str) -> ErrorReply:
    """Return status and body of an error."""
    status = _STATUS[fault]
    return ErrorReply(status, {"error": {"message": message, "type": None, "param": None, "code": status}})


def _result(result: RerankResult) -> dict[str, Any]:
    text = None if result.document is None else result.document.text
    return {"relevance_score": result.score, "index": result.index, "document": text}


DIALECT = Dialect(
    name=_NAME,
    paths=("/rerank",),
    limits=Limits(documents=2048, document_characters=122_880),
    fields=_FIELDS,
    score_kind=ScoreKind.UNCALIBRATED_SIGMOID,
    raw_score_kind=ScoreKind.LOGIT,
    encode_request=encode_request,
    decode_request=decode_request,
    encode_response=encode_response,
    decode_response=decode_response,
    encode_error=encode_error,
)
