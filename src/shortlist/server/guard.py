"""Around every route: request id, who may ask and how often, errors in the dialect's shape, headers, log, metrics."""

from __future__ import annotations

import asyncio
import re
import uuid
from contextlib import ExitStack
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shortlist.server.faults import GoneError, Reason, RefusedError, reason_of
from shortlist.server.keys import find_key
from shortlist.server.logs import log_answer, log_defect
from shortlist.server.notes import Notes
from shortlist.server.origins import check_host, check_origin, cors_headers
from shortlist.server.replies import EVENTS, error_event, json_reply
from shortlist.server.state import State
from shortlist.server.telling_apart import usual
from shortlist.server.tracing import Tracing
from shortlist.wire import DIALECTS, Fault, own

OPEN_PATHS = re.compile(r"/(|page/[\w.-]+|openapi\.json|health|ready|ping|(tei|vllm|infinity)/health)")
_REQUEST_ID = re.compile(r"[\w.:-]{1,128}", re.ASCII)
_CLOSED = 499  # what nginx calls a client that has left; it is logged and counted, and never arrives

_SAFE = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}


@dataclass(slots=True)
class Guard:
    """ASGI middleware around all routes of one server."""

    app: ASGIApp
    state: State
    tracing: Tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or refuse it; nothing that a route raises goes past here."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        notes = Notes(_request_id(headers), self.state.hidden, client=(scope.get("client") or ("",))[0])
        scope["app"] = self  # so that the router raises what it does not find
        scope["shortlist.state"], scope["shortlist.notes"] = self.state, notes
        scope["shortlist.began_ms"] = began = self.state.clock()
        answer = _Answer(send, notes, self.state, began, cors_headers(headers, self.state.settings))
        with self.tracing.request(scope["method"], scope["path"], headers, notes):
            try:
                await self._guarded(scope, headers, receive, answer)
            except GoneError:
                notes.status = _CLOSED
            except asyncio.CancelledError:  # `drain_s` are over
                ending = RefusedError(Fault.UNAVAILABLE, "the server ended before the answer; ask again")
                await self._refused(ending, scope, receive, answer)
            except HTTPException as error:
                await _no_route(error, scope)(scope, receive, answer)
            except Exception as error:
                await self._refused(error, scope, receive, answer)
        elapsed = self.state.clock() - began
        self.state.metrics.count(notes, seconds=elapsed / 1000)
        log_answer(notes, method=scope["method"], path=scope["path"], latency_ms=elapsed)

    async def _guarded(self, scope: Scope, headers: Headers, receive: Receive, answer: _Answer) -> None:
        settings, notes = self.state.settings, answer.notes
        check_host(headers, settings, has_keys=bool(self.state.keys))
        check_origin(headers, settings)
        if scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
            await Response(status_code=204)(scope, receive, answer)
            return
        with ExitStack() as using:
            is_open = scope["method"] in {"GET", "HEAD"} and OPEN_PATHS.fullmatch(scope["path"])
            if self.state.keys and not is_open:
                key = find_key(self.state.keys, _given_key(headers))
                if key is None:
                    raise RefusedError(Fault.UNAUTHENTICATED, "no valid API key; send one as Authorization: Bearer KEY")
                notes.key = notes.client = key.name
                using.enter_context(self.state.quotas.using(key))
            await self.app(scope, receive, answer)

    async def _refused(self, error: Exception, scope: Scope, receive: Receive, answer: _Answer) -> None:
        reason = reason_of(error, request_id=answer.notes.request_id)
        answer.notes.fault = reason.fault.value
        if reason.fault in {Fault.INTERNAL, Fault.UNAVAILABLE}:
            log_defect(error, answer.notes)
        if not answer.has_begun:
            await _error_reply(reason, scope["path"], answer.notes)(scope, receive, answer)
        elif answer.is_streaming:  # which ends with an event, also when the server ends
            await answer({"type": "http.response.body", "body": error_event(reason), "more_body": False})


def _error_reply(reason: Reason, path: str, notes: Notes) -> Response:
    dialect = DIALECTS.get(notes.dialect) or usual(path)
    encode = own.encode_error if dialect is None else dialect.encode_error
    reply = encode(reason.fault, reason.message)
    headers = {} if reason.retry_after_s is None else {"Retry-After": str(reason.retry_after_s)}
    if reason.fault is Fault.UNAUTHENTICATED:
        headers["WWW-Authenticate"] = "Bearer"
    return json_reply(reply.body, status=reply.status, headers=headers)


def _no_route(error: HTTPException, scope: Scope) -> Response:
    message = f"nothing answers {scope['method']} at {scope['path']}; /openapi.json lists what there is"
    body = own.encode_error(Fault.NOT_FOUND, message).body
    return json_reply(body, status=error.status_code, headers=dict(error.headers or {}))


class _Answer:
    """The way out: adds the headers that every answer has, and remembers the status."""

    def __init__(self, send: Send, notes: Notes, state: State, began_ms: float, cors: dict[str, str]) -> None:
        self.notes, self.has_begun, self.is_streaming = notes, False, False
        self._send, self._state, self._began_ms, self._cors = send, state, began_ms, cors

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.notes.status, self.has_begun = message["status"], True
            headers = MutableHeaders(scope=message)
            self.is_streaming = headers.get("content-type", "").startswith(EVENTS)
            own = self.notes.headers(self._state.clock() - self._began_ms)
            for name, value in {**_SAFE, "Cache-Control": "no-store", **self._cors, **own}.items():
                headers.setdefault(name, value)
        elif not message.get("more_body"):
            self.is_streaming = False
        await self._send(message)


def _request_id(headers: Headers) -> str:
    given = headers.get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex


def _given_key(headers: Headers) -> str:
    scheme, _, rest = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    return headers.get("x-api-key") or headers.get("api-key") or ""
