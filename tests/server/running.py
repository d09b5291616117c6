"""A real server on the loopback interface, in a thread of the test's process."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn

from server.fakes import Overlap
from shortlist.protocols import Scorer
from shortlist.server.app import make_app
from shortlist.server.connections import timed_protocol
from shortlist.server.metrics import Metrics
from shortlist.server.models.asked import Served
from shortlist.server.models.pool import ModelPool
from shortlist.server.models.queued import QueuedModel
from shortlist.server.scheduling.queue import Bounds
from shortlist.server.settings import ServeSettings
from shortlist.server.state import State
from shortlist.server.tracing import Tracing


def waited_for(condition: Callable[[], object]) -> None:
    """Return once a condition holds; fails after 10 s."""
    pause = threading.Event()
    for _ in range(2000):
        if condition():
            return
        pause.wait(0.005)
    raise AssertionError("it did not happen within 10 s")


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers (names in lower case), and the body, as JSON where it is some."""

    status: int
    headers: Mapping[str, str]
    content: bytes = field(repr=False, default=b"")

    @property
    def json(self) -> Any:
        return json.loads(self.content)


@dataclass(frozen=True, slots=True)
class Running:
    """A server's address and state."""

    port: int
    state: State
    loop: asyncio.AbstractEventLoop
    server: uvicorn.Server

    @property
    def connections(self) -> int:
        """How many connections there are."""
        return len(self.server.server_state.connections)

    def end(self) -> None:
        """Begin to end, and return when nobody can connect any more."""
        self.server.should_exit = True
        waited_for(lambda: not self.server.servers[0].is_serving())

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None, method: str = "") -> Answer:
        """Send one request; bytes are sent as they are, anything else as JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
            connection.request(method or ("GET" if body is None else "POST"), path, content, dict(headers or {}))
            answer = connection.getresponse()
            named = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, named, answer.read())
        finally:
            connection.close()

    def call(self, work: Callable[[], Any]) -> Any:
        """Await something within the server's event loop."""
        return asyncio.run_coroutine_threadsafe(work(), self.loop).result(20)


def state_with(
    scorers: Mapping[str, Scorer] | None = None,
    *,
    settings: ServeSettings | None = None,
    bounds: Bounds | None = None,
    **rest: Any,
) -> State:
    """Return a state that serves scorers; by default one named "overlap"."""
    named = scorers or {"overlap": Overlap()}
    serve = settings or ServeSettings()

    async def load(name: str) -> Served:
        return QueuedModel(
            named[name], batch_tokens=serve.batch_tokens, bounds=bounds or Bounds(), remembered=serve.cached_pairs
        )

    return State(serve, ModelPool(list(named), load, aliases=serve.aliases), Metrics(), **rest)


@contextmanager
def running(state: State, *, tracing: Tracing | None = None) -> Iterator[Running]:
    """Serve a state until the end of the block."""
    limits = state.settings
    protocol = timed_protocol(limits.header_timeout_s, write_timeout_s=limits.write_timeout_s)
    config = uvicorn.Config(
        make_app(state, tracing=tracing),
        host="127.0.0.1",
        port=0,
        http=protocol,
        ws="none",
        lifespan="on",
        log_config=None,
        timeout_graceful_shutdown=max(1, round(limits.drain_s)),
    )
    server = uvicorn.Server(config)
    loops: list[asyncio.AbstractEventLoop] = []

    def serve() -> None:
        loop = asyncio.new_event_loop()
        loops.append(loop)
        loop.run_until_complete(server.serve())
        loop.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    pause = threading.Event()
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        pause.wait(0.005)
    try:
        yield Running(server.servers[0].sockets[0].getsockname()[1], state, loops[0], server)
    finally:
        server.should_exit = True
        thread.join(20)
