"""The OpenAPI document of everything that answers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

import shortlist
from shortlist.server.replies import json_bytes
from shortlist.server.routes.health import READ, tei_health
from shortlist.server.schemas import INDEX, INDEX_CHANGES, OWN_BODIES, PREDICTED, REQUESTS, RESPONSES
from shortlist.server.telling_apart import OF_SHARED, OWN, PREDICT, PREFIXED
from shortlist.wire import DIALECTS, Fault
from shortlist.wire.errors import HTTP_STATUS

_STATUSES = set(HTTP_STATUS.values())
_ANY_OBJECT: dict[str, Any] = {"type": "object"}
_TEXT: dict[str, Any] = {"type": "string"}


async def document(request: Request) -> Response:
    """Return the document."""
    return Response(json_bytes(openapi()), media_type="application/json")


@cache
def openapi() -> dict[str, Any]:
    """Describe all paths but the page's and this one.

    Those that dialects share take any of theirs, told apart by fields (see the docs).
    """
    paths: dict[str, Any] = {path: {"post": _rerank(name)} for path, name in PREFIXED.items()}
    paths |= {path: {"post": _shared(names)} for path, names in OF_SHARED.items()}
    paths |= {path: {"post": _operation(*PREDICTED, _statuses("tei"), {})} for path in PREDICT}
    own = {name: {"post": _operation(*schemas, _STATUSES, _ANY_OBJECT)} for name, schemas in OWN_BODIES.items()}
    own["index"] = {method: _operation(*schemas, _STATUSES, _ANY_OBJECT) for method, schemas in INDEX_CHANGES.items()}
    own["index"]["get"] = _read(INDEX)
    paths |= {path: own[name] for name in own for path in OWN[name]}
    paths |= {path: {"get": _read(_ANY_OBJECT if answer is not tei_health else None)} for path, answer in READ.items()}
    paths["/metrics"] = {"get": _read(_TEXT, "text/plain")}
    return {
        "openapi": "3.1.0",
        "info": {"title": "shortlist", "version": shortlist.__version__, "license": {"name": "Apache-2.0"}},
        "paths": paths,
        "components": {"securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}},
        "security": [{}, {"key": []}],
    }


def _rerank(name: str) -> dict[str, Any]:
    return _operation(REQUESTS[name], RESPONSES[name], _statuses(name), {})


def _shared(names: Sequence[str]) -> dict[str, Any]:
    statuses = _statuses(*names)
    request, response = ({"anyOf": [schemas[name] for name in names]} for schemas in (REQUESTS, RESPONSES))
    return _operation(request, response, statuses, {})


def _statuses(*names: str) -> set[int]:
    return {DIALECTS[name].encode_error(fault, "").status for name in names for fault in Fault}


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


def _read(response: Any, media_type: str = "application/json") -> dict[str, Any]:
    content = {} if response is None else {"content": {media_type: {"schema": response}}}
    return {"responses": {status: {"description": "as named", **content} for status in ("200", "503")}}
