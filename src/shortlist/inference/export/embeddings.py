"""Word, position and token-type embeddings of the BERT-like families."""

from __future__ import annotations

from shortlist.inference.export.draft import INPUT_IDS, Draft
from shortlist.inference.export.graph import ONNX_INT64, Value


def words(draft: Draft, name: str, *, width: int) -> Value:
    """Look the input ids up: `[batch, length, width]`."""
    return draft.graph.rows(name, draft.read(name, None, width), INPUT_IDS)


def first_positions(draft: Draft, name: str, *, width: int) -> tuple[Value, int]:
    """Return embeddings `[length, width]` of the positions from 0, and how many positions there are."""
    graph, table = draft.graph, draft.read(name, None, width)
    sliced = graph.op("Slice", graph.weight(name, table), graph.ints(0), draft.length(), graph.ints(0))
    return sliced, len(table)


def counted_positions(draft: Draft, *, width: int, padding: int) -> tuple[Value, int]:
    """Return embeddings `[batch, length, width]` of positions that count no padding, and how many positions there are.

    Tokens are counted from `padding + 1`; padding itself stands at `padding`. Counted on the ids and not on the mask,
    as the original does: the two differ when a text spells out the padding token.
    """
    graph, name = draft.graph, "embeddings.position_embeddings.weight"
    table = draft.read(name, None, width)
    real = graph.op("Not", graph.op("Equal", INPUT_IDS, graph.integer(padding)))
    counted = graph.op("Cast", real, to=ONNX_INT64)  # [batch, length]
    running = graph.op("Mul", graph.op("CumSum", counted, graph.integer(1)), counted)
    places = graph.op("Add", running, graph.integer(padding))
    return graph.rows(name, table, places), len(table) - padding - 1


def token_types(draft: Draft, name: str, *, width: int, types: int) -> Value:
    """Return embeddings of the token types; with a single type that is one row, and the graph needs no such input."""
    table = draft.read(name, types, width)
    if types == 1:
        return draft.graph.constant(name, table)
    return draft.graph.rows(name, table, draft.use_token_types())
