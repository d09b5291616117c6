"""The server as replicas of Ray Serve: the same application, engine and wire formats, more of them.

A replica reads shortlist.toml and SHORTLIST_* where it runs, as `shortlist serve` does. It reports the tokens
that wait in its queues, and `replicas_for_tokens` asks for as many replicas as it takes to work them
off in time. With several models each replica tells Serve which it holds (`multiplexing`). What a replica has no
room for it refuses with 429 and Retry-After, as ever; what Serve itself holds back is bounded by
`max_queued_requests` (503).
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from shortlist._optional import require
from shortlist.errors import InputError
from shortlist.retrieval.remote import Address
from shortlist.scale.multiplexing import multiplexed
from shortlist.server.app import make_app
from shortlist.server.run import state_of
from shortlist.server.settings import ServeSettings
from shortlist.server.state import State
from shortlist.server.tracing import Tracing
from shortlist.settings import FILE_NAME, Settings

TOKENS_A_REPLICA = 20_000.0
"""Tokens that may wait at a replica before another one is asked for: about a second of two cores' work."""

_QUEUED = "queued_tokens"


class Replica:
    """One server inside Ray Serve. `settings` and `serving` are fields that win over file and environment.

    Of several models it holds at most `models_at_once` (0: no limit but that of `memory_mb`).
    """

    def __init__(
        self,
        settings: Mapping[str, Any] | None = None,
        serving: Mapping[str, Any] | None = None,
        models_at_once: int = 0,
    ) -> None:
        file = Path(FILE_NAME) if Path(FILE_NAME).is_file() else None
        chosen = replace(Settings.load(file=file, environ=os.environ), **(settings or {}))
        serve = replace(ServeSettings.load(file=file, environ=os.environ), **(serving or {}))
        if serve.writable_index and not Address.is_one(serve.index):
            raise InputError(
                "replicas cannot write to one folder; push the index to an engine that all of them reach, and name its"
                " address"
            )
        if models_at_once < 0:
            raise InputError(f"models_at_once must be a number of models, or 0 for no limit; got {models_at_once}")
        self._state: State = state_of(chosen, serve)
        self._at_once = models_at_once

    def __serve_build_asgi_app__(self) -> Any:  # Serve's own name
        """Return the application; its models are loaded when Serve starts it."""
        if len(self._state.pool.names) > 1:
            self._state.pool.announce = multiplexed(self._state.pool, at_once=self._at_once)
        return make_app(self._state, tracing=Tracing.of_installed(is_wanted=self._state.settings.telemetry))

    def record_autoscaling_stats(self) -> dict[str, float]:
        """Tell Serve how many tokens wait here."""
        return {_QUEUED: float(sum(load.tokens for load in self._state.metrics.loads().values()))}

    def check_health(self) -> None:
        """Raise when this replica must be replaced: it was told to end and still runs."""
        if self._state.is_draining:
            raise RuntimeError("this replica is draining")


def replicas_for_tokens(context: Any) -> tuple[int, dict[str, Any]]:
    """Return how many replicas the waiting tokens ask for; Serve's `autoscaling_policy`.

    It grows at once and shrinks by one at a time, within the deployment's bounds.
    """
    waiting = (context.aggregated_metrics or {}).get(_QUEUED, {})
    wanted = math.ceil(sum(waiting.values()) / TOKENS_A_REPLICA)
    if wanted < context.current_num_replicas:
        wanted = context.current_num_replicas - 1
    bounded = min(max(wanted, context.capacity_adjusted_min_replicas), context.capacity_adjusted_max_replicas)
    return bounded, {}


def deployment(
    *,
    settings: Mapping[str, Any] | None = None,
    serving: Mapping[str, Any] | None = None,
    models_at_once: int = 0,
    options: Mapping[str, Any] | None = None,
) -> Any:
    """Return the Serve application; `serve run` and serve.yaml import it as `shortlist.scale.ray_serve:app`.

    `options` are those of `serve.deployment`, such as `num_replicas` or `autoscaling_config`.
    """
    serve = require("ray.serve", extra="ray")
    chosen: dict[str, Any] = {
        "name": "shortlist",
        "max_ongoing_requests": 256,
        "max_queued_requests": 512,
        "graceful_shutdown_timeout_s": 30,
        "health_check_period_s": 5,
        **(options or {}),
    }
    made = serve.deployment(serve.ingress()(Replica), **chosen)
    return made.bind(dict(settings or {}), dict(serving or {}), models_at_once)


def app(arguments: Mapping[str, Any]) -> Any:
    """Build the application from serve.yaml's `args`: the mappings `settings` and `serving`, and `models_at_once`."""
    known = {"settings", "serving", "models_at_once"}
    if unknown := set(arguments) - known:
        raise InputError(f"serve.yaml's args are settings, serving and models_at_once, not {sorted(unknown)}")
    return deployment(**{name: value for name, value in arguments.items() if name in known})


def serve_on_ray(settings: Mapping[str, Any], serving: ServeSettings, given: Mapping[str, Any]) -> None:
    """Serve on a Ray cluster until SIGINT: that of RAY_ADDRESS, or one on this machine.

    `given` are the fields of `serving` that the caller named; the replicas read the others where they run.
    """
    from shortlist.scale.ray_batch import connect

    connect()
    serve = require("ray.serve", extra="ray")
    serve.start(http_options={"host": serving.host, "port": serving.port})
    serve.run(deployment(settings=settings, serving=given), name="shortlist", route_prefix="/", blocking=True)
