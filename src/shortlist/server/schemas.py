"""JSON schemas of the requests and responses, for the OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shortlist.types import ScoreKind
from shortlist.wire.own import MOST_EXPLAINED
from shortlist.wire.reading import LARGEST
from shortlist.wire.values import LEAST_URGENT

Schema = dict[str, Any]


def _object(required: Mapping[str, Schema], optional: Mapping[str, Schema], *, is_closed: bool = False) -> Schema:
    nullable = {name: {"anyOf": [schema, {"type": "null"}]} for name, schema in optional.items()}
    made: Schema = {"type": "object", "properties": {**required, **nullable}, "required": list(required)}
    return {**made, "additionalProperties": False} if is_closed else made


_TEXT: Schema = {"type": "string"}
_ID: Schema = {"type": ["string", "integer"]}
_QUERY: Schema = {"type": "string", "minLength": 1, "pattern": r"\S"}
_TRUTH: Schema = {"type": "boolean"}
_NUMBER: Schema = {"type": "number", "minimum": -LARGEST, "maximum": LARGEST}
_SIDE: Schema = {"enum": ["Left", "Right", "left", "right"]}
_SHARE: Schema = {"type": "number", "minimum": 0, "maximum": 1}
_BUDGET: Schema = {"type": "number", "exclusiveMinimum": 0, "maximum": LARGEST}
_FROM_0: Schema = {"type": "integer", "minimum": 0}
_FROM_1: Schema = {"type": "integer", "minimum": 1}
_PRIORITY: Schema = {"type": "integer", "minimum": 0, "maximum": LEAST_URGENT}
_ANYTHING: Schema = {"type": "object", "additionalProperties": True}
_TEXTS: Schema = {"type": "array", "items": _TEXT, "minItems": 1}
_WITH_TEXT = _object({"text": _TEXT}, {})
_MIXED: Schema = {"type": "array", "items": {"anyOf": [_TEXT, _WITH_TEXT]}, "minItems": 1}
_POOLING: Mapping[str, Schema] = {
    "model": _TEXT,
    "truncate_prompt_tokens": {"type": "integer", "minimum": -1},
    "truncation_side": {"enum": ["left", "right"]},
    "use_activation": _TRUTH,
    "max_tokens_per_doc": _FROM_0,
    "priority": _PRIORITY,
}

REQUESTS: Mapping[str, Schema] = {
    "cohere-v1": _object(
        {"query": _QUERY, "documents": _MIXED}, {"model": _TEXT, "top_n": _FROM_1, "return_documents": _TRUTH}
    ),
    "cohere-v2": _object(
        {"model": _TEXT, "query": _QUERY, "documents": _TEXTS},
        {"top_n": _FROM_1, "return_documents": _TRUTH, "max_tokens_per_doc": _FROM_1, "priority": _PRIORITY},
        is_closed=True,
    ),
    "jina": _object(
        {"query": _QUERY, "documents": _MIXED},
        {"model": _TEXT, "top_n": _FROM_1, "return_documents": _TRUTH, "max_doc_length": _FROM_1},
    ),
    "voyage": _object(
        {"model": _TEXT, "query": _QUERY, "documents": _TEXTS},
        {"top_k": _FROM_1, "return_documents": _TRUTH, "truncation": _TRUTH},
    ),
    "tei": _object(
        {"query": _QUERY, "texts": _TEXTS},
        {"truncate": _TRUTH, "truncation_direction": _SIDE} | {"raw_scores": _TRUTH, "return_text": _TRUTH},
    ),
    "vllm": _object({"query": _QUERY, "documents": _MIXED}, {**_POOLING, "top_n": _FROM_0}),
    "vllm-score": _object({"text_1": _QUERY, "text_2": {"anyOf": [_TEXT, _TEXTS]}}, _POOLING),
    "infinity": _object(
        {"query": _QUERY, "documents": _TEXTS},
        {"model": _TEXT, "top_n": _FROM_1, "return_documents": _TRUTH, "raw_scores": _TRUTH},
    ),
    "llamacpp": _object({"query": _QUERY, "documents": _TEXTS}, {"model": _TEXT, "top_n": _FROM_1}),
}

_PAIR: Schema = {"type": "array", "prefixItems": [_QUERY, _TEXT], "items": _TEXT, "minItems": 2, "maxItems": 2}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


_SCORED = _object({"index": _FROM_0, "relevance_score": _NUMBER}, {})
_SCORED_SHORT = _object({"index": _FROM_0, "score": _NUMBER}, {})
_RESULTS = _object({"results": _list(_SCORED)}, {})

RESPONSES: Mapping[str, Schema] = {
    "cohere-v1": _RESULTS,
    "cohere-v2": _RESULTS,
    "jina": _RESULTS,
    "voyage": _object({"data": _list(_SCORED), "model": _TEXT}, {}),
    "tei": _list(_SCORED_SHORT),
    "vllm": _RESULTS,
    "vllm-score": _object({"data": _list(_SCORED_SHORT), "model": _TEXT}, {}),
    "infinity": _RESULTS,
    "llamacpp": _RESULTS,
}

_OWN_DOCUMENT = _object(
    {"text": _TEXT},
    {"id": _ID, "title": _TEXT, "metadata": _ANYTHING},
    is_closed=True,
)
_OWN_DOCUMENTS: Schema = {"type": "array", "items": {"anyOf": [_TEXT, _OWN_DOCUMENT]}, "minItems": 1}
_OWN_OPTIONS: Mapping[str, Schema] = {
    "model": _TEXT,
    "top_k": _FROM_1,
    "budget_ms": _BUDGET,
    "min_score": _NUMBER,
    "score_kind": {"enum": [kind.value for kind in ScoreKind]},
    "return_documents": _TRUTH,
    "explain": {"type": "integer", "minimum": 0, "maximum": MOST_EXPLAINED},
    "truncate": _TRUTH,
    "max_document_tokens": _FROM_1,
    "priority": _PRIORITY,
    "stream": {"const": False},  # with true the answer is a stream of events
}


def _own_request(documents: Schema) -> Schema:
    return _object({"query": _QUERY, "documents": documents}, _OWN_OPTIONS, is_closed=True)


_OWN_RESULT = _object(
    {"rank": _FROM_1, "index": _FROM_0, "id": _TEXT, "score": {"anyOf": [_NUMBER, {"type": "null"}]}},
    {"metadata": _ANYTHING},
)
_RANKED = {"score_kind": _TEXT, "partial": _TRUTH, "unscored": _FROM_0}
_OWN_RERANKED = _object({"results": _list(_OWN_RESULT), **_RANKED}, {})
_OWN_RANKING = _object({"results": _list({"type": "object"}), **_RANKED}, {})

OWN_BODIES: Mapping[str, tuple[Schema, Schema]] = {
    "rerank": (_own_request(_OWN_DOCUMENTS), _OWN_RERANKED),
    "explain": (
        _own_request({**_OWN_DOCUMENTS, "maxItems": 1}),
        _object({"method": _TEXT, "parts": _list({"type": "object"})}, {}),
    ),
    "search": (
        _object(
            {"query": _QUERY},
            {"top_k": _FROM_1, "depth": _FROM_1, "model": _TEXT, "rerank": _TRUTH, "where": {"type": "object"}}
            | {"first_stage": {"enum": ["hybrid", "weighted", "bm25", "dense"]}}
            | {"first_stage_weight": _SHARE, "diversity": _SHARE}
            | {"budget_ms": _BUDGET},
            is_closed=True,
        ),
        _OWN_RANKING,
    ),
    "plan": (
        _object(
            {"budget_ms": _BUDGET},
            {"candidates": _FROM_1, "tokens": _FROM_1, "query_tokens": _FROM_1},
            is_closed=True,
        ),
        _object({"chosen": {"type": "object"}}, {}),
    ),
}
_LABELS = _list(_object({"score": _NUMBER, "label": _TEXT}, {}))
PREDICTED: tuple[Schema, Schema] = (
    _object(
        {"inputs": {"anyOf": [_PAIR, {**_list(_PAIR), "minItems": 1}]}},
        {"truncate": _TRUTH, "truncation_direction": _SIDE, "raw_scores": _TRUTH},
    ),
    {"anyOf": [_LABELS, _list(_LABELS)]},
)

_COUNT = _object({"documents": _FROM_0}, {})
_INDEXED = _object(
    {"id": {**_ID, "minLength": 1}, "text": _TEXT},
    {"title": _TEXT, "metadata": {"type": "object"}},
    is_closed=True,
)
INDEX: Schema = _object({"writable": _TRUTH}, {"documents": _FROM_0, "encoder": _TEXT})
INDEX_CHANGES: Mapping[str, tuple[Schema, Schema]] = {
    "post": (_object({"documents": _list(_INDEXED)}, {}, is_closed=True), _COUNT),
    "delete": (_object({"ids": _list(_ID)}, {}, is_closed=True), _COUNT),
}
