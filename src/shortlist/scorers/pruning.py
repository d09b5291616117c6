"""How far below the k-th best a candidate may stand at an exit and still be read on."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from shortlist.errors import InputError

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Margins:
    """For each `top_k` one margin an exit, of which model (its fingerprint), for which risk, from how many queries.

    The first exit is the one before the first layer. An infinite margin drops nothing.
    """

    model: str
    risk: float
    queries: int
    by_top_k: Mapping[int, tuple[float, ...]]

    def fitted_for(self, top_k: int | None) -> tuple[int, tuple[float, ...]] | None:
        """Return the smallest `top_k` that holds for the asked one, with its margins: see `fitted_for`."""
        return fitted_for(self.by_top_k, top_k)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values; an infinite margin is null there."""
        shown = {
            str(top_k): [one if math.isfinite(one) else None for one in margins]
            for top_k, margins in self.by_top_k.items()
        }
        return {"model": self.model, "risk": self.risk, "queries": self.queries, "by_top_k": shown}

    def save(self, file: Path) -> None:
        """Write JSON."""
        file.write_text(json.dumps(self.to_dict(), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, file: Path) -> Margins:
        """Read what `save` wrote; raises InputError that names the file when it is something else."""
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
            by_top_k = {
                int(top_k): tuple(math.inf if one is None else float(one) for one in margins)
                for top_k, margins in content.pop("by_top_k").items()
            }
            if not all(by_top_k.values()):
                raise ValueError(f"no margin for top_k={min(k for k, margins in by_top_k.items() if not margins)}")
            return cls(**content, by_top_k=by_top_k)
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise InputError(
                f"{file} holds no margins of exits, as `shortlist exits` writes them now: {error!r}; fit them anew"
            ) from error


Fitted = TypeVar("Fitted")


def fitted_for(by_top_k: Mapping[int, Fitted], top_k: int | None) -> tuple[int, Fitted] | None:
    """Return the smallest `top_k` from the asked one on, with what was fitted for it; None when there is none.

    What keeps the first ten keeps the first seven, if the tenth is what the others are held against.
    """
    enough = [fitted for fitted in by_top_k if top_k is not None and fitted >= top_k]
    return (min(enough), by_top_k[min(enough)]) if enough else None


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
    prediction, Angelopoulos & Bates 2021). Queries of `top_k` candidates or fewer tell nothing, since none of them is
    ever dropped. Infinite when too few others are left to promise anything.

    Raises InputError when `risk` is not between 0 and 1.
    """
    check_risk(risk)
    pairs = zip(exits, finals, strict=True)
    needed = sorted(_needed(early, final, top_k) for early, final in pairs if len(early) > top_k)
    place = math.ceil((len(needed) + 1) * (1 - risk)) - 1
    return needed[place] if place < len(needed) else math.inf


def check_risk(risk: float) -> None:
    """Raise InputError when a risk is not between 0 and 1."""
    if not 0 < risk < 1:
        raise InputError(f"risk must be between 0 and 1, such as 0.05; got {risk}")


def safe_margins(scores: Sequence[Floats], *, top_k: int, risk: float) -> tuple[float, ...]:
    """Return one `safe_margin` an exit, which share `risk`; `scores` hold each query's `[exits + 1, candidates]`.

    An exit at which all candidates stand equal drops none, and takes no share. Raises as `safe_margin` does.
    """
    finals, exits = [one[-1] for one in scores], range(len(scores[0]) - 1) if scores else range(0)
    telling = [place for place in exits if any(np.ptp(one[place]) > 0 for one in scores if one.size)]
    return tuple(
        safe_margin([one[place] for one in scores], finals, top_k=top_k, risk=risk / len(telling))
        if place in telling
        else math.inf
        for place in exits
    )


def _needed(early: Floats, final: Floats, top_k: int) -> float:
    kept = np.argsort(-final, kind="stable")[:top_k]
    return max(0.0, float(np.sort(early)[-top_k] - early[kept].min()))
