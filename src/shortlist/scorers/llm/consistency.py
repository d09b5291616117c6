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


def shuffles(count: int, times: int, *, seed: int) -> list[list[int]]:
    """Return `times` orders of the places 0..count-1: the given one first, then seeded random ones."""
    chance = random.Random(seed)
    return [list(range(count)), *(chance.sample(range(count), count) for _ in range(times - 1))]


def mean_ranks(orders: Sequence[Sequence[int]]) -> npt.NDArray[np.float32]:
    """Return each place's mean rank, from 1, over orders `[orders, places]` of the same places."""
    ranks = np.empty((len(orders), len(orders[0])), dtype=np.float32)
    for row, order in zip(ranks, orders, strict=True):
        row[list(order)] = np.arange(1, len(order) + 1)
    means: npt.NDArray[np.float32] = ranks.mean(axis=0)
    return means
