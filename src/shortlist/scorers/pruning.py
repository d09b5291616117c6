"""How far below the k-th best a candidate may stand at an exit and still be read on."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from shortlist.errors import InputError

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Margins:
    """One margin an exit, of which model (its fingerprint), for which `top_k` and risk, from how many queries.

    An infinite margin drops nothing.
    """

    model: str
    top_k: int
    risk: float
    queries: int
    margins: tuple[float, ...]

    def save(self, file: Path) -> None:
        """Write JSON; an infinite margin is null there."""
        content = asdict(self) | {"margins": [one if math.isfinite(one) else None for one in self.margins]}
        file.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, file: Path) -> Margins:
        """Read what `save` wrote; raises InputError that names the file when it is something else."""
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
            margins = tuple(math.inf if one is None else float(one) for one in content.pop("margins"))
            return cls(**content, margins=margins)
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise InputError(f"{file} holds no margins of exits, as `shortlist exits` writes them: {error}") from error


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


def safe_margins(scores: Sequence[Floats], *, top_k: int, risk: float) -> tuple[float, ...]:
    """Return one `safe_margin` an exit, which share `risk`; `scores` hold each query's `[exits + 1, candidates]`."""
    finals, exits = [one[-1] for one in scores], len(scores[0]) - 1
    return tuple(
        safe_margin([one[place] for one in scores], finals, top_k=top_k, risk=risk / exits) for place in range(exits)
    )


def _needed(early: Floats, final: Floats, top_k: int) -> float:
    if len(early) <= top_k:
        return 0.0
    kept = np.argsort(-final, kind="stable")[:top_k]
    return max(0.0, float(np.sort(early)[-top_k] - early[kept].min()))
