"""What a server can refuse, and where the reason stands in an error's body."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any


class Fault(str, Enum):
    """Why a request was not answered with scores."""

    INVALID = "invalid"
    UNAUTHENTICATED = "unauthenticated"
    NOT_FOUND = "not found"
    TOO_LARGE = "too large"
    OVERLOADED = "overloaded"
    INTERNAL = "internal"
    UNAVAILABLE = "unavailable"


HTTP_STATUS: Mapping[Fault, int] = {
    Fault.INVALID: 400,
    Fault.UNAUTHENTICATED: 401,
    Fault.NOT_FOUND: 404,
    Fault.TOO_LARGE: 413,
    Fault.OVERLOADED: 429,
    Fault.INTERNAL: 500,
    Fault.UNAVAILABLE: 503,
}
"""The status that HTTP has for a fault; a dialect names those in which it differs."""


@dataclass(frozen=True, slots=True)
class ErrorReply:
    """An HTTP status with its JSON body; None is an empty body."""

    status: int
    body: Any


def find_message(body: Any) -> str:
    """Return the reason in an error's body, in any dialect's shape; empty where there is none.

    Known are `message`, `detail` (a string, or FastAPI's list of objects with `msg`), `error` (a string, or an
    object with `message`) and `title`, which RFC 7807 has where there is no `detail`.
    """
    if isinstance(body, str):
        return body.strip()
    if isinstance(body, list):
        return "; ".join(filter(None, (find_message(item) for item in body)))
    if not isinstance(body, dict):
        return ""
    for name in ("message", "detail", "error", "msg", "title"):
        if found := find_message(body.get(name)):
            return found
    return ""
