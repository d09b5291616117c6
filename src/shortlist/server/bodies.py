"""A request's body: within a size and a time, and strictly JSON."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request

from shortlist._json import finite_json
from shortlist.server.faults import GoneError, RefusedError, TooLargeError
from shortlist.server.settings import ServeSettings
from shortlist.wire import Fault

MOST_LEVELS = 100  # of lists and objects: the parser takes what is too deep to be written back
_LARGE = 100_000  # bytes, of which some ten thousand documents can be made
_Made = TypeVar("_Made")


async def read_json(request: Request, settings: ServeSettings) -> Any:
    """Read the body as JSON; raises as `read_body` and `parsed` do."""
    return await read_as(request, settings, lambda body: body)


async def read_as(request: Request, settings: ServeSettings, make: Callable[[Any], _Made]) -> _Made:
    """Read the body as JSON, and make something of it; raises as `read_body`, `parsed` and `make` do."""
    return await made_of(await read_body(request, settings), lambda content: make(parsed(content)))


async def made_of(content: bytes, make: Callable[[bytes], _Made]) -> _Made:
    """Make something of a body; of a large one beside the event loop, so that nobody else waits for it."""
    return make(content) if len(content) < _LARGE else await asyncio.to_thread(make, content)


async def read_body(request: Request, settings: ServeSettings) -> bytes:
    """Read the body; raises RefusedError when it is packed, too large or too slow, GoneError when it ends early."""
    packed = request.headers.get("content-encoding") or "identity"
    if packed.lower() not in {"identity", "utf-8", "utf8"}:  # some take it for the charset
        raise RefusedError(Fault.INVALID, f"the body is packed ({packed:.20}); send it without Content-Encoding")
    try:
        return await asyncio.wait_for(_read(request, settings.max_body_bytes), settings.body_timeout_s)
    except asyncio.TimeoutError as error:
        raise RefusedError(
            Fault.INVALID, f"the body did not arrive within {settings.body_timeout_s:g} s; send it at once"
        ) from error
    except ClientDisconnect as error:
        raise GoneError("the client closed the connection within the body") from error


def parsed(content: bytes) -> Any:
    """Parse JSON in UTF-8, with its mark or without; NaN, infinity and 1e400 are none.

    Raises RefusedError that says where it ends to be JSON, or that it has more than `MOST_LEVELS`.
    """
    try:
        found = finite_json(content.decode("utf-8-sig"))
    except RecursionError as error:
        raise _too_deep() from error
    except ValueError as error:
        raise RefusedError(Fault.INVALID, f"the body is no JSON: {error!s:.200}") from error
    _check_depth(found)
    return found


def check_body(length: int, most: int) -> None:
    """Raise TooLargeError when a body has more than so many bytes."""
    if length > most:
        raise TooLargeError(f"the body has more than {most:,} bytes; send fewer documents at a time")


async def _read(request: Request, most: int) -> bytes:
    length = request.headers.get("content-length", "")
    if length.isdigit():
        check_body(int(length), most)
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        check_body(size, most)
        parts.append(part)
    return b"".join(parts)


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(MOST_LEVELS + 1):
        if not (level := [one for one in level if isinstance(one, dict | list)]):
            return
        level = [member for one in level for member in (one.values() if isinstance(one, dict) else one)]
    raise _too_deep()


def _too_deep() -> RefusedError:
    return RefusedError(Fault.INVALID, f"the body is nested deeper than {MOST_LEVELS} levels")
