"""A model being drafted: checkpoint tensors become layers of a graph."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from shortlist.errors import UnsupportedModelError
from shortlist.inference.export.checkpoint import Checkpoint
from shortlist.inference.export.config import Config
from shortlist.inference.export.graph import Graph, Value
from shortlist.inference.export.safetensors import Floats

# Names of activations in config.json -> the operator and its attributes.
_ACTIVATIONS: dict[str, tuple[str, dict[str, str]]] = {
    "gelu": ("Gelu", {"approximate": "none"}),
    "gelu_python": ("Gelu", {"approximate": "none"}),
    "gelu_new": ("Gelu", {"approximate": "tanh"}),
    "gelu_fast": ("Gelu", {"approximate": "tanh"}),
    "gelu_pytorch_tanh": ("Gelu", {"approximate": "tanh"}),
    "relu": ("Relu", {}),
    "tanh": ("Tanh", {}),
}

INPUT_IDS, ATTENTION_MASK, TOKEN_TYPE_IDS = Value("input_ids"), Value("attention_mask"), Value("token_type_ids")


@dataclass(frozen=True, slots=True)
class Draft:
    """The graph so far, with the config and the checkpoint it is drawn from.

    `prefix` is what the checkpoint puts before the encoder's tensors, such as `bert.`.
    """

    graph: Graph
    config: Config
    checkpoint: Checkpoint
    prefix: str
    inputs: list[str] = field(default_factory=lambda: [INPUT_IDS, ATTENTION_MASK])

    def read(self, name: str, *shape: int | None) -> Floats:
        """Read a tensor of the checkpoint as `Checkpoint.read` does."""
        return self.checkpoint.read(name, prefix=self.prefix, shape=shape)

    def linear(
        self,
        x: Value,
        name: str,
        *,
        wide: tuple[int | None, int],
        bias: bool = True,
        scale: float = 1.0,
        part: tuple[int, int] = (0, 1),
    ) -> Value:
        """Apply `name`, a linear layer whose weight is `wide` (out, in).

        `scale` multiplies its output; `part` (k, n) takes the k-th of n equal pieces of its output.
        """
        graph, (which, pieces) = self.graph, part
        weight = self.read(f"{name}.weight", *wide)
        size = len(weight) // pieces
        rows, suffix = slice(which * size, (which + 1) * size), f".{which}" if pieces > 1 else ""
        # MatMul wants [in, out].
        turned = np.ascontiguousarray(weight[rows].T) * np.float32(scale)
        product = graph.op("MatMul", x, graph.weight(f"{name}.weight{suffix}", turned))
        if not bias:
            return product
        offset = self.read(f"{name}.bias", len(weight))[rows] * np.float32(scale)
        return graph.op("Add", product, graph.constant(f"{name}.bias{suffix}", offset))

    def norm(self, x: Value, name: str, *, size: int, epsilon: float, bias: bool = True) -> Value:
        """Apply `name`, a layer norm over the last axis."""
        scale = self.graph.constant(f"{name}.weight", self.read(f"{name}.weight", size))
        offset = (self.graph.constant(f"{name}.bias", self.read(f"{name}.bias", size)),) if bias else ()
        return self.graph.op("LayerNormalization", x, scale, *offset, axis=-1, epsilon=epsilon)

    def activate(self, x: Value, kind: str) -> Value:
        """Apply an activation by its name in config.json. Raises UnsupportedModelError for an unknown one."""
        if kind in {"silu", "swish"}:
            return self.graph.op("Mul", x, self.graph.op("Sigmoid", x))
        if kind not in _ACTIVATIONS:
            known = ", ".join(sorted([*_ACTIVATIONS, "silu", "swish"]))
            raise UnsupportedModelError(
                f"{self.config.folder}: the activation {kind!r} cannot be exported; known are {known}"
            )
        operator, attributes = _ACTIVATIONS[kind]
        return self.graph.op(operator, x, **attributes)

    def first(self, x: Value) -> Value:
        """Keep position 0, where [CLS] stands: `[batch, length, size]` -> `[batch, 1, size]`."""
        ints = self.graph.ints
        return self.graph.op("Slice", x, ints(0), ints(1), ints(1))

    def without_length(self, x: Value) -> Value:
        """Drop the axis of one position: `[batch, 1, size]` -> `[batch, size]`."""
        return self.graph.op("Squeeze", x, self.graph.ints(1))

    def length(self) -> Value:
        """Return the length of the batch, int64 `[1]`."""
        return self.graph.op("Shape", INPUT_IDS, start=1, end=2)

    def use_token_types(self) -> Value:
        """Return the token types, which makes them an input of the graph."""
        if TOKEN_TYPE_IDS not in self.inputs:
            self.inputs.append(TOKEN_TYPE_IDS)
        return TOKEN_TYPE_IDS
