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
from shortlist.server.telling_apart import OWN, PATHS, PREDICT
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

    return Guard(Router(routes(), lifespan=lifespan), state, tracing or Tracing())


_INDEX_METHODS = ("GET", "POST", "DELETE")
_Endpoint = Callable[[Request], Awaitable[Response]]


def _own(name: str, answer: _Endpoint, *, methods: Sequence[str] = ("POST",)) -> list[Route]:
    """Return the routes of our own format."""

    async def noted(request: Request) -> Response:
        notes_of(request).dialect = OWN_DIALECT
        return await answer(request)

    return [Route(path, noted, methods=list(methods)) for path in OWN[name]]


def routes() -> list[Route]:
    """Return everything that answers."""
    return [
        *(Route(path, rerank, methods=["POST"]) for path in PATHS),
        *(Route(path, predict.predict, methods=["POST"]) for path in PREDICT),
        *_own("rerank", own.rerank),
        *_own("explain", own.explain),
        *_own("search", index.search),
        *_own("index", index.index, methods=_INDEX_METHODS),
        *_own("plan", plan.plan),
        Route("/", page.page),
        Route("/page/{name}", page.page),
        Route("/openapi.json", openapi.document),
        Route("/metrics", health.metrics),
        *(Route(path, answer) for path, answer in health.READ.items()),
    ]
