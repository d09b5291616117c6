"""An ONNX graph's matrix products in int8 for ONNX Runtime, activations rounded by ranges measured beforehand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from shortlist._optional import require
from shortlist.errors import UnsupportedModelError
from shortlist.inference.batches import Batch
from shortlist.inference.onnxruntime import OnnxRuntimeSession
from shortlist.inference.onnxruntime_int8 import with_plain_weights
from shortlist.inference.processor import sums_bytes_in_32_bits
from shortlist.inference.smoothing import LEAST, Floats, Seen, best_factor, columns, peak, seen_in
from shortlist.inference.watching import watched

OUTLIERS = 8
"""Channels of what a product reads that stay in fp32: those that reach furthest (LLM.int8(), Dettmers et al. 2022)."""

MARGIN = 1.5
"""How much further than on the texts it was measured on a channel may reach before it is cut."""

_OPSET = 10  # the first with bytes
_ZERO = 128  # of bytes without a sign


@dataclass(frozen=True, slots=True, eq=False)
class _Product:
    """A product with constant weights, brought to `[in, out]`, and the name of its bias, if it has one."""

    node: Any
    weight: Floats
    bias: str | None


def save_quantised(file: Path, batches: Sequence[Batch], out: Path) -> None:
    """Write `file` with int8 products to `out`; every range is that of what `batches` make of it, and some more.

    Without VNNI the sum of two products of 8-bit numbers overflows 16 bits, so weights then use 7.
    """
    onnx = require("onnx", extra="hub")
    model = with_plain_weights(file)
    if any(one.domain in {"", "ai.onnx"} and one.version < _OPSET for one in model.opset_import):
        raise UnsupportedModelError(
            f"int8 on ONNX Runtime needs a graph of opset {_OPSET} or later; export {file} anew"
        )
    products = _by_source(model)
    seen = seen_in(watched(file, list(products), batches), len(batches))
    steps = 127 if sums_bytes_in_32_bits() else 63
    graph = _Graph(model.graph)
    nodes = list(model.graph.node)
    del model.graph.node[:]
    written: dict[str, _Source] = {}
    places = {one.node.output[0]: one for group in products.values() for one in group}
    for node in nodes:
        product = places.get(node.output[0])
        if product is None:
            model.graph.node.append(node)
            continue
        source = node.input[0]
        if source not in written:
            weights = np.concatenate([one.weight for one in products[source]], axis=1)
            written[source] = _Source.write(graph, source, weights, seen[source], steps)
        written[source].multiply(graph, product, steps)
    _drop_unused(model.graph)
    # a file holds 2 GB at most
    onnx.save(model, str(out), save_as_external_data=True, location=out.with_suffix(".bin").name)
    OnnxRuntimeSession.load(out)  # raises for what cannot be read, which is not to be kept


def _drop_unused(graph: Any) -> None:
    """Leave out the weights that were in fp32 before."""
    used = {name for node in graph.node for name in node.input}
    kept = [constant for constant in graph.initializer if constant.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)


class _Graph:
    """Appends constants and nodes; what a node gives is named by the caller."""

    def __init__(self, graph: Any) -> None:
        self._graph, self._onnx = graph, require("onnx", extra="hub")

    def constant(self, name: str, values: npt.ArrayLike) -> str:
        self._graph.initializer.append(self._onnx.numpy_helper.from_array(np.asarray(values), name))
        return name

    def node(self, kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        self._graph.node.append(self._onnx.helper.make_node(kind, list(inputs), [output], **attributes))
        return output


@dataclass(frozen=True, slots=True, eq=False)
class _Source:
    """What products read, written once for all of them: as bytes without the outliers, and the outliers."""

    name: str
    factor: Floats
    outliers: npt.NDArray[np.int64]
    step: np.float32

    @classmethod
    def write(cls, graph: _Graph, name: str, weights: Floats, seen: Seen, steps: int) -> _Source:
        outliers = np.sort(np.argsort(-seen.largest, kind="stable")[:OUTLIERS])
        inside = np.ones(len(seen.largest), np.float32)
        inside[outliers] = 0
        rest = Seen(seen.largest * inside, seen.tokens * inside)
        _, factor = best_factor(weights * inside[:, None], rest, steps=steps)
        step = np.float32(MARGIN * peak(rest, factor) / (_ZERO - 1))
        scaled = graph.node(
            "Mul", [name, graph.constant(f"{name}/read/factors", inside / factor)], f"{name}/read/scaled"
        )
        zero = graph.constant(f"{name}/read/zero", np.uint8(_ZERO))
        graph.node("QuantizeLinear", [scaled, graph.constant(f"{name}/read/step", step), zero], f"{name}/read/bytes")
        graph.node("Gather", [name, graph.constant(f"{name}/read/places", outliers)], f"{name}/read/outliers", axis=-1)
        return cls(name, factor * inside, outliers, step)

    def multiply(self, graph: _Graph, product: _Product, steps: int) -> None:
        name = product.node.output[0]
        weight = product.weight * self.factor[:, None]
        unit = columns(weight) / steps
        rounded = graph.constant(f"{name}/weights", np.round(weight / unit).astype(np.int8))
        whole = graph.node(
            "MatMulInteger", [f"{self.name}/read/bytes", rounded, f"{self.name}/read/zero"], f"{name}/whole"
        )
        floats = graph.node("Cast", [whole], f"{name}/floats", to=1)
        units = graph.constant(f"{name}/units", (unit[0] * self.step).astype(np.float32))
        scaled = graph.node("Mul", [floats, units], f"{name}/scaled")
        exact = graph.constant(f"{name}/exact", np.ascontiguousarray(product.weight[self.outliers]))
        far = graph.node("MatMul", [f"{self.name}/read/outliers", exact], f"{name}/far")
        total = graph.node("Add", [scaled, far], f"{name}/total" if product.bias else name)
        if product.bias:
            graph.node("Add", [total, product.bias], name)


def _by_source(model: Any) -> Mapping[str, list[_Product]]:
    found: dict[str, list[_Product]] = {}
    for one in _products(model):
        found.setdefault(one.node.input[0], []).append(one)
    return found


def _products(model: Any) -> Iterator[_Product]:
    onnx = require("onnx", extra="hub")
    constants = {one.name: one for one in model.graph.initializer}
    for node in model.graph.node:
        held = constants.get(node.input[1]) if node.op_type in {"MatMul", "Gemm"} else None
        if held is None or len(held.dims) != 2 or held.dims[0] * held.dims[1] < LEAST or node.input[0] in constants:
            continue
        if held.data_type != onnx.TensorProto.FLOAT:
            raise UnsupportedModelError("int8 on ONNX Runtime is made of weights in fp32; take the model's fp32 file")
        options = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
        turned = options.pop("transB", 0)
        if any(value != (0 if name == "transA" else 1) for name, value in options.items()):
            continue  # a Gemm that does more than a product and a sum
        weight = np.asarray(onnx.numpy_helper.to_array(held), dtype=np.float32)
        yield _Product(node, weight.T if turned else weight, node.input[2] if len(node.input) > 2 else None)
