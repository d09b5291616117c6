"""One teacher out of several: cosines and BM25, weighted so that their sum explains the labels best."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from shortlist.protocols import Encoder, Role
from shortlist.training.groups import Group

_STEPS, _RATE = 400, 0.1

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Weights:
    """The teacher's logit is `cosine * a + lexical * b`, and a weight times the cosine of each further encoder."""

    cosine: float
    lexical: float
    others: tuple[float, ...] = ()


def heard(groups: Sequence[Group], encoders: Sequence[Encoder]) -> list[Group]:
    """Return the groups with the cosines of further bi-encoders; each text is encoded once."""
    opinions = [_cosines(groups, encoder) for encoder in encoders]
    return [replace(group, others=tuple(rows)) for group, *rows in zip(groups, *opinions, strict=True)]


def fit(groups: Sequence[Group]) -> Weights:
    """Fit the weights by maximum likelihood of the positive in the softmax over its group (conditional logit).

    Adam from 20 for a cosine and 0 for BM25; all are kept at 0 or above, since a teacher that is of no use is left
    out, not inverted.
    """
    features = np.asarray([_features(group) for group in groups])  # [groups, size, teachers]
    further = features.shape[2] - 2
    scale = np.asarray([0.05, max(1.0, float(features[..., 1].std())), *(0.05,) * further])
    features = features / scale
    weights = np.asarray([1.0, 0.0, *(1.0,) * further])
    first = second = np.zeros(len(weights))
    for step in range(1, _STEPS + 1):
        gradient = (_probabilities(features @ weights)[..., None] * features).sum(1).mean(0) - features[:, 0].mean(0)
        first, second = 0.9 * first + 0.1 * gradient, 0.99 * second + 0.01 * gradient**2
        correction = np.sqrt(1 - 0.99**step) / (1 - 0.9**step)
        weights = np.maximum(0.0, weights - _RATE / np.sqrt(step) * correction * first / (np.sqrt(second) + 1e-8))
    cosine, lexical, *others = np.round(weights / scale, 4).tolist()
    return Weights(cosine, lexical, tuple(others))


def taught(groups: Iterable[Group], weights: Weights) -> list[Group]:
    """Return the groups with the ensemble's logits as their teacher."""
    factors = np.asarray([weights.cosine, weights.lexical, *weights.others])
    return [replace(group, teacher=tuple((_features(group) @ factors).round(4).tolist())) for group in groups]


def _features(group: Group) -> Floats:
    """Return what each teacher says of each passage, `[size, teachers]`."""
    return np.asarray([group.teacher, group.lexical, *group.others]).T


def _cosines(groups: Sequence[Group], encoder: Encoder) -> list[tuple[float, ...]]:
    passages = list(dict.fromkeys(passage for group in groups for passage in group.passages))
    place = {text: row for row, text in enumerate(passages)}
    vectors = encoder.encode(passages, role=Role.DOCUMENT)  # [passages, dimension]
    queries = encoder.encode([group.query for group in groups], role=Role.QUERY)  # [groups, dimension]
    rows = [[place[passage] for passage in group.passages] for group in groups]
    return [tuple((vectors[row] @ query).round(4).tolist()) for row, query in zip(rows, queries, strict=True)]


def _probabilities(logits: Floats) -> Floats:
    shifted = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(shifted / shifted.sum(1, keepdims=True))
