"""How far each channel's range goes over into its weights, so that few outlying ones do not take up all of a byte."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

SMOOTHINGS = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Tried for each product: how much of a channel's range goes over into its weights; the published default is .5."""

SAMPLED = 512
"""Tokens on which smoothings are compared."""

LEAST = 4096
"""Numbers in a weight; below that int8 saves nothing."""

_TINY = 1e-6
Floats = npt.NDArray[np.float32]
_Source = TypeVar("_Source", bound=Hashable)


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What a source was on real batches: each channel's largest magnitude `[in]`, and some tokens `[tokens, in]`."""

    largest: Floats
    tokens: Floats


def seen_in(batches: Iterable[Mapping[_Source, Floats]], count: int) -> dict[_Source, Seen]:
    """Return what each source was; a batch gives the tokens `[tokens, in]` of every source, and there are `count`."""
    each = -(-SAMPLED // max(1, count))
    tokens: dict[_Source, list[Floats]] = {}
    largest: dict[_Source, Floats] = {}
    for batch in batches:
        for source, values in batch.items():
            reach = np.abs(values).max(axis=0)
            largest[source] = np.maximum(largest.get(source, reach), reach)
            tokens.setdefault(source, []).append(values[:: max(1, len(values) // each)].copy())
    return {source: Seen(largest[source], np.concatenate(sampled)) for source, sampled in tokens.items()}


def best_factor(weight: Floats, source: Seen, *, steps: int = 127) -> tuple[float, Floats]:
    """Compare what a product `[in, out]` loses by rounding; weights have so many steps from zero up.

    Channels are divided by a factor that their weights are multiplied by (SmoothQuant, Xiao et al. 2023). Return the
    smallest error, as a share of the product's mean square, and the factors `[in]` that give it.
    """
    exact = source.tokens @ weight
    found = []
    for smoothing in SMOOTHINGS:
        rows = np.maximum(np.abs(weight).max(axis=1), _TINY)
        factor = (np.maximum(source.largest, _TINY) ** smoothing / rows ** (1 - smoothing)).astype(np.float32)
        step = peak(source, factor) / 128
        tokens = np.clip(np.round(source.tokens / factor / step), -128, 127) * step
        scaled = weight * factor[:, None]
        unit = columns(scaled) / steps
        wrong = tokens @ (np.round(scaled / unit) * unit) - exact
        found.append((float(np.mean(wrong**2) / max(np.mean(exact**2), _TINY)), factor))
    return min(found, key=lambda one: one[0])


def peak(source: Seen, factor: Floats) -> np.float32:
    """Return how far the channels reach that were divided by `factor`."""
    return np.float32(np.max(np.maximum(source.largest, _TINY) / factor))


def columns(weight: Floats) -> Floats:
    """Return the largest magnitude of each column `[1, out]`."""
    return np.asarray(np.maximum(np.abs(weight).max(axis=0, keepdims=True), _TINY), dtype=np.float32)
