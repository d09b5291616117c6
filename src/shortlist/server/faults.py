"""What went wrong, as a fault that every dialect has a status for."""

from __future__ import annotations

import math
from dataclasses import dataclass

from shortlist.errors import (
    AuthenticationError,
    GenerationError,
    InputError,
    ModelError,
    OverloadedError,
    RateLimitedError,
    RemoteRequestError,
    RemoteResponseError,
    RemoteUnavailableError,
    ShortlistError,
    StoreError,
    WireError,
)
from shortlist.wire import Fault


class RefusedError(ShortlistError):
    """A request that is answered with a fault."""

    def __init__(self, fault: Fault, message: str) -> None:
        super().__init__(message)
        self.fault = fault


class TooLargeError(RefusedError, InputError):
    """A request that holds more than the server takes; no other model is asked then."""

    def __init__(self, message: str) -> None:
        super().__init__(Fault.TOO_LARGE, message)


class GoneError(ShortlistError):
    """The client has closed the connection; nobody will read an answer."""


_ELSEWHERE = (AuthenticationError, GenerationError, ModelError, RemoteResponseError, RemoteUnavailableError, StoreError)


@dataclass(frozen=True, slots=True)
class Reason:
    """A fault, its message for the client, and when to ask again, in whole seconds."""

    fault: Fault
    message: str
    retry_after_s: int | None = None


def reason_of(error: Exception, *, request_id: str) -> Reason:
    """Return what a client is told; of a defect it learns only the request's id, the log has the rest."""
    if isinstance(error, RefusedError):
        retry = 1 if error.fault is Fault.UNAVAILABLE else None
        return Reason(error.fault, str(error), retry)
    if isinstance(error, OverloadedError):
        return Reason(Fault.OVERLOADED, str(error), max(1, math.ceil(error.retry_after_ms / 1000)))
    if isinstance(error, InputError | WireError | RemoteRequestError):
        return Reason(Fault.INVALID, str(error))
    if isinstance(error, RateLimitedError):
        return Reason(Fault.OVERLOADED, str(error), 1)
    if isinstance(error, _ELSEWHERE):
        return Reason(
            Fault.UNAVAILABLE, f"{type(error).__name__}; the server's log has the rest (request {request_id})", 5
        )
    if isinstance(error, ShortlistError):
        return Reason(Fault.INTERNAL, str(error))
    return Reason(Fault.INTERNAL, f"internal error; the server's log has the rest (request {request_id})")
