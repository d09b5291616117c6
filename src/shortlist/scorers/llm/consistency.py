"""One ranking from several whose candidates were shuffled, so that where a passage stood cannot decide.

Permutation self-consistency (Tang et al. 2023, "Found in the Middle") takes the ranking
closest to all of them by Kendall's tau; here it is Borda's mean rank (de Borda 1781), whose
tau distance is at most 5 times the smallest and which needs no search.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def shuffles(count: int, times: int, *, seed: int) -> list[list[int] | None]:
    """Return how to shuffle 0..count-1 each of so many `times`: not at all first, then by seeded random ranks."""
    chance = random.Random(seed)
    return [None, *(chance.sample(range(count), count) for _ in range(times - 1))]


def mean_ranks(orders: Sequence[Sequence[int]], count: int) -> npt.NDArray[np.float32]:
    """Return the mean rank, from 1, of each place 0..count-1 over orders; those that one leaves out share its last."""
    ranks = np.empty((len(orders), count), dtype=np.float32)
    for row, order in zip(ranks, orders, strict=True):
        row[:] = (len(order) + 1 + count) / 2
        row[list(order)] = np.arange(1, len(order) + 1)
    means: npt.NDArray[np.float32] = ranks.mean(axis=0)
    return means
