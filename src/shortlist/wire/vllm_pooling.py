"""What vLLM's /rerank and /score share: truncation, activation, errors."""

from __future__ import annotations

from typing import Any

from shortlist.wire.errors import ErrorReply, Fault
from shortlist.wire.reading import At, said, text_or, truth_or_none, whole_or_none
from shortlist.wire.values import LEAST_URGENT, RerankRequest

FIELDS = frozenset(
    {"model", "raw_scores", "truncate", "truncation_side", "max_document_tokens", "max_pair_tokens", "priority"}
)
_MODEL_MAXIMUM = -1
_STATUS = {
    Fault.INVALID: (400, "BadRequestError"),
    Fault.UNAUTHENTICATED: (401, "AuthenticationError"),
    Fault.NOT_FOUND: (404, "NotFoundError"),
    Fault.TOO_LARGE: (400, "BadRequestError"),
    Fault.OVERLOADED: (429, "RateLimitError"),
    Fault.INTERNAL: (500, "InternalServerError"),
    Fault.UNAVAILABLE: (503, "ServiceUnavailableError"),
}


def write_pooling(request: RerankRequest) -> dict[str, Any]:
    """Return the shared fields. Without `truncate_prompt_tokens` a text that is too long is an error."""
    cut = request.max_pair_tokens or (_MODEL_MAXIMUM if request.truncate else None)
    return said(
        model=request.model,
        truncate_prompt_tokens=cut,
        truncation_side=request.truncation_side,
        use_activation=None if request.raw_scores is None else not request.raw_scores,
        max_tokens_per_doc=request.max_document_tokens,
        priority=request.priority,
    )


def read_pooling(at: At) -> dict[str, Any]:
    """Read the shared fields, as arguments of a RerankRequest."""
    cut = whole_or_none(at.get("truncate_prompt_tokens"), least=_MODEL_MAXIMUM)
    activated = truth_or_none(at.get("use_activation"))
    side = at.get("truncation_side")
    if side is not None and side.text() not in {"left", "right"}:
        raise side.wrong("left or right")
    return {
        "model": text_or(at.get("model")),
        "raw_scores": None if activated is None else not activated,
        "truncate": None if cut is None else True,
        "truncation_side": None if side is None else side.text(),
        "max_document_tokens": whole_or_none(at.get("max_tokens_per_doc")) or None,
        "max_pair_tokens": cut if cut is not None and cut > 0 else None,
        "priority": whole_or_none(at.get("priority"), most=LEAST_URGENT),
    }


def encode_error(fault: Fault, message: str) -> ErrorReply:
    """Return status and body of an error."""
    status, kind = _STATUS[fault]
    return ErrorReply(status, {"error": {"message": message, "type": kind, "param": None, "code": status}})
