"""A gate that was trained on logged rerankings."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from shortlist.calibration.error import Interval, calibration_error
from shortlist.calibration.logistic import fit_logistic, sigmoid
from shortlist.errors import InputError
from shortlist.gating.features import NAMES, Features, features_of
from shortlist.types import Decision, Ranking

Floats = npt.NDArray[np.float64]
FOLDS = 5
LEAST = 20
_RIDGE = 0.01
_LEAST_SPREAD = 1e-6  # equal numbers have one too, by rounding


@dataclass(frozen=True, slots=True)
class Logged:
    """One query that was reranked: its features before, and whether it was worth it.

    "Worth it" is the logger's to define: that the first `top_k` changed (needs no
    judgements), or that nDCG rose.
    """

    features: Features
    was_worth_it: bool


@dataclass(frozen=True, slots=True)
class LogisticGate:
    """Rerank when the predicted probability that it is worth it reaches `threshold`.

    Features are centred by `means` and divided by `spreads`, then weighted. `error` is the
    calibration error of the probability on queries held out in turn, from `queries` logged ones.
    """

    means: tuple[float, ...]
    spreads: tuple[float, ...]
    weights: tuple[float, ...]
    bias: float
    error: Interval
    queries: int
    threshold: float = 0.5

    def chance(self, features: Features) -> float:
        """Return the probability that reranking is worth it."""
        return float(self._chances(np.array([features.row()]))[0])

    def decide(self, candidates: Ranking, *, top_k: int) -> Decision:
        """Say whether to rerank; fewer than two candidates have no order to change."""
        if len(candidates) <= 1:
            return Decision(False, f"{len(candidates)} candidates have no order to change")
        chance = self.chance(features_of(candidates, top_k=top_k))
        comparison = "from" if chance >= self.threshold else "below"
        reason = f"worth it with a probability of {chance:.2f}, {comparison} {self.threshold:g}"
        return Decision(chance >= self.threshold, reason, chance)

    def save(self, file: Path) -> None:
        """Write it as JSON, with the names of its features."""
        file.write_text(json.dumps({"features": NAMES, **asdict(self)}, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, file: Path) -> LogisticGate:
        """Read what `save` wrote; raises InputError, also when it was made of other features than there are now."""
        try:
            values: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
            if tuple(values.pop("features")) != NAMES:
                raise ValueError(f"its features are not {', '.join(NAMES)}")
            lists = {name: tuple(map(float, values[name])) for name in ("means", "spreads", "weights")}
            return cls(**{**values, **lists, "error": Interval(**values["error"])})
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{file} is no gate ({error}); train one with `train_gate`") from error

    def _chances(self, rows: Floats) -> Floats:
        return sigmoid((rows - self.means) / self.spreads @ np.array(self.weights) + self.bias)


def train_gate(logged: Sequence[Logged], *, threshold: float = 0.5) -> LogisticGate:
    """Train on logged rerankings. Raises InputError for fewer than 20, or when all ended alike, or almost all."""
    if len(logged) < LEAST:
        raise InputError(f"{len(logged)} logged rerankings are too few to train a gate; it takes {LEAST}")
    if not 0 <= threshold <= 1:
        raise InputError(f"threshold must be a probability, got {threshold}")
    rows, labels = np.array([one.features.row() for one in logged]), np.array([float(o.was_worth_it) for o in logged])
    gate = _fitted(rows, labels)
    error = calibration_error(held_out_chances(rows, labels), labels, np.arange(len(labels), dtype=float))
    return replace(gate, error=error, threshold=threshold)


def held_out_chances(rows: Floats, labels: Floats) -> Floats:
    """Return each row's probability by a gate that was trained without its fifth of the rows.

    Raises InputError when rows of one label only are left without one of the fifths.
    """
    folds = np.arange(len(rows)) % FOLDS
    chances = np.empty(len(rows))
    for fold in range(FOLDS):
        out = folds == fold
        if not 0 < labels[~out].sum() < (~out).sum():
            raise InputError(
                f"{int(labels.sum())} of {len(labels)} logged rerankings were worth it: one kind is too rare to hold"
                " some of it out; log more queries"
            )
        chances[out] = _fitted(rows[~out], labels[~out])._chances(rows[out])
    return chances


def _fitted(rows: Floats, labels: Floats) -> LogisticGate:
    means, spreads = rows.mean(axis=0), rows.std(axis=0)
    spreads[spreads < _LEAST_SPREAD] = 1.0  # a feature that never moves tells nothing
    weights, bias = fit_logistic((rows - means) / spreads, labels, ridge=_RIDGE)
    nothing = Interval(0.0, 0.0, 0.0)
    return LogisticGate(
        tuple(means.tolist()), tuple(spreads.tolist()), tuple(weights.tolist()), bias, nothing, len(labels)
    )
