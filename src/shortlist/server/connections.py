"""HTTP connections that wait for nobody for ever, and that end without cutting a request off."""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

MOST_HEAD = 64 << 10  # bytes of a request's head, and of whatever else comes that is neither head nor body
LINGER_S = 0.5  # of an idle connection at the end: what its client has just sent is still answered


class TimedProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with limits on how long a client may take to send and to read.

    uvicorn itself limits only the silence between two requests. Here the first byte and the head of a
    request have to arrive within `header_timeout_s`, also when bytes come in between that are no
    head: what is left of a body that was answered early, or empty lines. A head of more than `MOST_HEAD` is refused:
    the parser would copy all of it with every piece that comes. A client that does not read
    what it is sent is cut off after `write_timeout_s`. Bodies are limited where they are read.
    When a client leaves, all its requests learn it, not only the last one; and a request that offers another protocol
    (Java's client: HTTP/2) is answered in HTTP/1.1, where uvicorn would lose its body.
    """

    header_timeout_s = 10.0
    write_timeout_s = 30.0
    _late: asyncio.TimerHandle | None = None
    _stuck: asyncio.TimerHandle | None = None
    _is_ending = False
    _is_offer = False  # of another protocol, in the head that was just read
    _piece = b""  # that is being read
    _unread = 0  # bytes since the parser last came to the end of a head, to a body, or to its end

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        self._open: deque[RequestResponseCycle] = deque()  # requests that are not answered yet
        super().connection_made(transport)
        self._late = self.loop.call_later(self.header_timeout_s, self._too_late)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting, and tell all requests."""
        self._is_read()
        self._stop()
        for cycle in self._open:
            cycle.disconnected = True
            cycle.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Begin to wait for a further head, unless these bytes were one."""
        self._unread += len(data)
        self._piece = data
        super().data_received(data)
        self._piece = b""  # idle connections keep nothing
        if self._unread > MOST_HEAD and not self.transport.is_closing():
            self.send_400_response(f"The head of the request is larger than {MOST_HEAD} bytes.")
        is_idle = self.cycle is not None and self.cycle.response_complete
        if is_idle and self._late is None and not self.transport.is_closing():
            self._late = self.loop.call_later(self.header_timeout_s, self._too_late)

    def on_headers_complete(self) -> None:
        """Stop waiting: the head is here."""
        self._is_offer = self.parser.should_upgrade() and any(name == b"upgrade" for name, _ in self.headers)
        if self._is_offer:  # the head comes again, without it
            return
        self._stop()
        self._unread = 0
        super().on_headers_complete()
        self._open.append(self.cycle)
        if self._is_ending:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Take in a piece of a body."""
        self._unread = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Be ready for the next head."""
        if not self._is_offer:
            self._unread = 0
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Go on with the next request."""
        self._open.popleft()
        super().on_response_complete()

    def pause_writing(self) -> None:
        """Begin to wait for the client to read."""
        super().pause_writing()
        if self._stuck is None:
            self._stuck = self.loop.call_later(self.write_timeout_s, self.transport.abort)

    def resume_writing(self) -> None:
        """Stop waiting: the client reads."""
        super().resume_writing()
        self._is_read()

    def shutdown(self) -> None:
        """End after the answer that is under way; without one, after whatever the client has sent by now."""
        self._is_ending = True
        if self.cycle is None or self.cycle.response_complete:
            self.loop.call_later(LINGER_S, self._end)
        else:
            super().shutdown()

    def _unsupported_upgrade_warning(self) -> None:
        """Read the head once more without the offer, and what came behind it, which the parser passed over."""
        offered = sys.exc_info()[1]
        if not self._is_offer or offered is None:
            return
        rest = self._piece[offered.args[0] :]
        head = [b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())]
        head += [b"%s: %s" % header for header in self.headers if header[0] != b"upgrade"]
        self.parser = type(self.parser)(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's own
        self._piece = b"\r\n".join([*head, b"", rest])
        super().data_received(self._piece)

    def _end(self) -> None:
        if not self.transport.is_closing():
            super().shutdown()

    def _too_late(self) -> None:
        self._late = None
        transport: Any = self.transport
        if transport is not None and not transport.is_closing():
            transport.close()

    def _stop(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _is_read(self) -> None:
        if self._stuck is not None:
            self._stuck.cancel()
            self._stuck = None


def timed_protocol(header_timeout_s: float, *, write_timeout_s: float = 30.0) -> type[TimedProtocol]:
    """Return the protocol with these limits."""
    return type("_Timed", (TimedProtocol,), {"header_timeout_s": header_timeout_s, "write_timeout_s": write_timeout_s})
