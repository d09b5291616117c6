"""Mixedbread's POST /v1/reranking: `input` in, results under `data`, documents back when asked for.

https://www.mixedbread.com/api-reference/endpoints/reranking/rerank-documents
"""

from __future__ import annotations

from typing import Any

from shortlist.types import ScoreKind
from shortlist.wire.dialect import Limits
from shortlist.wire.documents import as_given
from shortlist.wire.errors import HTTP_STATUS, ErrorReply, Fault
from shortlist.wire.flat import Flat, truth, whole
from shortlist.wire.values import RerankResponse


def encode_error(fault: Fault, message: str) -> ErrorReply:
    """Return status and body of an error."""
    return ErrorReply(HTTP_STATUS[fault], {"message": message})


def _about(response: RerankResponse) -> dict[str, Any]:
    has_documents = any(result.document is not None for result in response.results)
    count = {"top_k": len(response.results), "return_input": has_documents}
    return {"object": "list", "model": response.model, **count}


DIALECT = Flat(
    name="mixedbread",
    documents="input",
    options={"top_k": whole("top_k"), "return_documents": truth("return_input")},
    results="data",
    score="score",
    document="input",
    counts={"prompt_tokens": "total_tokens", "total_tokens": "total_tokens"},
    write_document=as_given,
    write_back=as_given,
    about=_about,
).dialect(
    paths=("/v1/reranking",),
    limits=Limits(documents=1000, pair_tokens=8_000),  # of mxbai-rerank-large-v2
    score_kind=ScoreKind.UNKNOWN,  # its documentation gives them no range
    encode_error=encode_error,
)
