"""HTTP connections that do not wait for ever: a request's head must arrive in time."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class TimedProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with a limit on how long the first byte and the head of a request may take.

    uvicorn itself limits only the pause between two requests, so a client that sends a byte a minute could
    hold a connection as long as it likes. Bodies are limited where they are read.
    """

    header_timeout_s = 10.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._late: asyncio.TimerHandle | None = self._timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Begin to wait for the head of a further request on the same connection."""
        super().on_message_begin()
        if self._late is None:
            self._late = self._timer()

    def on_headers_complete(self) -> None:
        """Stop waiting: the head is here."""
        self._stop()
        super().on_headers_complete()

    def _timer(self) -> asyncio.TimerHandle:
        return self.loop.call_later(self.header_timeout_s, self._too_late)

    def _too_late(self) -> None:
        self._late = None
        transport: Any = self.transport
        if transport is not None and not transport.is_closing():
            transport.close()

    def _stop(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


def timed_protocol(header_timeout_s: float) -> type[TimedProtocol]:
    """Return the protocol with this limit."""
    return type("_Timed", (TimedProtocol,), {"header_timeout_s": header_timeout_s})
