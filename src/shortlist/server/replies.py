"""What routes share: the state, a request's notes and budget, JSON out, and clients that leave."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from shortlist.errors import InputError
from shortlist.server.faults import GoneError, Reason
from shortlist.server.notes import Notes
from shortlist.server.settings import OWN_DIALECT, ServeSettings
from shortlist.server.state import State
from shortlist.types import Clock, Deadline, Step

BUDGET_HEADER = "X-Shortlist-Budget-Ms"
EVENTS = "text/event-stream"
_Made = TypeVar("_Made")


def state_of(request: Request) -> State:
    """Return what all requests share."""
    state: State = request.scope["shortlist.state"]
    return state


def notes_of(request: Request) -> Notes:
    """Return what is written down about this request."""
    notes: Notes = request.scope["shortlist.notes"]
    return notes


def own_limits(request: Request) -> ServeSettings:
    """Return the settings with the limits of our own format."""
    return state_of(request).settings.of(OWN_DIALECT)


def budget_of(request: Request, budget_ms: float | None, clock: Clock) -> Deadline | None:
    """Return the deadline that a field or the header asks for, counted from the request's arrival."""
    header = request.headers.get(BUDGET_HEADER)
    if budget_ms is None and header is not None:
        try:
            budget_ms = float(header)
        except ValueError as error:
            raise InputError(f"{BUDGET_HEADER} must be a number of milliseconds, got {header!r:.40}") from error
    if budget_ms is None:
        return None
    made = Deadline.after(budget_ms, clock=clock)
    return Deadline(request.scope["shortlist.began_ms"], made.budget_ms, clock)


def json_bytes(value: Any) -> bytes:
    """Write JSON in UTF-8; text that is no valid Unicode is replaced, so that one document cannot fail an answer."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode("utf-8", "replace")


def json_reply(value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with JSON; None is an empty body."""
    content = b"" if value is None else json_bytes(value)
    return Response(content, status, dict(headers or {}), media_type="application/json")


def tei_headers(steps: Sequence[Step], *, characters: int, tokens: int) -> dict[str, str]:
    """Return what text-embeddings-inference says of its work in headers, in milliseconds."""
    queued = sum(step.latency_ms for step in steps if step.stage == "queue")
    computed = sum(step.latency_ms for step in steps) - queued
    return {
        "x-compute-type": "cpu",
        "x-compute-time": str(round(computed)),
        "x-compute-characters": str(characters),
        "x-compute-tokens": str(tokens),
        "x-total-time": str(round(queued + computed)),
        "x-tokenization-time": "0",
        "x-queue-time": str(round(queued)),
        "x-inference-time": str(round(computed)),
    }


def event(name: str, value: Any) -> bytes:
    """Write a server-sent event."""
    return b"event: " + name.encode() + b"\ndata: " + json_bytes(value) + b"\n\n"


def error_event(reason: Reason) -> bytes:
    """Write the event that ends a stream whose status is sent already."""
    return event("error", {"error": {"kind": reason.fault.value, "message": reason.message}})


async def until_gone(request: Request, work: Coroutine[Any, Any, _Made]) -> _Made:
    """Do the work for as long as the client waits for it; raises GoneError, with the work cancelled, when it leaves."""
    doing = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait({doing, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not doing.done():
            raise GoneError("the client closed the connection before the answer")
        return doing.result()
    finally:
        for task in (doing, leaving):
            task.cancel()
        await asyncio.gather(doing, leaving, return_exceptions=True)


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
