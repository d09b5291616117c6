"""How far each channel of a BERT graph reaches on real texts, where the native kernel multiplies in int8."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from shortlist._optional import require
from shortlist.inference.batches import pad, plan_batches
from shortlist.inference.tokens import ModelInput
from shortlist.inference.watching import Floats, watched

# The key's input is all tokens' in the last layer too, where the query is made of the first alone.
_READERS = ("encoder.layer.{}.attention.self.key.weight", "encoder.layer.{}.intermediate.dense.weight")
_TOKENS = 1024


@dataclass(frozen=True, slots=True, eq=False)
class Peaks:
    """The largest magnitudes `[hidden]`, a layer each, of what attention and what the feed-forward network read."""

    qkv: tuple[Floats, ...]
    fed: tuple[Floats, ...]


def measured_peaks(graph: Path, inputs: Sequence[ModelInput], *, pad_id: int) -> Peaks:
    """Run a graph that shortlist exported on `inputs` in fp32, with ONNX Runtime."""
    model = require("onnx", extra="native").load(str(graph))
    sources = _sources(model)
    names = list(dict.fromkeys(name for pair in sources for name in pair))
    plan = plan_batches([len(one) for one in inputs], token_budget=_TOKENS)
    found: dict[str, Floats] = {}
    for values in watched(graph, names, [pad([inputs[place] for place in places], pad_id=pad_id) for places in plan]):
        for name, seen in values.items():
            peak = np.abs(seen).max(axis=0)
            found[name] = np.maximum(found[name], peak) if name in found else peak
    return Peaks(*(tuple(found[name] for name in kind) for kind in zip(*sources, strict=True)))


def _sources(model: Any) -> list[tuple[str, ...]]:
    """Name, for each layer, what its attention and its feed-forward network read."""
    readers: dict[str, list[Any]] = {}
    for node in model.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    weights, layers = {one.name for one in model.graph.initializer}, 0
    while _READERS[0].format(layers) in weights:
        layers += 1
    return [tuple(_read_with(readers, name.format(layer)) for name in _READERS) for layer in range(layers)]


def _read_with(readers: dict[str, list[Any]], weight: str) -> str:
    """Follow a weight through its cast and its scale to the product, and return what it is multiplied with."""
    node = readers[weight][0]
    while node.op_type != "MatMul":
        node = readers[node.output[0]][0]
    return str(node.input[0])
