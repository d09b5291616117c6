"""An OpenVINO model's matrix products in int8: weights alone, or activations too by ranges measured beforehand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from shortlist._optional import require
from shortlist.inference.batches import Batch
from shortlist.inference.smoothing import LEAST, Floats, Seen, best_factor, columns, peak, seen_in
from shortlist.inference.watching import real_tokens

LARGEST_ERROR = 2.5e-4
"""Of a product's mean square, what rounding may cost it; those beyond stay in bf16 or fp32 (docs/speed.md)."""

_TINY = 1e-6
_Port = tuple[str, int]  # a node's name, and which of its outputs


@dataclass(frozen=True, slots=True, eq=False)
class _Product:
    """A product with constant weights, brought to `[in, out]`."""

    node: Any
    weight: Floats

    @property
    def source(self) -> _Port:
        """What is multiplied: query, key and value share it."""
        output = self.node.input_value(0)
        return output.get_node().get_friendly_name(), output.get_index()


def compress_weights(model: Any) -> int:
    """Replace the constant weights of every matrix product in place; returns how many.

    A weight becomes int8 times an fp32 scale a column, with the largest magnitude of the
    column at 127. OpenVINO multiplies such weights in int8, with activations quantised at
    run time, where the processor can; elsewhere it unpacks them.
    """
    ops = require("openvino", extra="openvino").opset13
    products = _products(model)
    for one in products:
        scale = np.maximum(np.abs(one.weight).max(axis=0, keepdims=True), _TINY) / 127
        packed = ops.constant(np.round(one.weight / scale).astype(np.int8))
        unpacked = ops.multiply(ops.convert(packed, "f32"), ops.constant(scale.astype(np.float32)))
        product = ops.matmul(one.node.input_value(0), unpacked, False, False)
        one.node.output(0).replace(product.output(0))
    return len(products)


def save_quantised(file: Path, batches: Sequence[Batch], out: Path) -> int:
    """Write `file` with int8 products to `out` (.xml), activations quantised by what `batches` make of them.

    Returns how many products stay as they are, because rounding would cost them more than LARGEST_ERROR.
    """
    openvino = require("openvino", extra="openvino")
    core = openvino.Core()
    seen = seen_in(_watched(core, core.read_model(str(file)), batches), len(batches))
    model = core.read_model(str(file))
    left = _quantise(model, seen)
    openvino.save_model(model, str(out), compress_to_fp16=False)
    return left


def is_quantised(model: Any) -> bool:
    """Whether a model holds what `save_quantised` puts in."""
    return any(node.get_type_name() == "FakeQuantize" for node in model.get_ops())


def _watched(core: Any, model: Any, batches: Sequence[Batch]) -> Iterator[dict[_Port, Floats]]:
    """Yield, a batch at a time, what each source of `_by_source` was in fp32: `[tokens, width]`, padding left out."""
    sources = _by_source(model)
    first = len(model.outputs)
    model.add_outputs([products[0].node.input_value(0) for products in sources.values()])
    request = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"}).create_infer_request()
    names = [port.get_any_name() for port in model.inputs]
    for batch in batches:
        outputs = list(request.infer({name: getattr(batch, name) for name in names}).values())[first:]
        yield {source: real_tokens(np.asarray(values), batch) for source, values in zip(sources, outputs, strict=True)}


def _quantise(model: Any, seen: Mapping[_Port, Seen]) -> int:
    """Put fake quantisation before products, which OpenVINO turns into products of int8; returns how many it left.

    Activations have one range a tensor. So that a few outlying channels do not take it up, each channel is divided
    by a factor that its weights are multiplied by (SmoothQuant, Xiao et al. 2023). Weights have a range a column.
    """
    ops = require("openvino", extra="openvino").opset13
    left = 0
    for source, products in _by_source(model).items():
        error, factor = best_factor(np.concatenate([one.weight for one in products], axis=1), seen[source])
        if error > LARGEST_ERROR:
            left += len(products)
            continue
        smooth = ops.multiply(products[0].node.input_value(0), ops.constant((1 / factor).reshape(1, -1)))
        activations = _rounded(ops, smooth, peak(seen[source], factor), levels=256)
        for one in products:
            weight = one.weight * factor[:, None]
            rounded = _rounded(ops, ops.constant(weight), columns(weight), levels=255)
            one.node.output(0).replace(ops.matmul(activations, rounded, False, False).output(0))
    return left


def _rounded(ops: Any, values: Any, largest: Any, *, levels: int) -> Any:
    """Round to `levels` steps, zero being one of them: 255 end at the largest, 256 a step earlier above zero."""
    low = np.asarray(-largest, dtype=np.float32)
    high = np.asarray(largest * (127 / 128 if levels == 256 else 1), dtype=np.float32)
    ends = [ops.constant(end) for end in (low, high, low, high)]
    return ops.fake_quantize(values, *ends, levels)


def _by_source(model: Any) -> dict[_Port, list[_Product]]:
    found: dict[_Port, list[_Product]] = {}
    for one in _products(model):
        found.setdefault(one.source, []).append(one)
    return found


def _products(model: Any) -> list[_Product]:
    found = []
    for node in model.get_ordered_ops():
        if node.get_type_name() != "MatMul":
            continue
        weight = _constant(node.input_value(1))
        if weight is not None and weight.ndim == 2 and weight.size >= LEAST:
            is_turned = bool(node.get_attributes().get("transpose_b"))
            found.append(_Product(node, np.ascontiguousarray(weight.T if is_turned else weight)))
    return found


def _constant(output: Any) -> Any:
    """Return the fp32 values behind an output, looking through conversions, transpositions and scales, or None."""
    node = output.get_node()
    kind = node.get_type_name()
    if kind == "Constant":
        return np.asarray(node.data, dtype=np.float32)
    if kind == "Convert":
        return _constant(node.input_value(0))
    if kind in {"Transpose", "Multiply"}:  # weights may be stored as bytes, times a scale
        inner, other = _constant(node.input_value(0)), _constant(node.input_value(1))
        if inner is None or other is None:
            return None
        return inner * other if kind == "Multiply" else inner.transpose(other.astype(int))
    return None
