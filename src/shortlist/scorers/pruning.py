"""How far below the k-th best a candidate may stand at an exit and still be read on."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from shortlist.errors import InputError

Floats = npt.NDArray[np.float32]


def survivors(descending: Floats, *, top_k: int, margin: float) -> int:
    """Count the scores, sorted from the highest, that are at most `margin` below the `top_k`-th."""
    if len(descending) <= top_k:
        return len(descending)
    return int(np.count_nonzero(descending >= descending[top_k - 1] - margin))


def safe_margin(exits: Sequence[Floats], finals: Sequence[Floats], *, top_k: int, risk: float) -> float:
    """Return the smallest margin with which a new query loses one of its final `top_k` with a probability up to `risk`.

    `exits` and `finals` hold each query's scores `[candidates]` at an exit and at the top. A query needs the
    margin by which the lowest at the exit of its final `top_k` stands below the exit's own `top_k`-th; the
    ceil((n + 1)(1 - risk))-th smallest of n such margins keeps the promise for a query like these (split conformal
    prediction, Angelopoulos & Bates 2021). Infinite when there are too few queries to promise anything.

    Raises InputError when `risk` is not between 0 and 1.
    """
    if not 0 < risk < 1:
        raise InputError(f"risk must be between 0 and 1, such as 0.05; got {risk}")
    needed = sorted(_needed(early, final, top_k) for early, final in zip(exits, finals, strict=True))
    place = math.ceil((len(needed) + 1) * (1 - risk)) - 1
    return needed[place] if place < len(needed) else math.inf


def _needed(early: Floats, final: Floats, top_k: int) -> float:
    if len(early) <= top_k:
        return 0.0
    kept = np.argsort(-final, kind="stable")[:top_k]
    return max(0.0, float(np.sort(early)[-top_k] - early[kept].min()))
