"""One teacher out of two: cosine and BM25, weighted so that their sum explains the labels best."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from shortlist.training.groups import Group

_STEPS, _RATE = 400, 0.1


@dataclass(frozen=True, slots=True)
class Weights:
    """The teacher's logit is `cosine * a + lexical * b`."""

    cosine: float
    lexical: float


def fit(groups: Sequence[Group]) -> Weights:
    """Fit the weights by maximum likelihood of the positive in the softmax over its group (conditional logit).

    Adam from (20, 0); both are kept at 0 or above, since a teacher that is of no use is left out, not inverted.
    """
    features = np.asarray([list(zip(g.teacher, g.lexical, strict=True)) for g in groups])  # [groups, size, 2]
    scale = np.asarray([0.05, max(1.0, float(features[..., 1].std()))])
    features = features / scale
    weights = np.asarray([1.0, 0.0])
    first = second = np.zeros(2)
    for step in range(1, _STEPS + 1):
        gradient = (_probabilities(features @ weights)[..., None] * features).sum(1).mean(0) - features[:, 0].mean(0)
        first, second = 0.9 * first + 0.1 * gradient, 0.99 * second + 0.01 * gradient**2
        correction = np.sqrt(1 - 0.99**step) / (1 - 0.9**step)
        weights = np.maximum(0.0, weights - _RATE / np.sqrt(step) * correction * first / (np.sqrt(second) + 1e-8))
    cosine, lexical = (weights / scale).tolist()
    return Weights(round(cosine, 4), round(lexical, 4))


def taught(groups: Iterable[Group], weights: Weights) -> list[Group]:
    """Return the groups with the ensemble's logits as their teacher."""
    return [replace(group, teacher=_logits(group, weights)) for group in groups]


def _logits(group: Group, weights: Weights) -> tuple[float, ...]:
    both = zip(group.teacher, group.lexical, strict=True)
    return tuple(round(cosine * weights.cosine + lexical * weights.lexical, 4) for cosine, lexical in both)


def _probabilities(logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    shifted = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(shifted / shifted.sum(1, keepdims=True))
