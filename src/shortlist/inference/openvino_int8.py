"""Weights of an OpenVINO model to int8, one scale an output column."""

from __future__ import annotations

from typing import Any

import numpy as np

from shortlist._optional import require


def compress_weights(model: Any) -> int:
    """Replace the constant weights of every matrix product in place; returns how many.

    A weight becomes int8 times an fp32 scale a column, with the largest magnitude of the
    column at 127. OpenVINO multiplies such weights in int8, with activations quantised at
    run time, where the processor can; elsewhere it unpacks them.
    """
    ops = require("openvino", extra="openvino").opset13
    done = 0
    for node in model.get_ordered_ops():
        if node.get_type_name() != "MatMul":
            continue
        weight = _constant(node.input_value(1))
        if weight is None or weight.ndim != 2 or weight.size < 4096:
            continue
        axis = 1 if node.get_attributes().get("transpose_b") else 0
        scale = np.maximum(np.abs(weight).max(axis=axis, keepdims=True), 1e-12) / 127
        packed = ops.constant(np.round(weight / scale).astype(np.int8))
        unpacked = ops.multiply(ops.convert(packed, "f32"), ops.constant(scale.astype(np.float32)))
        node.input(1).replace_source_output(unpacked.output(0))
        done += 1
    return done


def _constant(output: Any) -> Any:
    """Return the fp32 values behind an output, looking through conversions, scales and transpositions, or None."""
    node = output.get_node()
    kind = node.get_type_name()
    if kind == "Constant":
        return np.asarray(node.data, dtype=np.float32)
    if kind == "Convert":
        return _constant(node.input_value(0))
    if kind == "Multiply":
        left, right = _constant(node.input_value(0)), _constant(node.input_value(1))
        return None if left is None or right is None else left * right
    if kind == "Transpose":
        inner, order = _constant(node.input_value(0)), _constant(node.input_value(1))
        return None if inner is None or order is None else inner.transpose(order.astype(int))
    return None
