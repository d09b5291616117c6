"""From settings to a running server: sockets, signals, and the end without losing a request."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from shortlist.errors import InputError, ModelError, ShortlistError
from shortlist.server.app import make_app
from shortlist.server.connections import timed_protocol
from shortlist.server.keys import Key, read_keys
from shortlist.server.loading import pool_of
from shortlist.server.logs import start_logging
from shortlist.server.metrics import Metrics
from shortlist.server.searching import Desk
from shortlist.server.settings import ServeSettings
from shortlist.server.state import State
from shortlist.server.tracing import Tracing
from shortlist.settings import Settings

BACKLOG = 2048
_LOG = logging.getLogger("shortlist.server")


def keys_of(serve: ServeSettings) -> tuple[Key, ...]:
    """Read the keys file, if there is one."""
    if not serve.keys_file:
        return ()
    return read_keys(Path(serve.keys_file), requests_per_s=serve.requests_per_s, concurrent=serve.concurrent)


def hidden_of(settings: Settings) -> tuple[str, ...]:
    """Return what no client needs to know: where language models run whose names do not say it."""
    return () if settings.llm_server == "none" else (settings.llm_server.rstrip("/"),)


def state_of(settings: Settings, serve: ServeSettings) -> State:
    """Open what the settings name; models are loaded when the server starts."""
    metrics = Metrics()
    keys = keys_of(serve)
    desk = Desk.open(Path(serve.index), settings, is_writable=serve.writable_index) if serve.index else None
    pool = pool_of(settings, serve, metrics, encoder=None if desk is None else desk.encoder)
    return State(serve, pool, metrics, desk, settings.fallback, keys, hidden_of(settings))


def serve_forever(settings: Settings, serve: ServeSettings, *, announce: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; what was let in is answered first, for `drain_s` at most.

    SIGHUP reads the keys, a read-only index and the models again. `announce` gets the address once
    requests are answered. Raises InputError when the address cannot be had.
    """
    start_logging(serve.log_format)
    state = state_of(settings, serve)
    if state.desk is not None:
        state.desk.optimize()
    app = make_app(state, tracing=Tracing.of_installed(is_wanted=serve.telemetry))
    config = _config(app, serve)
    try:
        listening = config.bind_socket()
    except SystemExit as error:
        raise InputError(
            f"cannot listen on {serve.host}:{serve.port}; another process may, or the address is not this machine's"
        ) from error
    server = _Server(config, state, announce)
    try:
        server.run([listening])
    finally:
        listening.close()


def _config(app: ASGIApp, serve: ServeSettings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=serve.host,
        port=serve.port,
        http=timed_protocol(serve.header_timeout_s, write_timeout_s=serve.write_timeout_s),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=max(1, round(serve.keep_alive_s)),
        timeout_graceful_shutdown=max(1, round(serve.drain_s)),
    )


@dataclass(slots=True)
class Again:
    """What SIGHUP asks for: keys at once, then the index and models, once more if it comes while they are loaded."""

    state: State
    running: asyncio.Task[None] | None = None
    is_asked: bool = False

    def __call__(self) -> None:
        """Take what can be read anew; what cannot be stays as it was, and the log says why."""
        try:
            self.state.keys = keys_of(self.state.settings)
        except ShortlistError as error:
            _LOG.error("the keys were not read again; the old ones hold", extra={"facts": {"why": str(error)}})
        self.is_asked = True
        if self.running is None or self.running.done():
            self.running = asyncio.ensure_future(self._load())

    async def _load(self) -> None:
        while self.is_asked:
            self.is_asked = False
            desk, pool = self.state.desk, self.state.pool
            if desk is not None and desk.is_copy:
                await _told({"index": self.state.settings.index}, asyncio.to_thread(desk.reopen))
            for name in pool.names:
                if pool.loaded(name) is not None:
                    await _told({"model": name}, pool.reload(name))


async def _told(facts: Mapping[str, str], loading: Awaitable[None]) -> None:
    """Await what is loaded again, and log how that went."""
    try:
        await loading
    except Exception as error:  # of any kind: the others are still to be read
        _LOG.error("not loaded again; the old one stays", exc_info=error, extra={"facts": facts})
    else:
        _LOG.info("loaded again", extra={"facts": facts})


_TURNS = 5  # of the event loop, from a connection that the kernel has to one that we know


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, state: State, announce: Callable[[str], None]) -> None:
        super().__init__(config)
        self._state, self._announce = state, announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        async with _at_start(self._state, self._state.pool.default):  # before anybody can connect
            await super().startup(sockets)
        if self.started:
            if hasattr(signal, "SIGHUP"):
                asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, Again(self._state))
            self._announce(f"http://{self.config.host}:{self._port()}")

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Note that the end is near, so that `/ready` says so to whoever still asks."""
        self._state.is_draining = True
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take in whoever has connected already, then end."""
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        await super().shutdown(sockets)

    def _port(self) -> int:
        port: int = self.servers[0].sockets[0].getsockname()[1]
        return port


@asynccontextmanager
async def _at_start(state: State, name: str) -> AsyncIterator[None]:
    """Lease a model; whoever starts the server is told what was wrong as it is, not as clients are."""
    async with AsyncExitStack() as leased:
        try:
            await leased.enter_async_context(state.pool.lease(name))
        except ModelError as error:
            if isinstance(error.__cause__, ShortlistError):
                raise error.__cause__ from None
            raise
        yield


def check_state(settings: Settings, serve: ServeSettings) -> None:
    """Load everything that the settings name once, and put it away again; raises what would stop a start."""

    async def check() -> None:
        state = state_of(settings, serve)
        Tracing.of_installed(is_wanted=serve.telemetry)
        try:
            for name in state.pool.names:
                async with _at_start(state, name):
                    pass
        finally:
            await state.close()

    asyncio.run(check())
