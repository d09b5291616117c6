"""vLLM's POST /rerank: a blend of Jina and Cohere; documents always come back, unknown fields are ignored.

https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html
"""

from __future__ import annotations

from typing import Any

from shortlist.types import ScoreKind
from shortlist.wire.about import text_said, tokens_said, write_tokens
from shortlist.wire.dialect import Dialect
from shortlist.wire.documents import as_given, read_strings_or_objects
from shortlist.wire.reading import At, said, whole_or_none
from shortlist.wire.results import read_results
from shortlist.wire.values import RerankRequest, RerankResponse, RerankResult, WireDocument, check_said
from shortlist.wire.vllm_pooling import FIELDS, encode_error, read_pooling, write_pooling

_NAME = "vllm"
_FIELDS = FIELDS | {"top_k"}


def encode_request(request: RerankRequest) -> dict[str, Any]:
    """Return the request's body."""
    check_said(request, dialect=_NAME, fields_of=_FIELDS)
    documents = [as_given(document) for document in request.documents]
    return write_pooling(request) | said(top_n=request.top_k) | {"query": request.query, "documents": documents}


def decode_request(body: Any) -> RerankRequest:
    """Read a request's body; `top_n` 0 asks for all."""
    at = At(body)
    return RerankRequest(
        at["query"].text(),
        read_strings_or_objects(at["documents"]),
        top_k=whole_or_none(at.get("top_n")) or None,
        **read_pooling(at),
    )


def encode_response(response: RerankResponse) -> dict[str, Any]:
    """Return the response's body, with those documents that the response holds."""
    results = [_result(result) for result in response.results]
    about = {"id": response.response_id, "model": response.model, **write_tokens(response.usage)}
    return {**about, "results": results}


def decode_response(body: Any, request: RerankRequest) -> RerankResponse:
    """Read the response to a request."""
    at = At(body)
    return RerankResponse(
        read_results(at["results"], request, score="relevance_score", document=_document),
        model=text_said(at, "model"),
        response_id=text_said(at, "id"),
        usage=tokens_said(at),
    )


def _document(item: At) -> WireDocument | None:
    """Read the echo that nobody asked for, and that may have no text."""
    found = item.get("document")
    if found is None:
        return None
    text = found.value.get("text") if found.is_object() else found.value
    return WireDocument(text) if isinstance(text, str) else None


def _result(result: RerankResult) -> dict[str, Any]:
    text = None if result.document is None else result.document.text
    document = {} if text is None else {"document": {"text": text, "multi_modal": None}}
    return {"index": result.index, **document, "relevance_score": result.score}


DIALECT = Dialect(
    name=_NAME,
    paths=("/v1/rerank", "/rerank", "/v2/rerank"),
    fields=_FIELDS,
    score_kind=ScoreKind.UNCALIBRATED_SIGMOID,
    raw_score_kind=ScoreKind.LOGIT,
    returns_documents=True,
    encode_request=encode_request,
    decode_request=decode_request,
    encode_response=encode_response,
    decode_response=decode_response,
    encode_error=encode_error,
)
