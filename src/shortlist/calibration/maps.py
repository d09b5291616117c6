"""Functions that turn a scorer's scores into probabilities, each fitted to labels."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from shortlist.calibration.logistic import Floats, fit_logistic, log_loss, sigmoid
from shortlist.errors import InputError


class ScoreMap(Protocol):
    """A function of scores that never falls."""

    def __call__(self, scores: Floats) -> Floats:
        """Return probabilities `[scores]` within 0..1."""
        ...


@dataclass(frozen=True, slots=True)
class Platt:
    """`sigmoid(slope * score + offset)` (Platt, 1999)."""

    slope: float
    offset: float

    def __post_init__(self) -> None:
        if not (0 < self.slope < math.inf and math.isfinite(self.offset)):
            raise InputError(f"a slope above 0 and an offset are needed; got {self.slope} and {self.offset}")

    def __call__(self, scores: Floats) -> Floats:
        """Return probabilities."""
        return sigmoid(self.slope * scores + self.offset)


@dataclass(frozen=True, slots=True)
class Temperature:
    """`sigmoid(score / temperature)` (Guo et al., ICML 2017): keeps a logit of 0 at one half."""

    temperature: float

    def __post_init__(self) -> None:
        if not 0 < self.temperature < math.inf:
            raise InputError(f"a temperature is above 0; got {self.temperature}")

    def __call__(self, scores: Floats) -> Floats:
        """Return probabilities."""
        return sigmoid(scores / self.temperature)


@dataclass(frozen=True, slots=True)
class Isotonic:
    """A rising line through the points (`scores`, `chances`), flat beyond the first and the last."""

    scores: tuple[float, ...]
    chances: tuple[float, ...]

    def __post_init__(self) -> None:
        at, chances = np.asarray(self.scores, float), np.asarray(self.chances, float)
        if not (len(at) == len(chances) > 0 and np.isfinite(at).all() and (np.diff(at) > 0).all()):
            raise InputError(f"as many rising scores as chances are needed; got {len(at)} and {len(chances)}")
        if not ((np.diff(chances) >= 0).all() and chances[0] >= 0 and chances[-1] <= 1):
            raise InputError("chances must rise with the score, within 0..1")

    def __call__(self, scores: Floats) -> Floats:
        """Return probabilities."""
        result: Floats = np.interp(scores, self.scores, self.chances)
        return result


def fit_platt(scores: Floats, labels: Floats) -> Platt:
    """Fit slope and offset; labels are softened as in Platt's paper, so that few labels give no certainty.

    Raises InputError when the fit would fall with the score: such scores do not tell relevant from irrelevant.
    """
    yes, no = float(labels.sum()), float(len(labels) - labels.sum())
    softened = np.where(labels > 0.5, (yes + 1) / (yes + 2), 1 / (no + 2))
    spread = float(scores.std()) or 1.0
    (slope,), offset = fit_logistic(scores[:, None] / spread, softened, ridge=0.0)
    if slope <= 0:
        raise InputError(
            f"scores do not rise with relevance in these {len(labels)} labels (slope {slope:.3f}),"
            " so they cannot be calibrated; is this the right scorer?"
        )
    return Platt(float(slope) / spread, offset)


def fit_temperature(scores: Floats, labels: Floats) -> Temperature:
    """Fit the one number by the least log loss, in .001 to 1000, to three digits or better."""
    grid = np.linspace(np.log(1e-3), np.log(1e3), 61)
    for _ in range(4):
        losses = [log_loss(scores / np.exp(at), labels) for at in grid]
        best = grid[int(np.argmin(losses))]
        width = grid[1] - grid[0]
        grid = np.linspace(best - width, best + width, 41)
    return Temperature(float(np.exp(best)))


def fit_isotonic(scores: Floats, labels: Floats) -> Isotonic:
    """Fit by pooling adjacent violators (Zadrozny and Elkan, KDD 2002), linear between the pools' means."""
    distinct, place = np.unique(scores, return_inverse=True)
    sizes = np.bincount(place).astype(float)
    labelled = np.bincount(place, weights=labels)
    pools: list[tuple[float, float, float]] = []  # sum of labels, size, sum of scores
    for pool in zip(labelled.tolist(), sizes.tolist(), (distinct * sizes).tolist(), strict=True):
        pools.append(pool)
        while len(pools) > 1 and _mean_at_least(pools[-2], pools[-1]):
            right, left = pools.pop(), pools.pop()
            pools.append((left[0] + right[0], left[1] + right[1], left[2] + right[2]))
    return Isotonic(tuple(pool[2] / pool[1] for pool in pools), tuple(pool[0] / pool[1] for pool in pools))


def _mean_at_least(left: tuple[float, float, float], right: tuple[float, float, float]) -> bool:
    """Compare mean labels without dividing, so that equal ones of whole counts are exactly equal."""
    return left[0] * right[1] >= right[0] * left[1]


FITS: Mapping[str, Callable[[Floats, Floats], ScoreMap]] = {
    "platt": fit_platt,
    "temperature": fit_temperature,
    "isotonic": fit_isotonic,
}
_MAPS: Mapping[str, Callable[..., ScoreMap]] = {
    "platt": Platt,
    "temperature": Temperature,
    "isotonic": Isotonic,
}


def map_of(method: str, parameters: Mapping[str, Any]) -> ScoreMap:
    """Make a map again from its method and parameters; raises InputError for what cannot be one."""
    if method not in _MAPS:
        raise InputError(f"no calibration method {method!r}; there are: {', '.join(_MAPS)}")
    try:
        values = {name: tuple(v) if isinstance(v, Sequence) else float(v) for name, v in parameters.items()}
        return _MAPS[method](**values)
    except (TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{parameters} are no parameters of {method}: {error}") from error
