"""What turns hidden states into logits or into a vector."""

from __future__ import annotations

from collections.abc import Callable

from shortlist.inference.export.draft import ATTENTION_MASK, Draft
from shortlist.inference.export.family import Encoded
from shortlist.inference.export.graph import Value


def mean_over_mask(draft: Draft, hidden: Value) -> Value:
    """Average the positions that the mask shows: `[batch, length, hidden]` -> `[batch, hidden]`."""
    graph = draft.graph
    mask = graph.as_float(ATTENTION_MASK)  # [batch, length]
    # As a matrix product: no masked copy of the hidden states is made.
    total = graph.op("Squeeze", graph.op("MatMul", graph.op("Unsqueeze", mask, graph.ints(1)), hidden), graph.ints(1))
    seen = graph.op("ReduceSum", mask, graph.ints(1), keepdims=1)
    return graph.op("Div", total, graph.op("Max", seen, graph.number(1e-9)))


def unit_length(draft: Draft, vectors: Value, *, axis: int = 1) -> Value:
    """Scale the vectors along an axis to length 1; a vector of zeros stays."""
    graph = draft.graph
    norm = graph.op("ReduceL2", vectors, graph.ints(axis), keepdims=1)
    return graph.op("Div", vectors, graph.op("Max", norm, graph.number(1e-12)))


def first_features(name: str, activation: str) -> Callable[[Draft, Encoded], Value]:
    """Return what runs the first position through a dense layer: `[batch, 1, size]` -> `[batch, size]`."""

    def features(draft: Draft, encoded: Encoded) -> Value:
        dense = draft.linear(draft.without_length(encoded.hidden), name, wide=(encoded.size, encoded.size))
        return draft.activate(dense, activation)

    return features
