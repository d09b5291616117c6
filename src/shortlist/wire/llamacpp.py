"""llama-server's POST /v1/rerank: Jina's fields without documents back; scores are the model's own.

https://github.com/ggml-org/llama.cpp/tree/master/tools/server (`format_response_rerank`)
"""

from __future__ import annotations

from shortlist.types import ScoreKind
from shortlist.wire.errors import ErrorReply, Fault
from shortlist.wire.flat import Flat, whole

_STATUS = {
    Fault.INVALID: (400, "invalid_request_error"),
    Fault.UNAUTHENTICATED: (401, "authentication_error"),
    Fault.NOT_FOUND: (404, "not_found_error"),
    Fault.TOO_LARGE: (400, "exceed_context_size_error"),
    Fault.OVERLOADED: (503, "unavailable_error"),
    Fault.INTERNAL: (500, "server_error"),
    Fault.UNAVAILABLE: (503, "unavailable_error"),
}


def encode_error(fault: Fault, message: str) -> ErrorReply:
    """Return status and body of an error."""
    status, kind = _STATUS[fault]
    return ErrorReply(status, {"error": {"code": status, "message": message, "type": kind}})


DIALECT = Flat(
    name="llamacpp",
    documents="documents",
    options={"top_k": whole("top_n")},
    results="results",
    score="relevance_score",
    counts={"prompt_tokens": "total_tokens", "total_tokens": "total_tokens"},
    about=lambda response: {"model": response.model, "object": "list"},
).dialect(
    paths=("/v1/rerank", "/rerank", "/v1/reranking", "/reranking"),
    score_kind=ScoreKind.UNKNOWN,  # logits of a classifier, probabilities of Qwen3: the server does not say
    encode_error=encode_error,
)
