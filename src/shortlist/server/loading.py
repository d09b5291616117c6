"""A model's name becomes a served model: behind a queue if it scores pairs here, whole requests otherwise."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import replace
from pathlib import Path

from shortlist.build.calibration import level_of
from shortlist.build.exits import promising_first
from shortlist.build.named import Named, is_remote, pointwise_of
from shortlist.inference.biencoder import BiEncoder
from shortlist.pipeline import CheapFirst
from shortlist.protocols import AsyncReranker
from shortlist.server.metrics import Metrics
from shortlist.server.models.asked import Served
from shortlist.server.models.cheap_first import CheapFirstModel
from shortlist.server.models.pool import Loading, ModelPool
from shortlist.server.models.queued import QueuedModel
from shortlist.server.models.whole import WholeModel
from shortlist.server.scheduling.queue import Batch, Bounds
from shortlist.server.settings import ServeSettings
from shortlist.settings import Settings

_REMOTE_AT_ONCE = 16


def loading(settings: Settings, serve: ServeSettings, metrics: Metrics, encoder: BiEncoder | None = None) -> Loading:
    """Return what loads a model by name, off the event loop, and finds out how fast it is.

    The settings' exits are those of the model that answers when a request names none.
    """
    own = replace(settings, model=(serve.models or (settings.model,))[0])

    async def load(name: str) -> Served:
        named = Named.of(name, own, encoder)
        reranker = await asyncio.to_thread(named.guarded)
        reading = pointwise_of(reranker)
        if reading is None or is_remote(reading):
            at_once = _REMOTE_AT_ONCE if isinstance(reranker, AsyncReranker) else 1
            return WholeModel(reranker, at_once=at_once, fingerprint=name)
        level = await asyncio.to_thread(level_of, name, reading.scorer, threads=settings.threads, may_probe=True)

        def watch(batch: Batch, latency_ms: float) -> None:
            metrics.count_batch(name, fill=batch.tokens / serve.batch_tokens, seconds=latency_ms / 1000)

        queued = QueuedModel(
            reading.scorer,
            cost=level.cost,
            batch_tokens=serve.batch_tokens,
            bounds=Bounds(serve.max_waiting_pairs, serve.max_wait_ms),
            remembered=serve.cached_pairs,
            watch=watch,
        )
        first = reranker if isinstance(reranker, CheapFirst) else promising_first(reading, reading.scorer)
        return queued if first is None else CheapFirstModel(first, queued)

    return load


def pool_of(
    settings: Settings, serve: ServeSettings, metrics: Metrics, *, encoder: BiEncoder | None = None
) -> ModelPool:
    """Return the pool of all models that the settings name, none loaded yet."""
    names = serve.models or (settings.model,)
    pool = ModelPool(
        [*names, *settings.fallback],
        loading(settings, serve, metrics, encoder),
        aliases=serve.aliases,
        memory_bytes=serve.memory_mb << 20,
        resident=resident_bytes,
    )
    metrics.loads = lambda: {name: served.load for name, served in pool.in_memory().items()}
    return pool


def resident_bytes() -> int:
    """Return how much memory this process holds; elsewhere than on Linux the most it ever held."""
    statm = Path("/proc/self/statm")
    if statm.is_file():
        return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    if sys.platform == "win32":
        return 0
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
