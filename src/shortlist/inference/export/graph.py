"""An ONNX graph in the making: every operation returns the name of its value."""

from __future__ import annotations

from typing import Any, NewType

import numpy as np
import numpy.typing as npt

from shortlist.inference.export.safetensors import Floats

Value = NewType("Value", str)
Array = npt.NDArray[Any]

# A tensor of which every value is normal in fp16 is off by at most 2**-11 = .00049 of its norm. Above this bound,
# subnormal or overflowing values carry weight, and the tensor stays fp32.
_HALF_ERROR = 6e-4
_ROWS = 1024  # rows compared at a time, so that a table of 250k tokens needs no fp64 copy
ONNX_FLOAT, ONNX_INT64 = 1, 7


class Graph:
    """Nodes and constants, in the order they were added."""

    def __init__(self, *, half: bool) -> None:
        """Start empty; `half` stores weights as fp16 where that is exact enough."""
        self.half = half
        self.nodes: list[tuple[str, tuple[str, ...], str, dict[str, Any]]] = []
        self.constants: dict[str, Array] = {}
        self.kept_float32: list[str] = []

    def op(self, kind: str, *inputs: Value, **attributes: Any) -> Value:
        """Add a node with one output; an empty name leaves out an optional input."""
        output = Value(f"{kind}_{len(self.nodes)}")
        self.nodes.append((kind, inputs, output, attributes))
        return output

    def constant(self, name: str, values: Array) -> Value:
        """Add a constant as it is."""
        self.constants[name] = values
        return Value(name)

    def ints(self, *values: int) -> Value:
        """Return a constant int64 vector; equal ones are stored once."""
        return self.constant("ints_" + "_".join(map(str, values)), np.array(values, np.int64))

    def integer(self, value: int) -> Value:
        """Return a constant int64 scalar; equal ones are stored once."""
        return self.constant(f"int_{value}", np.array(value, np.int64))

    def number(self, value: float) -> Value:
        """Return a constant fp32 scalar; equal ones are stored once."""
        return self.constant(f"float_{value}", np.array(value, np.float32))

    def weight(self, name: str, values: Floats) -> Value:
        """Add a weight and return its fp32 value; runtimes fold the cast once, when they load the graph."""
        return self.as_float(self.constant(name, self._stored(name, values)))

    def rows(self, name: str, table: Floats, ids: Value) -> Value:
        """Look rows of a table up, then cast: cast first, a runtime may make an fp32 copy of the whole table."""
        return self.as_float(self.op("Gather", self.constant(name, self._stored(name, table)), ids, axis=0))

    def as_float(self, value: Value) -> Value:
        """Cast to fp32, unless it is a constant that is fp32 already."""
        return self.op("Cast", value, to=ONNX_FLOAT)

    def _stored(self, name: str, values: Floats) -> Array:
        if not self.half:
            return values
        halved = fits_half(values)
        if halved is None:
            self.kept_float32.append(name)
            return values
        return halved


def fits_half(values: Floats) -> npt.NDArray[np.float16] | None:
    """Return the values as fp16, or None when overflow or subnormals would make them coarser than fp16 is."""
    halved = np.empty(values.shape, np.float16)
    off = norm = 0.0
    for start in range(0, len(values), _ROWS):
        block = values[start : start + _ROWS]
        with np.errstate(over="ignore"):
            halved[start : start + _ROWS] = block
        back = halved[start : start + _ROWS].astype(np.float64)  # squares of small fp32 values would vanish in fp32
        if not np.isfinite(back).all():
            return None
        off += float(np.sum(np.square(back - block)))
        norm += float(np.sum(np.square(block, dtype=np.float64)))
    return halved if off <= _HALF_ERROR**2 * norm else None
