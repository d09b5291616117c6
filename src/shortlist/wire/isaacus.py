"""Isaacus' POST /v1/rerankings: `texts` in, indexes with scores out; long texts are read in pieces, none is cut.

https://docs.isaacus.com/api-reference/rerankings/reranking
"""

from __future__ import annotations

from shortlist.types import ScoreKind
from shortlist.wire.errors import HTTP_STATUS, ErrorReply, Fault
from shortlist.wire.flat import Flat, whole


def encode_error(fault: Fault, message: str) -> ErrorReply:
    """Return status and body of an error (RFC 7807)."""
    status = HTTP_STATUS[fault]
    return ErrorReply(status, {"type": "about:blank", "title": fault.value, "status": status, "detail": message})


DIALECT = Flat(
    name="isaacus",
    documents="texts",
    options={"top_k": whole("top_n")},
    results="results",
    score="score",
    counts={"input_tokens": "total_tokens"},
    needs_model=True,
    about=lambda response: {},
).dialect(
    paths=("/v1/rerankings",),
    score_kind=ScoreKind.UNCALIBRATED_SIGMOID,
    encode_error=encode_error,
)
