"""The models that a replica holds, told to Ray Serve: it sends a request to a replica that has the model it names.

Serve reads the name from the header `serve_multiplexed_model_id`, since it does not look into bodies; which model
answers is still what the body says. Without the header any replica answers, and loads the model when it must.
"""

from __future__ import annotations

import asyncio
from typing import Any

from shortlist._optional import require
from shortlist.server.models.pool import Announcing, ModelPool


class Held:
    """A model that Serve counts as one of this replica. Serve calls `__del__` when it has to go."""

    def __init__(self, name: str, pool: ModelPool, loop: asyncio.AbstractEventLoop) -> None:
        self._name, self._pool, self._loop = name, pool, loop
        self._is_gone = False

    def __del__(self) -> None:  # Serve's own protocol: from a thread, and by the interpreter once more
        if not self._is_gone and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._pool.put_away, self._name)
        self._is_gone = True


def multiplexed(pool: ModelPool, *, at_once: int) -> Announcing:
    """Return what tells Serve of every use of a model; beyond `at_once` models (0: no limit) the oldest is put away.

    To be called within a replica only, since Serve keeps the list.
    """

    async def held(name: str) -> Held:
        return Held(name, pool, asyncio.get_running_loop())

    announce: Any = require("ray.serve", extra="ray").multiplexed(max_num_models_per_replica=at_once or -1)(held)
    told: Announcing = announce
    return told
