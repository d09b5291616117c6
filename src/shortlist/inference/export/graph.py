"""An ONNX graph in the making: every operation returns the name of its value."""

from __future__ import annotations

from typing import Any, Literal, NewType

import numpy as np
import numpy.typing as npt

from shortlist.inference.export.safetensors import Floats

Value = NewType("Value", str)
Array = npt.NDArray[Any]
Weights = Literal["float32", "float16", "int8", "int4"]

# A tensor of which every value is normal in fp16 is off by at most 2**-11 = .00049 of its norm. Above this bound,
# subnormal or overflowing values carry weight, and the tensor stays fp32.
_HALF_ERROR = 6e-4
_BLOCK = 32  # values that share a scale where weights have four bits
_SMALL = 4096  # values; smaller weights are not worth their scales
_ROWS = 1024  # rows compared at a time, so that a table of 250k tokens needs no fp64 copy
ONNX_FLOAT, ONNX_INT64 = 1, 7


class Graph:
    """Nodes and constants, in the order they were added."""

    def __init__(self, weights: Weights) -> None:
        """Start empty; "float16" stores weights so where that is exact enough, "int8" so with a scale a column.

        "int4" stores two in a byte, with a scale for each 32, what was released in as few bits, and the rest in fp16.
        """
        self.weights = weights
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
        """Add a weight and return its fp32 value; runtimes fold cast and scale once, when they load the graph."""
        if self._is_for_bytes(values):
            packed, scale = as_bytes(values, axis=0)
            unscaled = self.as_float(self.constant(name, packed))
            return self.op("Mul", unscaled, self.constant(f"{name}.scale", scale))
        if (halves := self._as_nibbles(values.T)) is not None:
            numbers, scales = (np.ascontiguousarray(part.T) for part in halves)  # [.., outputs]
            bytes_, by_block = self.constant(name, numbers), self.constant(f"{name}.scale", scales)
            return self._unpacked(bytes_, by_block, values.shape, axis=0)
        return self.as_float(self.constant(name, self._stored(name, values)))

    def rows(self, name: str, table: Floats, ids: Value) -> Value:
        """Look rows of a table up, then cast: cast first, a runtime may make an fp32 copy of the whole table."""
        if self._is_for_bytes(table):
            packed, scale = as_bytes(table, axis=1)
            unscaled = self.as_float(self.op("Gather", self.constant(name, packed), ids, axis=0))
            return self.op("Mul", unscaled, self.op("Gather", self.constant(f"{name}.scale", scale), ids, axis=0))
        if (halves := self._as_nibbles(table)) is not None:
            looked_up = self.op("Gather", self.constant(name, halves[0]), ids, axis=0)
            by_block = self.op("Gather", self.constant(f"{name}.scale", halves[1]), ids, axis=0)
            return self._unpacked(looked_up, by_block, (0, 0, table.shape[1]), axis=2)
        return self.as_float(self.op("Gather", self.constant(name, self._stored(name, table)), ids, axis=0))

    def as_float(self, value: Value) -> Value:
        """Cast to fp32, unless it is a constant that is fp32 already."""
        return self.op("Cast", value, to=ONNX_FLOAT)

    def _is_for_bytes(self, values: Floats) -> bool:
        return self.weights == "int8" and values.ndim == 2 and values.size >= _SMALL

    def _as_nibbles(self, values: Floats) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float16]] | None:
        if self.weights != "int4" or values.ndim != 2 or values.size < _SMALL or values.shape[1] % (2 * _BLOCK):
            return None
        return as_nibbles(values)

    def _unpacked(self, packed: Value, scales: Value, shape: tuple[int, ...], *, axis: int) -> Value:
        """Take bytes apart along an axis and scale their blocks, in plain arithmetic that every runtime knows."""
        both = self.as_float(packed)
        high = self.op("Floor", self.op("Mul", both, self.number(1 / 16)))
        low = self.op("Sub", both, self.op("Mul", high, self.number(16.0)))
        values = self.op("Sub", self.op("Concat", low, high, axis=axis), self.number(8.0))
        blocks = (*shape[:axis], -1, _BLOCK, *shape[axis + 1 :])
        scale = self.op("Unsqueeze", self.as_float(scales), self.ints(axis + 1))
        scaled = self.op("Mul", self.op("Reshape", values, self.ints(*blocks)), scale)
        return self.op("Reshape", scaled, self.ints(*shape))

    def _stored(self, name: str, values: Floats) -> Array:
        if self.weights == "float32":
            return values
        halved = fits_half(values)
        if halved is None:
            self.kept_float32.append(name)
            return values
        return halved


def as_bytes(values: Floats, *, axis: int) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Return int8 values and their fp32 scales, one for each slice along `axis`, whose largest magnitude is 127."""
    scale = np.maximum(np.abs(values).max(axis=axis, keepdims=True), 1e-12) / np.float32(127)
    return np.round(values / scale).astype(np.int8), scale.astype(np.float32)


def as_nibbles(values: Floats) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float16]] | None:
    """Return rows in 4 bits a value and fp16 scales for each 32, or None where that is coarser than fp16.

    A block's value is `scale * (0..15 less 8)`, and its largest magnitude stands at -8, as in llama.cpp's Q4_0, so that
    what was released like this is found again. `[rows, columns / 2]` bytes hold a value of the first half of the
    columns in the low bits, one of the second half in the high ones; scales are `[rows, columns / 32]`.
    """
    blocks = values.reshape(len(values), -1, _BLOCK)
    largest = np.take_along_axis(blocks, np.abs(blocks).argmax(-1, keepdims=True), -1)  # [rows, blocks, 1], signed
    scale = (largest / -8).astype(np.float16)
    divisor = np.where(scale == 0, np.float16(1), scale).astype(np.float32)
    found = np.clip(np.round(blocks / divisor), -8, 7)
    off = np.square((found * scale.astype(np.float32) - blocks).astype(np.float64)).sum()
    if off > _HALF_ERROR**2 * np.square(blocks.astype(np.float64)).sum():
        return None
    half = values.shape[1] // 2
    numbers = (found + 8).astype(np.uint8).reshape(values.shape)
    packed: npt.NDArray[np.uint8] = np.bitwise_or(
        numbers[:, :half], np.left_shift(numbers[:, half:], 4), dtype=np.uint8
    )
    return packed, scale[..., 0]


def from_nibbles(packed: npt.NDArray[np.uint8], scales: npt.NDArray[np.float16]) -> Floats:
    """Undo `as_nibbles`."""
    numbers = np.concatenate([packed & 15, packed >> 4], axis=1).astype(np.float32) - 8
    return numbers * np.repeat(scales.astype(np.float32), _BLOCK, axis=1)


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
