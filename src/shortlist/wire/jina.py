"""Jina's POST /v1/rerank: strings or objects in, documents back unless declined.

https://jina.ai/reranker
"""

from __future__ import annotations

from shortlist.types import ScoreKind
from shortlist.wire.documents import as_given, as_object, read_strings_or_objects
from shortlist.wire.errors import HTTP_STATUS, ErrorReply, Fault
from shortlist.wire.flat import Flat, truth, whole

_STATUS = {**HTTP_STATUS, Fault.INVALID: 422}


def encode_error(fault: Fault, message: str) -> ErrorReply:
    """Return status and body of an error."""
    return ErrorReply(_STATUS[fault], {"detail": message})


DIALECT = Flat(
    name="jina",
    documents="documents",
    options={
        "top_k": whole("top_n"),
        "return_documents": truth("return_documents"),
        "max_document_tokens": whole("max_doc_length"),
    },
    results="results",
    score="relevance_score",
    document="document",
    counts={"prompt_tokens": "total_tokens", "total_tokens": "total_tokens"},
    read_documents=read_strings_or_objects,
    write_document=as_given,
    write_back=as_object,
    about=lambda response: {"model": response.model, "object": "list"},
).dialect(
    paths=("/v1/rerank",),
    score_kind=ScoreKind.UNCALIBRATED_SIGMOID,
    returns_documents=True,
    encode_error=encode_error,
)
