"""Pinecone's POST /rerank: objects in, results under `data`, a header of its own for the key, billed by the call.

https://docs.pinecone.io/reference/api/latest/inference/rerank
"""

from __future__ import annotations

from collections.abc import Mapping

from shortlist.types import ScoreKind
from shortlist.wire.dialect import Limits
from shortlist.wire.documents import as_object, read_strings_or_objects
from shortlist.wire.errors import HTTP_STATUS, ErrorReply, Fault
from shortlist.wire.flat import Flat, Option, truth, whole
from shortlist.wire.reading import At

_VERSION = "2026-07"  # as pinecone 10.2 sends; one without it is answered as the oldest version that is still kept up
_CODES = {
    Fault.INVALID: "INVALID_ARGUMENT",
    Fault.TOO_LARGE: "INVALID_ARGUMENT",
    Fault.OVERLOADED: "RESOURCE_EXHAUSTED",
}


def headers(key: str) -> Mapping[str, str]:
    """Return the headers that carry the key and the API's version."""
    return {"Api-Key": key, "X-Pinecone-Api-Version": _VERSION}


def encode_error(fault: Fault, message: str) -> ErrorReply:
    """Return status and body of an error."""
    status, code = HTTP_STATUS[fault], _CODES.get(fault, fault.name)
    return ErrorReply(status, {"error": {"code": code, "message": message}, "status": status})


def _read_parameters(at: At) -> bool | None:
    """Read whether a text that is too long is cut; the other parameters are those of single models."""
    cut = at.get("truncate")
    if cut is not None and cut.text() not in {"END", "NONE"}:
        raise cut.wrong("END or NONE")
    return None if cut is None else cut.value == "END"


DIALECT = Flat(
    name="pinecone",
    documents="documents",
    options={
        "top_k": whole("top_n"),
        "return_documents": truth("return_documents"),
        "truncate": Option("parameters", _read_parameters, lambda cut: {"truncate": "END" if cut else "NONE"}),
    },
    results="data",
    score="score",
    document="document",
    counts={"rerank_units": "search_units"},
    needs_model=True,
    read_documents=read_strings_or_objects,
    write_document=as_object,
    write_back=as_object,
).dialect(
    paths=("/rerank",),
    limits=Limits(documents=100),
    score_kind=ScoreKind.UNCALIBRATED_SIGMOID,
    returns_documents=True,
    encode_error=encode_error,
    headers=headers,
)
