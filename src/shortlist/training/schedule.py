"""Which groups a step reads, and at which rate it learns."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Generic, TypeVar

_T = TypeVar("_T")


class Order(Generic[_T]):
    """Items in a new order every epoch; which ones a step gets depends on its number and the seed alone.

    So a run that goes on from a checkpoint reads what it would have read.
    """

    def __init__(self, items: Sequence[_T], *, per_step: int, rng: random.Random) -> None:
        self._items, self._per_step, self._rng = list(items), per_step, rng
        self._epoch = -1

    @property
    def steps_an_epoch(self) -> int:
        """How many steps read every item once."""
        return math.ceil(len(self._items) / self._per_step)

    def step(self, number: int) -> Sequence[_T]:
        """Return what step `number`, from 0, reads; numbers must not fall below an earlier one's epoch."""
        epoch, place = divmod(number, self.steps_an_epoch)
        while self._epoch < epoch:
            self._rng.shuffle(self._items)
            self._epoch += 1
        return self._items[place * self._per_step : (place + 1) * self._per_step]


def rate(used: float, *, warmup: float) -> float:
    """Return the share of the peak rate: linear warm-up, then a half cosine to 0, over the share used of the budget."""
    if used < warmup:
        return used / warmup
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (used - warmup) / (1 - warmup))))
