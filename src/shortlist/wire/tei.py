"""text-embeddings-inference's POST /rerank: `texts` in, a bare array of scores out.

https://huggingface.github.io/text-embeddings-inference/
"""

from __future__ import annotations

from typing import Any

from shortlist.types import ScoreKind
from shortlist.wire.dialect import Dialect, Limits
from shortlist.wire.documents import read_strings
from shortlist.wire.errors import ErrorReply, Fault
from shortlist.wire.reading import At, said, truth_or_none
from shortlist.wire.results import read_results
from shortlist.wire.values import RerankRequest, RerankResponse, RerankResult, WireDocument, check_said

_NAME = "tei"
_FIELDS = frozenset({"return_documents", "raw_scores", "truncate", "truncation_side"})
_SIDES = ("left", "right")
_STATUS = {
    Fault.INVALID: (422, "Validation"),
    Fault.NOT_FOUND: (424, "Backend"),
    Fault.TOO_LARGE: (413, "Validation"),
    Fault.OVERLOADED: (429, "Overloaded"),
    Fault.INTERNAL: (424, "Backend"),
    Fault.UNAVAILABLE: (503, "Unhealthy"),
}


def encode_request(request: RerankRequest) -> dict[str, Any]:
    """Return the request's body."""
    check_said(request, dialect=_NAME, fields_of=_FIELDS)
    side = request.truncation_side
    return {"query": request.query, "texts": [document.text for document in request.documents]} | said(
        truncate=request.truncate,
        truncation_direction=side.capitalize() if side else None,
        raw_scores=request.raw_scores,
        return_text=request.return_documents,
    )


def decode_request(body: Any) -> RerankRequest:
    """Read a request's body."""
    at = At(body)
    return RerankRequest(
        at["query"].text(),
        read_strings(at["texts"]),
        return_documents=truth_or_none(at.get("return_text")),
        raw_scores=truth_or_none(at.get("raw_scores")),
        truncate=truth_or_none(at.get("truncate")),
        truncation_side=read_side(at.get("truncation_direction")),
    )


def encode_response(response: RerankResponse) -> list[dict[str, Any]]:
    """Return the response's body, with those texts that the response holds."""
    return [_result(result) for result in response.results]


def decode_response(body: Any, request: RerankRequest) -> RerankResponse:
    """Read the response to a request."""
    return RerankResponse(
        read_results(
            At(body),
            request,
            score="score",
            document=lambda item: None if (found := item.get("text")) is None else WireDocument(found.text()),
        )
    )


def encode_error(fault: Fault, message: str) -> ErrorReply:
    """Return status and body of an error; a wrong key gets no body."""
    if fault is Fault.UNAUTHENTICATED:
        return ErrorReply(401, None)
    status, kind = _STATUS[fault]
    return ErrorReply(status, {"error": message, "error_type": kind})


def read_side(at: At | None) -> str | None:
    """Return on which side a text is cut, "left" or "right", in either of the spellings; None where nobody said."""
    if at is None:
        return None
    side = at.text().lower()
    if side not in _SIDES:
        raise at.wrong("Left or Right")
    return side


def _result(result: RerankResult) -> dict[str, Any]:
    text = {} if result.document is None else {"text": result.document.text}
    return {"index": result.index, **text, "score": result.score}


DIALECT = Dialect(
    name=_NAME,
    paths=("/rerank",),
    limits=Limits(documents=32, document_characters=400_000, call_bytes=2_000_000),  # as the server starts by default
    fields=_FIELDS,
    score_kind=ScoreKind.UNCALIBRATED_SIGMOID,
    raw_score_kind=ScoreKind.LOGIT,
    encode_request=encode_request,
    decode_request=decode_request,
    encode_response=encode_response,
    decode_response=decode_response,
    encode_error=encode_error,
)
