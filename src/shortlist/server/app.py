"""The ASGI application: routes, the guard around them, and what happens at start and end."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.routing import Route, Router
from starlette.types import ASGIApp

from shortlist.server.guard import Guard
from shortlist.server.routes import health, index, openapi, own, page, plan
from shortlist.server.routes.rerank import rerank
from shortlist.server.state import State
from shortlist.server.telling_apart import PATHS
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
        await state.pool.close()
        if state.desk is not None:
            state.desk.close()

    return Guard(Router(_routes(), lifespan=lifespan), state, tracing or Tracing())


_INDEX_METHODS = ["GET", "POST", "DELETE"]


def _routes() -> list[Route]:
    return [
        *(Route(path, rerank, methods=["POST"]) for path in PATHS),
        Route("/shortlist/v1/rerank", own.rerank, methods=["POST"]),
        Route("/shortlist/v1/explain", own.explain, methods=["POST"]),
        *(Route(path, index.search, methods=["POST"]) for path in ("/v1/search", "/shortlist/v1/search")),
        *(Route(path, index.index, methods=_INDEX_METHODS) for path in ("/v1/index", "/shortlist/v1/index")),
        *(Route(path, plan.plan, methods=["POST"]) for path in ("/v1/plan", "/shortlist/v1/plan")),
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
