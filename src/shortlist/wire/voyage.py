"""Voyage's POST /v1/rerank: `top_k`, results under `data`, documents back as strings.

https://docs.voyageai.com/reference/reranker-api
"""

from __future__ import annotations

from shortlist.types import ScoreKind
from shortlist.wire.dialect import Limits
from shortlist.wire.errors import HTTP_STATUS, ErrorReply, Fault
from shortlist.wire.flat import Flat, truth, whole

_STATUS = {**HTTP_STATUS, Fault.TOO_LARGE: 400}


def encode_error(fault: Fault, message: str) -> ErrorReply:
    """Return status and body of an error."""
    return ErrorReply(_STATUS[fault], {"detail": message})


DIALECT = Flat(
    name="voyage",
    documents="documents",
    options={
        "top_k": whole("top_k"),
        "return_documents": truth("return_documents"),
        "truncate": truth("truncation"),
    },
    results="data",
    score="relevance_score",
    document="document",
    counts={"total_tokens": "total_tokens"},
    needs_model=True,
    about=lambda response: {"object": "list", "model": response.model},
).dialect(
    paths=("/v1/rerank",),
    limits=Limits(documents=1000, query_tokens=8_000, pair_tokens=32_000, call_tokens=600_000),  # of rerank-2.5
    score_kind=ScoreKind.UNCALIBRATED_SIGMOID,
    encode_error=encode_error,
)
