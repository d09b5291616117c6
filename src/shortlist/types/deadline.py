"""The instant by which an answer is due, and the wish to stop before it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import Protocol

from shortlist.errors import InputError

Clock = Callable[[], float]
"""Milliseconds on a clock that never goes back; only differences mean anything."""


class Cancel(Protocol):
    """A wish to stop that another thread may set: a `threading.Event`, or anything with its `is_set`."""

    def is_set(self) -> bool:
        """Whether to stop."""
        ...


def monotonic_ms() -> float:
    """Read the system's monotonic clock."""
    return time.perf_counter() * 1000


@dataclass(frozen=True, slots=True)
class Deadline:
    """`budget_ms` after `began_ms`, as `clock` tells it; `cancel` ends it sooner.

    Make one with `after` at the moment the request arrives, and hand it down: what earlier
    stages took is gone from what is left.
    """

    began_ms: float
    budget_ms: float
    clock: Clock = monotonic_ms
    cancel: Cancel | None = None

    @classmethod
    def after(cls, budget_ms: float, *, clock: Clock = monotonic_ms, cancel: Cancel | None = None) -> Deadline:
        """Start now. Raises InputError when the budget is no positive number; infinity is one."""
        if isinstance(budget_ms, bool) or not isinstance(budget_ms, Real) or math.isnan(budget_ms):
            raise InputError(f"budget_ms must be a number of milliseconds, got {budget_ms!r}")
        if budget_ms <= 0:
            raise InputError(f"budget_ms must be above 0, got {budget_ms}; leave it out for no deadline")
        return cls(clock(), float(budget_ms), clock, cancel)

    @property
    def elapsed_ms(self) -> float:
        """What has been used of the budget."""
        return self.clock() - self.began_ms

    @property
    def left_ms(self) -> float:
        """What is left; negative once the deadline has passed."""
        return self.budget_ms - self.elapsed_ms

    @property
    def is_cancelled(self) -> bool:
        """Whether somebody wished to stop."""
        return self.cancel is not None and self.cancel.is_set()
