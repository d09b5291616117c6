"""The ASGI application: routes, the guard around them, and what happens at start and end."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp

from shortlist.server.guard import Guard
from shortlist.server.replies import notes_of
from shortlist.server.routes import health, index, openapi, own, page, plan, predict
from shortlist.server.routes.rerank import rerank
from shortlist.server.settings import OWN_DIALECT
from shortlist.server.state import State
from shortlist.server.telling_apart import PATHS, PREDICT
from shortlist.server.tracing import Tracing

_LOG = logging.getLogger("shortlist.server")


def make_app(state: State, *, tracing: Tracing | None = None) -> ASGIApp:
    """Return the application for a state; its models are loaded when it starts, and put away when it ends."""

    @asynccontextmanager
    async def lifespan(app: object) -> AsyncIterator[None]:
        async with state.pool.lease(state.pool.default):
            state.is_ready = True
        _LOG.info("ready", extra={"facts": {"model": state.pool.default}})
        yield
        state.is_draining = True
        await state.close()

    return Guard(Router(_routes(), lifespan=lifespan), state, tracing or Tracing())


_INDEX_METHODS = ("GET", "POST", "DELETE")
_Endpoint = Callable[[Request], Awaitable[Response]]


def _own(name: str, answer: _Endpoint, *, is_short: bool = False, methods: Sequence[str] = ("POST",)) -> list[Route]:
    """Return the routes of our own format, at its prefix and, if no other server's path is in the way, without it."""

    async def noted(request: Request) -> Response:
        notes_of(request).dialect = OWN_DIALECT
        return await answer(request)

    paths = (f"/shortlist/v1/{name}", f"/v1/{name}") if is_short else (f"/shortlist/v1/{name}",)
    return [Route(path, noted, methods=list(methods)) for path in paths]


def _routes() -> list[Route]:
    return [
        *(Route(path, rerank, methods=["POST"]) for path in PATHS),
        *(Route(path, predict.predict, methods=["POST"]) for path in PREDICT),
        *_own("rerank", own.rerank),
        *_own("explain", own.explain),
        *_own("search", index.search, is_short=True),
        *_own("index", index.index, is_short=True, methods=_INDEX_METHODS),
        *_own("plan", plan.plan, is_short=True),
        Route("/", page.page),
        Route("/page/{name}", page.page),
        Route("/openapi.json", openapi.document),
        Route("/health", health.health),
        *(Route(path, health.tei_health) for path in ("/tei/health", "/ping")),
        *(Route(path, health.health) for path in ("/vllm/health", "/infinity/health")),
        Route("/ready", health.ready),
        Route("/metrics", health.metrics),
        *(Route(path, health.info) for path in ("/info", "/tei/info")),
        *(Route(path, health.models) for path in ("/v1/models", "/models", "/vllm/v1/models", "/infinity/models")),
    ]
