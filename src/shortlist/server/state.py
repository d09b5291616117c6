"""What all requests share."""

from __future__ import annotations

from dataclasses import dataclass, field

from shortlist.server.keys import Key
from shortlist.server.metrics import Metrics
from shortlist.server.models.pool import ModelPool
from shortlist.server.quota import Quotas
from shortlist.server.searching import Desk
from shortlist.server.settings import ServeSettings
from shortlist.types import Clock, monotonic_ms


@dataclass(slots=True)
class State:
    """The settings, the models, the index (None without one), who may ask, and what was counted.

    `fallback` names the served models that are asked when another fails; no keys at all let everybody
    ask. `hidden` are the addresses of servers behind this one. `is_ready` once the default model is loaded;
    `is_draining` when the server is about to end, and answers what still comes.
    """

    settings: ServeSettings
    pool: ModelPool
    metrics: Metrics
    desk: Desk | None = None
    fallback: tuple[str, ...] = ()
    keys: tuple[Key, ...] = ()
    hidden: tuple[str, ...] = ()
    clock: Clock = monotonic_ms
    is_ready: bool = False
    is_draining: bool = False
    quotas: Quotas = field(init=False)

    def __post_init__(self) -> None:
        self.quotas = Quotas(self.clock)

    async def close(self) -> None:
        """Put every model away once its requests are answered, then close the index."""
        await self.pool.close()
        if self.desk is not None:
            self.desk.close()
