"""Which dialect a request is of: by its path, and where several share it, by its fields.

| path | fields | dialect |
|---|---|---|
| `/v1/rerank` | `top_k` or `truncation` | voyage |
| | `rank_fields`, `max_chunks_per_doc`, or a document that is an object without `text` | cohere-v1 |
| | one that only vLLM has, such as `truncate_prompt_tokens`, or `top_n` 0 | vllm |
| | else | jina |
| `/rerank` | `texts` | tei |
| | one that only vLLM has, an object for a document, or `top_n` 0 | vllm |
| | else | infinity |
| `/v2/rerank` | one that only vLLM has, or `top_n` 0 | vllm |
| | else | cohere-v2 |

Under a dialect's prefix (`/cohere/v2/rerank`, `/voyage/v1/rerank`) nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shortlist.wire import DIALECTS, Dialect

_OF_VLLM = {
    "truncate_prompt_tokens",
    "truncation_side",
    "use_activation",
    "max_tokens_per_query",
    "mm_processor_kwargs",
    "cache_salt",
}
_OF_COHERE_V1 = {"rank_fields", "max_chunks_per_doc"}
_OF_VOYAGE = {"top_k", "truncation"}

PREFIXED: Mapping[str, str] = {
    "/cohere/v1/rerank": "cohere-v1",
    "/cohere/v2/rerank": "cohere-v2",
    "/jina/v1/rerank": "jina",
    "/voyage/v1/rerank": "voyage",
    "/tei/rerank": "tei",
    "/vllm/rerank": "vllm",
    "/vllm/v1/rerank": "vllm",
    "/vllm/v2/rerank": "vllm",
    "/vllm/score": "vllm-score",
    "/vllm/v1/score": "vllm-score",
    "/infinity/rerank": "infinity",
    "/llamacpp/rerank": "llamacpp",
    "/llamacpp/v1/rerank": "llamacpp",
    "/llamacpp/v1/reranking": "llamacpp",
    "/reranking": "llamacpp",
    "/v1/reranking": "llamacpp",
    "/v1/score": "vllm-score",
    "/score": "vllm-score",
}
OWN: Mapping[str, tuple[str, ...]] = {
    "rerank": ("/shortlist/v1/rerank",),
    "explain": ("/shortlist/v1/explain",),
    "search": ("/shortlist/v1/search", "/v1/search"),
    "index": ("/shortlist/v1/index", "/v1/index"),
    "plan": ("/shortlist/v1/plan", "/v1/plan"),
}
"""Paths of our own format: at its prefix and, if no other server's path is in the way, without it."""

SHARED: Mapping[str, str] = {"/v1/rerank": "jina", "/rerank": "infinity", "/v2/rerank": "cohere-v2", "/": "tei"}
"""Paths of several dialects, each with the one that is meant when nothing tells otherwise."""

OF_SHARED: Mapping[str, tuple[str, ...]] = {
    "/v1/rerank": ("jina", "voyage", "cohere-v1", "vllm"),
    "/rerank": ("infinity", "tei", "vllm"),
    "/v2/rerank": ("cohere-v2", "vllm"),
}
"""All dialects of a shared path; `/` beside them takes TEI's only, as the page stands there too."""

PREDICT = ("/tei/predict", "/predict")
"""Where text-embeddings-inference's pairs are scored, each for a query of its own."""

PATHS = (*PREFIXED, *SHARED)
SERVED = tuple(sorted({*PREFIXED.values(), *SHARED.values()}))
"""The names of the dialects that the server speaks; those of the others are for clients."""


def usual(path: str) -> Dialect | None:
    """Return the dialect of a path as long as no field is known; None for a path of our own."""
    name = "tei" if path in PREDICT else PREFIXED.get(path) or SHARED.get(path)
    return DIALECTS[name] if name is not None else None


def possible(path: str) -> tuple[str, ...]:
    """Return the names of all dialects that a request to one of `PATHS` may be of."""
    return (PREFIXED[path],) if path in PREFIXED else OF_SHARED.get(path, (SHARED[path],))


def dialect_of(path: str, body: Any) -> Dialect:
    """Return the dialect of a request to one of `PATHS`."""
    return DIALECTS[PREFIXED[path] if path in PREFIXED else _by_fields(path, body)]


def _by_fields(path: str, body: Any) -> str:
    said = {name for name, value in body.items() if value is not None} if isinstance(body, dict) else set()
    if path == "/":
        return "tei"
    if path == "/rerank" and "texts" in said:
        return "tei"
    if said & _OF_VLLM:
        return "vllm"
    objects = _objects(body)
    if path == "/v1/rerank":
        if said & _OF_COHERE_V1 or any("text" not in one for one in objects):
            return "cohere-v1"
        if said & _OF_VOYAGE:
            return "voyage"
    if body_value(body, "top_n") == 0 or (path == "/rerank" and objects):
        return "vllm"
    return SHARED[path]


def body_value(body: Any, name: str) -> Any:
    """Return a member of an object; None of anything else."""
    return body.get(name) if isinstance(body, dict) else None


def _objects(body: Any) -> list[dict[str, Any]]:
    documents = body_value(body, "documents")
    return [one for one in documents if isinstance(one, dict)] if isinstance(documents, list) else []
