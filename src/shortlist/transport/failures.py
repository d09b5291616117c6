"""What an HTTP status means for the caller."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import TypeVar

from shortlist.errors import (
    AuthenticationError,
    RateLimitedError,
    RemoteError,
    RemoteRequestError,
    RemoteUnavailableError,
)

Unanswered = RemoteUnavailableError | RateLimitedError
"""What was asked did not answer, or had too much to do: another attempt, or another one, may."""

Result = TypeVar("Result")

# 402: the balance is used up; 498: Cohere's invalid token
_AUTHENTICATION = frozenset({401, 402, 403, 407, 498})
# 424: TEI's backend failed; 499: the server thinks that the client has gone
_UNAVAILABLE = frozenset({408, 424, 425, 499})
_LONGEST_MESSAGE = 500


def attempted(call: Callable[[], Result]) -> Result | Unanswered:
    """Return what a call returns, or why it was not answered; raises every other error."""
    try:
        return call()
    except (RemoteUnavailableError, RateLimitedError) as error:
        return error


def failure_of(status: int, message: str, *, url: str, key_hint: str = "") -> RemoteError:
    """Return the error for a status that is no success, with the server's own message.

    `key_hint` says where a key is taken from; it ends the message of an AuthenticationError.
    """
    said = f": {message[:_LONGEST_MESSAGE]}" if message else ""
    what = f"{url} answered {status}{_phrase(status)}{said}"
    if status in _AUTHENTICATION:
        return AuthenticationError(f"{what}{key_hint and '; ' + key_hint}")
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return RateLimitedError(what)
    if status in _UNAVAILABLE or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return RemoteUnavailableError(what)
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return RemoteRequestError(f"{what}; redirects are not followed, give the final address")
    return RemoteRequestError(what)


def _phrase(status: int) -> str:
    try:
        return f" ({HTTPStatus(status).phrase})"
    except ValueError:
        return ""
