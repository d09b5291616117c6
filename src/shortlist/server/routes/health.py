"""Whether the server lives, is ready, and what it serves, in the shapes that clients of others expect."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

import shortlist
from shortlist.server.metrics import CONTENT_TYPE
from shortlist.server.replies import json_reply, state_of
from shortlist.server.state import State

_STARTED = int(time.time())


async def health(request: Request) -> Response:
    """Say that the process answers."""
    return json_reply({"status": "ok", "unix": time.time()})


async def tei_health(request: Request) -> Response:
    """Say whether requests would be answered, as text-embeddings-inference does."""
    if is_ready(state_of(request)):
        return Response(status_code=200)
    return json_reply({"error": "unhealthy", "error_type": "Unhealthy"}, status=503)


async def ready(request: Request) -> Response:
    """Say whether requests would be answered: 503 while the default model loads, and when the server is about to end.

    In overload too: a balancer should ask another server then.
    """
    state = state_of(request)
    if is_ready(state):
        return json_reply({"status": "ready"})
    why = "draining" if state.is_draining else "loading"
    return json_reply({"status": why}, status=503, headers={"Retry-After": "1"})


def is_ready(state: State) -> bool:
    """Whether the default model is in memory and the server is not about to end."""
    return state.is_ready and not state.is_draining


async def metrics(request: Request) -> Response:
    """Give everything that was counted, in Prometheus' text format."""
    return Response(state_of(request).metrics.text(), headers={"Content-Type": CONTENT_TYPE})


async def models(request: Request) -> Response:
    """List the models that are served, as OpenAI's API does, with what each has to do."""
    return json_reply({"object": "list", "data": [_model(state_of(request), n) for n in state_of(request).pool.names]})


async def info(request: Request) -> Response:
    """Describe the default model as text-embeddings-inference does."""
    state = state_of(request)
    name = state.pool.default
    served = state.pool.loaded(name)
    settings = state.settings
    return json_reply(
        {
            "model_id": name,
            "model_sha": None,
            "model_dtype": "float32",
            "served_model_name": name,
            "model_type": {"reranker": {"id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0}}},
            "max_concurrent_requests": settings.max_waiting_pairs,
            "max_input_length": (served.max_length if served is not None else None) or 512,
            "max_batch_tokens": settings.batch_tokens,
            "max_batch_requests": None,
            "max_client_batch_size": settings.of("tei").max_documents,
            "auto_truncate": True,
            "tokenization_workers": 1,
            "version": shortlist.__version__,
            "sha": None,
            "docker_label": None,
        }
    )


def _model(state: State, name: str) -> dict[str, Any]:
    served = state.pool.loaded(name)
    about: dict[str, Any] = {"id": name, "object": "model", "created": _STARTED, "owned_by": "shortlist"}
    about["aliases"] = sorted(alias for alias, stands_for in state.pool.aliases.items() if stands_for == name)
    about["loaded"] = served is not None
    if served is not None:
        load = served.load
        about["fingerprint"] = served.fingerprint
        about["max_length"] = served.max_length
        about["load"] = {"pairs": load.pairs, "tokens": load.tokens, "tokens_per_s": round(load.tokens_per_s)}
    return about


READ: Mapping[str, Callable[[Request], Awaitable[Response]]] = {
    "/health": health,
    "/vllm/health": health,
    "/infinity/health": health,
    "/tei/health": tei_health,
    "/ping": tei_health,
    "/ready": ready,
    "/info": info,
    "/tei/info": info,
    "/v1/models": models,
    "/models": models,
    "/vllm/v1/models": models,
    "/infinity/models": models,
}
"""What is read without a body, by path; `/metrics`, which is no JSON, stands beside."""
