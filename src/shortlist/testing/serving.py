"""A rerank server of any dialect on the loopback interface, with faults on demand, for tests of clients."""

from __future__ import annotations

import json
import math
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from shortlist.errors import WireError
from shortlist.wire import Dialect, Fault, RerankRequest, RerankResponse, RerankResult, Usage


@dataclass(frozen=True, slots=True)
class Reply:
    """What is sent instead of the right answer.

    `body` is sent as it is, or made by `change` from the right one's JSON. `is_cut` ends
    the connection within the body, `holds` waits for it to be set (or the server's end)
    before anything is sent, and `stalls` in the middle of the body.
    """

    status: int = 200
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    change: Callable[[Any], Any] = lambda body: body
    is_cut: bool = False
    holds: threading.Event | None = None
    stalls: threading.Event | None = None


def word_overlap(query: str, text: str) -> float:
    """Return the share of the query's words that a text has, in 0..1: a relevance that a test can foresee."""
    words = set(query.lower().split())
    return len(words & set(text.lower().split())) / len(words)


class RerankServer:
    """Answers a dialect's requests by `relevance`, a function of query and text to 0..1; use it as a context manager.

    Logits are its logit, kept within +-10. `replies` are used up before right answers are
    given; `refuses` names texts for which a request is refused as invalid. `requests` has
    every body that came, `headers` its headers. With `key`, requests need it.
    """

    def __init__(
        self,
        dialect: Dialect,
        *,
        relevance: Callable[[str, str], float] = word_overlap,
        key: str = "",
        refuses: Callable[[str], bool] = lambda text: False,
    ) -> None:
        self.dialect = dialect
        self.relevance = relevance
        self.key = key
        self.refuses = refuses
        self.replies: deque[Reply] = deque()
        self.requests: list[Any] = []
        self.headers: list[dict[str, str]] = []
        self._ended = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def url(self) -> str:
        """The server's address."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> RerankServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()

    def answer(self, body: Any) -> tuple[int, Any]:
        """Return status and body for a request's body."""
        try:
            request = self.dialect.decode_request(body)
        except WireError as error:
            reply = self.dialect.encode_error(Fault.INVALID, str(error))
            return reply.status, reply.body
        if any(self.refuses(document.text) for document in request.documents):
            reply = self.dialect.encode_error(Fault.INVALID, "a document is too long")
            return reply.status, reply.body
        return 200, self.dialect.encode_response(self._response(request))

    def is_key_right(self, headers: Mapping[str, str]) -> bool:
        """Say whether a request may ask."""
        return not self.key or self.dialect.headers(self.key).items() <= headers.items()

    def next_reply(self) -> Reply:
        """Return what is to be sent instead of the right answer; waits where the reply says so."""
        reply = self.replies.popleft() if self.replies else Reply()
        self.wait(reply.holds)
        return reply

    def wait(self, event: threading.Event | None) -> None:
        """Wait until an event is set or the server ends; not at all without one."""
        while event is not None and not event.wait(0.01) and not self._ended.is_set():
            pass

    def _response(self, request: RerankRequest) -> RerankResponse:
        wants_documents = (
            self.dialect.returns_documents if request.return_documents is None else request.return_documents
        )
        results = [
            RerankResult(place, self._score(request, document.text), replace(document) if wants_documents else None)
            for place, document in enumerate(request.documents)
        ]
        best = sorted(results, key=lambda result: -result.score)[: request.top_k]
        usage = Usage(sum(len(d.text.split()) for d in request.documents), -(-len(request.documents) // 100))
        return RerankResponse(tuple(best), model=request.model or "test", response_id="test-1", usage=usage)

    def _score(self, request: RerankRequest, text: str) -> float:
        relevance = self.relevance(request.query, text)
        if not (request.raw_scores and self.dialect.raw_score_kind):
            return relevance
        return max(-10.0, min(10.0, math.log(max(relevance, 1e-9) / max(1 - relevance, 1e-9))))


def _handler(owner: RerankServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # head and body are two writes: 40 ms of waiting otherwise

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = dict(self.headers.items())
            owner.headers.append(headers)
            owner.requests.append(json.loads(content))
            if self.path not in owner.dialect.paths:
                return self._send(404, b"", {})
            if not owner.is_key_right(headers):
                given = [headers.get(name) for name in owner.dialect.headers("")]
                refusal = owner.dialect.encode_error(Fault.UNAUTHENTICATED, f"bad key {given}")
                return self._send(refusal.status, json.dumps(refusal.body).encode(), {})
            reply = owner.next_reply()
            status, body = owner.answer(owner.requests[-1])
            changed = json.dumps(reply.change(body)).encode() if reply.body is None else reply.body
            return self._send(
                reply.status if reply.status != 200 else status, changed, reply.headers, reply.is_cut, reply.stalls
            )

        def _send(
            self,
            status: int,
            body: bytes,
            headers: Mapping[str, str],
            is_cut: bool = False,
            stalls: threading.Event | None = None,
        ) -> None:
            try:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                half = len(body) // 2
                self.wfile.write(body[:half])
                owner.wait(stalls)
                self.wfile.write(b"" if is_cut else body[half:])
            except OSError:  # the client did not wait, which is what some tests are about
                self.close_connection = True
            self.close_connection = self.close_connection or is_cut

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    return Handler
