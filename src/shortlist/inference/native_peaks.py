"""How far each channel of a BERT graph reaches on real texts, where the native kernel multiplies in int8."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt

from shortlist._optional import require
from shortlist.inference.batches import pad, plan_batches
from shortlist.inference.onnxruntime import OnnxRuntimeSession
from shortlist.inference.tokens import ModelInput

Floats = npt.NDArray[np.float32]

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
    onnx = require("onnx", extra="native")
    model = onnx.load(str(graph))
    sources = _sources(model)
    names = list(dict.fromkeys(name for pair in sources for name in pair))
    known = {output.name for output in model.graph.output}
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in known)
    found: dict[str, Floats] = {}
    with TemporaryDirectory() as scratch:
        file = Path(scratch) / "model.onnx"
        onnx.save(model, str(file), save_as_external_data=True, location="weights")  # they may be over 2 GB
        session = OnnxRuntimeSession.load(file)
    for places in plan_batches([len(one) for one in inputs], token_budget=_TOKENS):
        batch = pad([inputs[place] for place in places], pad_id=pad_id)
        values = dict(
            zip(session.outputs, session.run({name: getattr(batch, name) for name in session.inputs}), strict=True)
        )
        for name in names:
            value = values[name]
            seen = value[batch.attention_mask.astype(bool)] if value.shape[1] > 1 else value[:, 0]
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
