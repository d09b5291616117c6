"""An ONNX file quantised to int8 for ONNX Runtime: weights when loaded, activations at run time."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from shortlist._optional import require
from shortlist.inference.processor import sums_bytes_in_32_bits


def quantized(file: Path) -> bytes:
    """Return the model with int8 weights, one scale an output column; embedding tables stay as they are.

    Without VNNI the sum of two products of full-range 8-bit numbers overflows 16 bits,
    which changes scores, so weights then use 7 bits
    (https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html).
    """
    require("onnx", extra="hub")
    quantization = require("onnxruntime.quantization", extra="hub")
    with tempfile.TemporaryDirectory() as scratch, _logging_left_alone():
        out = Path(scratch) / "int8.onnx"
        quantization.quantize_dynamic(
            with_plain_weights(file),
            out,
            op_types_to_quantize=["MatMul", "Gemm"],
            per_channel=True,
            reduce_range=not sums_bytes_in_32_bits(),
            weight_type=quantization.QuantType.QInt8,
        )
        return out.read_bytes()


@contextmanager
def _logging_left_alone() -> Iterator[None]:
    """Keep what is logged through `logging.info` from setting up the whole process's logging."""
    root, handler = logging.getLogger(), logging.NullHandler()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)


def with_plain_weights(file: Path) -> Any:
    """Fold the casts and scales of stored weights to fp32, since a quantiser looks for plain initialisers."""
    onnx = require("onnx", extra="hub")
    model = onnx.load(str(file))
    arrays = {constant.name: onnx.numpy_helper.to_array(constant) for constant in model.graph.initializer}
    folded = {}
    for node in list(model.graph.node):
        if node.op_type == "Cast" and node.input[0] in arrays:
            folded[node.output[0]] = arrays[node.output[0]] = arrays[node.input[0]].astype("float32")
        elif node.op_type == "Mul" and all(name in arrays for name in node.input):
            folded[node.output[0]] = arrays[node.output[0]] = arrays[node.input[0]] * arrays[node.input[1]]
            folded.pop(node.input[0], None)
        else:
            continue
        model.graph.node.remove(node)
    model.graph.initializer.extend(onnx.numpy_helper.from_array(values, name) for name, values in folded.items())
    # the quantiser's own mark, without which it warns
    model.metadata_props.add(key="onnx.quant.pre_process", value="onnxruntime.quant")
    return model
