"""The OpenAPI document of everything that answers."""

from __future__ import annotations

from functools import cache
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

import shortlist
from shortlist.server.replies import json_bytes
from shortlist.server.schemas import OWN, REQUESTS, RESPONSES
from shortlist.server.telling_apart import PREFIXED
from shortlist.wire import DIALECTS, Fault

_ANY_OBJECT: dict[str, Any] = {"type": "object"}


async def document(request: Request) -> Response:
    """Return the document."""
    return Response(json_bytes(openapi()), media_type="application/json")


@cache
def openapi() -> dict[str, Any]:
    """Describe the paths of which each has one dialect; the shared ones are told apart by fields (see the docs)."""
    paths: dict[str, Any] = {path: {"post": _rerank(name)} for path, name in PREFIXED.items()}
    for path, (request, response) in OWN.items():
        paths[path] = {"post": _operation(request, response, {400, 401, 404, 413, 429, 500, 503}, _ANY_OBJECT)}
    for path in ("/health", "/ready", "/v1/models", "/info"):
        paths[path] = {"get": _read(_ANY_OBJECT)}
    return {
        "openapi": "3.1.0",
        "info": {"title": "shortlist", "version": shortlist.__version__, "license": {"name": "Apache-2.0"}},
        "paths": paths,
        "components": {"securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}},
        "security": [{}, {"key": []}],
    }


def _rerank(name: str) -> dict[str, Any]:
    dialect = DIALECTS[name]
    statuses = {dialect.encode_error(fault, "").status for fault in Fault}
    return _operation(REQUESTS[name], RESPONSES[name], statuses, {})


def _operation(request: Any, response: Any, statuses: set[int], error: Any) -> dict[str, Any]:
    errors = {
        str(status): {"description": "an error", "content": {"application/json": {"schema": error}}}
        for status in sorted(statuses)
    }
    return {
        "requestBody": {"required": True, "content": {"application/json": {"schema": request}}},
        "responses": {
            "200": {"description": "scores", "content": {"application/json": {"schema": response}}},
            **errors,
        },
    }


def _read(response: Any) -> dict[str, Any]:
    content = {"application/json": {"schema": response}}
    return {"responses": {status: {"description": "as named", "content": content} for status in ("200", "503")}}
