"""llama-server's POST /v1/rerank: Jina's fields without documents back; scores are the model's own.

https://github.com/ggml-org/llama.cpp/tree/master/tools/server (`format_response_rerank`)
"""

from __future__ import annotations

from typing import Any

from shortlist.types import ScoreKind
from shortlist.wire.about import text_said, tokens_said
from shortlist.wire.dialect import Dialect, Limits
from shortlist.wire.documents import read_strings
from shortlist.wire.errors import ErrorReply, Fault
from shortlist.wire.reading import At, said, text_or, whole_or_none
from shortlist.wire.results import read_results
from shortlist.wire.values import RerankRequest, RerankResponse, check_said

_NAME = "llamacpp"
_FIELDS = frozenset({"model", "top_k"})
_STATUS = {
    Fault.INVALID: (400, "invalid_request_error"),
    Fault.UNAUTHENTICATED: (401, "authentication_error"),
    Fault.NOT_FOUND: (404, "not_found_error"),
    Fault.TOO_LARGE: (400, "exceed_context_size_error"),
    Fault.OVERLOADED: (503, "unavailable_error"),
    Fault.INTERNAL: (500, "server_error"),
    Fault.UNAVAILABLE: (503, "unavailable_error"),
}


def encode_request(request: RerankRequest) -> dict[str, Any]:
    """Return the request's body."""
    check_said(request, dialect=_NAME, fields_of=_FIELDS)
    return said(model=request.model, top_n=request.top_k) | {
        "query": request.query,
        "documents": [document.text for document in request.documents],
    }


def decode_request(body: Any) -> RerankRequest:
    """Read a request's body."""
    at = At(body)
    return RerankRequest(
        at["query"].text(),
        read_strings(at["documents"]),
        model=text_or(at.get("model")),
        top_k=whole_or_none(at.get("top_n"), least=1),
    )


def encode_response(response: RerankResponse) -> dict[str, Any]:
    """Return the response's body; documents are never sent back."""
    tokens = response.usage.total_tokens
    return {
        "model": response.model,
        "object": "list",
        **({} if tokens is None else {"usage": {"prompt_tokens": tokens, "total_tokens": tokens}}),
        "results": [{"index": result.index, "relevance_score": result.score} for result in response.results],
    }


def decode_response(body: Any, request: RerankRequest) -> RerankResponse:
    """Read the response to a request."""
    at = At(body)
    return RerankResponse(
        read_results(at["results"], request, score="relevance_score"),
        model=text_said(at, "model"),
        usage=tokens_said(at),
    )


def encode_error(fault: Fault, message: str) -> ErrorReply:
    """Return status and body of an error."""
    status, kind = _STATUS[fault]
    return ErrorReply(status, {"error": {"code": status, "message": message, "type": kind}})


DIALECT = Dialect(
    name=_NAME,
    paths=("/v1/rerank", "/rerank", "/v1/reranking", "/reranking"),
    limits=Limits(),
    fields=_FIELDS,
    score_kind=ScoreKind.UNKNOWN,  # logits of a classifier, probabilities of Qwen3: the server does not say
    raw_score_kind=None,
    refuses_unknown=False,
    returns_documents=False,
    encode_request=encode_request,
    decode_request=decode_request,
    encode_response=encode_response,
    decode_response=decode_response,
    encode_error=encode_error,
)
