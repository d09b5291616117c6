"""JSON over HTTP with retries, within a budget."""

from __future__ import annotations

import asyncio
import json
import random
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from shortlist._optional import require
from shortlist.errors import (
    RemoteError,
    RemoteRequestError,
    RemoteResponseError,
    RemoteUnavailableError,
    SettingsError,
)
from shortlist.transport.failures import failure_of
from shortlist.transport.keys import Secret
from shortlist.transport.policy import Policy, is_retried, pause_ms, retry_after_ms
from shortlist.types.address import checked_url

_LARGEST_ANSWER = 256 << 20  # a thousand long documents sent back are a tenth of it


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful answer's JSON, and how often the request was sent before it came."""

    body: Any
    attempts: int


@dataclass(frozen=True, slots=True)
class _Received:
    """An answer's status, headers and whole body."""

    status: int
    headers: Mapping[str, str]
    content: bytes


@dataclass(frozen=True, slots=True)
class _Failure:
    error: RemoteError
    is_retried: bool
    asked_ms: float | None = None


class Client:
    """Posts JSON to one server. Its connections belong to the event loop that first uses them.

    `message_of` finds the server's reason in an error's body; `key_hint` says where the key
    came from; `headers_of` gives the headers that carry it; `refuses` says of a status and a
    reason that it is the request's fault, for servers whose status says otherwise. Of an
    answer at most `largest_answer` bytes are read.
    `clock` is monotonic seconds, `now` the wall clock (for Retry-After dates), `sleep` takes
    seconds, `jitter` gives 0..1.
    """

    def __init__(
        self,
        base_url: str,
        *,
        key: Secret | None = None,
        policy: Policy | None = None,
        message_of: Callable[[Any], str] = lambda body: "",
        key_hint: str = "",
        refuses: Callable[[int, str], bool] = lambda status, message: False,
        headers_of: Callable[[str], Mapping[str, str]] = lambda key: {"Authorization": f"Bearer {key}"},
        largest_answer: int = _LARGEST_ANSWER,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.base_url = checked_url(base_url)
        self._key = key
        self._policy = policy or Policy()
        self._message_of = message_of
        self._key_hint = key_hint
        self._headers = {"Content-Type": "application/json", "Accept": "application/json"}
        self._headers_of = headers_of
        self._clock, self._now, self._sleep, self._jitter = clock, now, sleep, jitter
        self._httpx = require("httpx2", extra="hosted")
        self._refuses = refuses
        self._largest_answer = largest_answer
        self._http: tuple[asyncio.AbstractEventLoop, Any] | None = None

    def deadline(self) -> float:
        """Return the instant, on the client's clock, at which a call that begins now must have ended."""
        return self._clock() + self._policy.budget_ms / 1000

    async def post(self, path: str, body: Any, *, deadline: float) -> Answer:
        """Send a JSON body and return the JSON that comes back.

        Raises RemoteError: after the last attempt, or when the next one could not begin before the deadline.
        """
        content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        failures = 0
        while True:
            outcome = await self._attempt(path, content, deadline)
            if not isinstance(outcome, _Failure):
                return Answer(outcome[0], failures + 1)
            failures += 1
            left = (deadline - self._clock()) * 1000
            pause = pause_ms(
                self._policy, failures=failures, asked_ms=outcome.asked_ms, left_ms=left, random=self._jitter()
            )
            if pause is None or not outcome.is_retried:
                raise _after(outcome, failures, pause is None and failures <= self._policy.retries)
            await self._sleep(pause / 1000)

    async def close(self) -> None:
        """Close the connections."""
        http, self._http = self._http, None
        if http is not None:
            await http[1].aclose()

    async def _attempt(self, path: str, content: bytes, deadline: float) -> tuple[Any] | _Failure:
        """Send once; return the body in a tuple, or what went wrong."""
        url = self.base_url + path
        allowed = min(deadline - self._clock(), self._policy.attempt_budget_ms / 1000)
        try:
            response = await asyncio.wait_for(self._send(url, content, allowed), allowed)
        except (self._httpx.TimeoutException, asyncio.TimeoutError):
            late = f"{url} did not answer within {max(0.0, allowed) * 1000:.0f} ms"
            return _Failure(RemoteUnavailableError(late), is_retried=True)
        except self._httpx.DecodingError as error:
            return _Failure(RemoteResponseError(f"{url} sent an answer that cannot be unpacked: {error}"), False)
        except self._httpx.TransportError as error:
            lost = f"{url} cannot be reached or cut off: {type(error).__name__}: {error}"
            return _Failure(RemoteUnavailableError(lost), is_retried=True)
        if len(response.content) > self._largest_answer:
            endless = f"{url} answered {response.status} with more than {self._largest_answer:,} bytes"
            return _Failure(RemoteResponseError(endless), is_retried=False)
        if not 200 <= response.status < 300:
            return self._refused(response, url)
        try:
            return (json.loads(response.content),)
        except (ValueError, RecursionError) as error:
            start = response.content[:80]
            wrong = f"{url} answered {response.status} with what is no JSON ({error}): {start!r}"
            return _Failure(RemoteResponseError(wrong), is_retried=False)

    async def _send(self, url: str, content: bytes, allowed: float) -> _Received:
        """Send once and read the answer, a little past its largest size at most."""
        key = {} if self._key is None else self._headers_of(self._key.reveal())
        headers = {**self._headers, **key}
        http = self._connections(asyncio.get_running_loop())
        async with http.stream("POST", url, content=content, headers=headers, timeout=allowed) as response:
            body = bytearray()
            async for piece in response.aiter_bytes():
                body += piece
                if len(body) > self._largest_answer:
                    break
            return _Received(response.status_code, response.headers, bytes(body))

    def _connections(self, loop: asyncio.AbstractEventLoop) -> Any:
        """Return the connections of this loop; those of another one, or of before a fork, are of no use."""
        if self._http is None or self._http[0] is not loop:
            try:
                made = self._httpx.AsyncClient(follow_redirects=False, verify=_trust(self.base_url))
            except (ValueError, OSError) as error:  # a proxy or a certificate that the environment names
                raise SettingsError(
                    f"no connection to {self.base_url} can be prepared: {error}; look at HTTP_PROXY, HTTPS_PROXY,"
                    " ALL_PROXY, SSL_CERT_FILE and SSL_CERT_DIR in the environment"
                ) from error
            self._http = (loop, made)
        return self._http[1]

    def _refused(self, response: _Received, url: str) -> _Failure:
        status = response.status
        try:
            message = self._message_of(json.loads(response.content))
        except (ValueError, RecursionError):
            message = response.content[:200].decode("utf-8", "replace").strip()
        if self._key is not None:
            message = message.replace(self._key.reveal(), "...")  # some servers repeat the key they refuse
        if self._refuses(status, message):
            return _Failure(RemoteRequestError(f"{url} answered {status}: {message}"), is_retried=False)
        error = failure_of(status, message, url=url, key_hint=self._key_hint)
        asked = retry_after_ms(response.headers.get("Retry-After"), now=self._now())
        return _Failure(error, is_retried(status), asked)


def _trust(url: str) -> bool | ssl.SSLContext:
    """Return what httpx2's `verify` takes: without TLS an empty context, since reading certificates takes 150 ms."""
    return True if url.startswith("https:") else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _after(failure: _Failure, attempts: int, was_cut_short: bool) -> RemoteError:
    """Return the failure's error, with how often it was tried and why not more often."""
    if not failure.is_retried:
        return failure.error
    wait = f"; it asks to wait {failure.asked_ms / 1000:.0f} s" if failure.asked_ms else ""
    short = "; the budget has no room for another" if was_cut_short else ""
    return type(failure.error)(f"{failure.error} (attempt {attempts}{wait}{short})")
