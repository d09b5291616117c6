"""MPNet: RoBERTa's positions, no token types, and a bias by distance that all layers share."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from shortlist.inference.export.attention import mask_bias
from shortlist.inference.export.bert import bert_shape
from shortlist.inference.export.draft import Draft
from shortlist.inference.export.embeddings import counted_positions, words
from shortlist.inference.export.family import Encoded, Family
from shortlist.inference.export.graph import Value
from shortlist.inference.export.heads import first_features
from shortlist.inference.export.layers import BERT_NAMES, Names, Shape, layer, plain_attention

_NAMES = replace(
    BERT_NAMES,
    query="encoder.layer.{}.attention.attn.q",
    key="encoder.layer.{}.attention.attn.k",
    value="encoder.layer.{}.attention.attn.v",
    mixed="encoder.layer.{}.attention.attn.o",
    mixed_norm="encoder.layer.{}.attention.LayerNorm",
)
_PADDING, _BUCKETS, _REACH = 1, 32, 128  # the original has them in its code, whatever config.json says


def _encode(draft: Draft, first_only: bool) -> Encoded:
    shape, graph = bert_shape(draft.config), draft.graph
    positions, max_length = counted_positions(draft, width=shape.hidden, padding=_PADDING)
    x = graph.op("Add", words(draft, "embeddings.word_embeddings.weight", width=shape.hidden), positions)
    x = draft.norm(x, "embeddings.LayerNorm", size=shape.hidden, epsilon=shape.epsilon)
    by_distance, mask = _by_distance(draft, shape, max_length), mask_bias(draft)
    for i in range(shape.layers):
        only = first_only and i == shape.layers - 1
        bias = graph.op("Slice", by_distance, graph.ints(0), graph.ints(1), graph.ints(1)) if only else by_distance
        attention = _Biased(graph.op("Add", bias, mask), shape)
        x = layer(draft, x, shape, _NAMES.at(i), attention, first_only=only)
    return Encoded(x, shape.hidden, max_length)


class _Biased:
    """Plain attention with a bias `[batch, heads, queries, length]`."""

    def __init__(self, bias: Value, shape: Shape) -> None:
        self._bias, self._shape = bias, shape

    def __call__(self, draft: Draft, queries: Value, x: Value, names: Names) -> Value:
        return plain_attention(draft, queries, x, names, self._bias, self._shape)


def _by_distance(draft: Draft, shape: Shape, max_length: int) -> Value:
    """Return what the distance of query and key adds to a score, `[heads, queries, keys]`."""
    graph, table = draft.graph, draft.read("encoder.relative_attention_bias.weight", _BUCKETS, shape.heads)
    rows = table[distance_buckets(np.arange(1 - max_length, max_length))]  # [distances, heads]
    values = graph.constant("distance.bias", np.ascontiguousarray(rows.T))
    places = graph.op("Range", graph.integer(0), graph.op("Squeeze", draft.length()), graph.integer(1))
    queries, keys = graph.op("Unsqueeze", places, graph.ints(1)), graph.op("Unsqueeze", places, graph.ints(0))
    distance = graph.op("Add", graph.op("Sub", keys, queries), graph.integer(max_length - 1))
    return graph.op("Gather", values, distance, axis=1)


def distance_buckets(distances: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Put distances, key less query, into buckets as T5 does (https://arxiv.org/abs/1910.10683, section 2.1).

    Half of the buckets are for keys that stand behind; of a half, the first half holds one distance each, the rest
    grows logarithmically up to 128. In fp32, as the original.
    """
    half = _BUCKETS // 2
    exact = half // 2
    away = np.abs(distances)
    grown = np.log(np.maximum(away, 1).astype(np.float32) / np.float32(exact)) / np.float32(np.log(_REACH / exact))
    far = np.minimum(exact + (grown * np.float32(half - exact)).astype(np.int64), half - 1)
    found: npt.NDArray[np.int64] = np.where(away < exact, away, far) + half * (distances > 0)
    return found


MPNET = Family("MPNet", "mpnet.", _encode, first_features("classifier.dense", "tanh"), "classifier.out_proj")
