"""DeBERTa-v2 and v3: attention with content-to-position and position-to-content terms."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from shortlist.errors import UnsupportedModelError
from shortlist.inference.export.attention import heads_apart, mask_bias, mix
from shortlist.inference.export.bert import bert_shape
from shortlist.inference.export.config import Config
from shortlist.inference.export.draft import ATTENTION_MASK, Draft
from shortlist.inference.export.embeddings import first_positions, token_types, words
from shortlist.inference.export.family import Encoded, Family
from shortlist.inference.export.graph import Value
from shortlist.inference.export.heads import first_features
from shortlist.inference.export.layers import BERT_NAMES, Names, Shape, layer
from shortlist.inference.export.safetensors import Floats

_NAMES = replace(
    BERT_NAMES, query=BERT_NAMES.query + "_proj", key=BERT_NAMES.key + "_proj", value=BERT_NAMES.value + "_proj"
)
_TERMS = ("c2p", "p2c")


@dataclass(frozen=True, slots=True)
class _Positions:
    """What all layers share.

    `embeddings` are those of the distances, `[2 * span, hidden]`. `by_query` and `by_key` are int64
    `[queries, keys]`: where the distance of a pair stands in a flattened `[queries, 2 * span]` and
    `[2 * span, keys]`. Flat, they serve every head and every row of the batch; GatherElements would
    want a copy for each.
    """

    bias: Value
    embeddings: Floats
    by_query: Value
    by_key: Value
    terms: tuple[str, ...]


def _encode(draft: Draft, first_only: bool) -> Encoded:
    config, shape, terms = draft.config, _shape(draft.config), _terms(draft.config)
    max_length = config.integer("max_position_embeddings", 512)
    x = _embedded(draft, shape)
    span = _buckets(config) or _reach(config)
    by_query, by_key = _places(draft, span, max_length)
    positions = _Positions(mask_bias(draft), _distances(draft, shape, span), by_query, by_key, terms)
    for i in range(shape.layers):
        only = first_only and i == shape.layers - 1
        x = layer(draft, x, shape, _NAMES.at(i), _Disentangled(positions, shape, only), first_only=only)
    return Encoded(x, shape.hidden, max_length)


def _shape(config: Config) -> Shape:
    if not config.flag("relative_attention", False) or config.integer("conv_kernel_size", 0, at_least=0):
        raise UnsupportedModelError(
            f"{config.folder}: only DeBERTa with relative_attention and without a convolution can be exported;"
            f" here conv_kernel_size={config.values.get('conv_kernel_size', 0)},"
            f" relative_attention={config.values.get('relative_attention', False)}"
        )
    return bert_shape(config, epsilon=1e-7)


def _terms(config: Config) -> tuple[str, ...]:
    terms = config.strings("pos_att_type")
    if not set(terms) <= set(_TERMS):
        raise UnsupportedModelError(
            f"{config.folder}: pos_att_type={list(terms)} cannot be exported; only {' and '.join(_TERMS)} can"
        )
    return terms


def _embedded(draft: Draft, shape: Shape) -> Value:
    config, graph = draft.config, draft.graph
    width = config.integer("embedding_size", shape.hidden)
    x = words(draft, "embeddings.word_embeddings.weight", width=width)
    if config.flag("position_biased_input", True):
        x = graph.op("Add", x, first_positions(draft, "embeddings.position_embeddings.weight", width=width)[0])
    types = config.integer("type_vocab_size", 0, at_least=0)
    if types:
        x = graph.op("Add", x, token_types(draft, "embeddings.token_type_embeddings.weight", width=width, types=types))
    if width != shape.hidden:
        x = draft.linear(x, "embeddings.embed_proj", wide=(shape.hidden, width), bias=False)
    x = draft.norm(x, "embeddings.LayerNorm", size=shape.hidden, epsilon=shape.epsilon)
    return graph.op("Mul", x, graph.op("Unsqueeze", graph.as_float(ATTENTION_MASK), graph.ints(2)))


def _reach(config: Config) -> int:
    """The distance from which on all distances are alike."""
    reach = config.values.get("max_relative_positions")
    longest = config.integer("max_position_embeddings", 512)
    return reach if isinstance(reach, int) and reach > 0 else longest


def _buckets(config: Config) -> int:
    buckets = config.values.get("position_buckets")
    return buckets if isinstance(buckets, int) and buckets > 0 else 0


def _distances(draft: Draft, shape: Shape, span: int) -> Floats:
    """Read the embeddings of distances, normed if the model norms them: `[2 * span, hidden]`."""
    table = draft.read("encoder.rel_embeddings.weight", 2 * span, shape.hidden)
    if "layer_norm" not in draft.config.text("norm_rel_ebd", "none").lower().split("|"):
        return table
    scale, offset = (draft.read(f"encoder.LayerNorm.{part}", shape.hidden) for part in ("weight", "bias"))
    centred = table - table.mean(axis=1, keepdims=True)
    deviation = np.sqrt(np.square(centred).mean(axis=1, keepdims=True) + np.float32(shape.epsilon))
    normed: Floats = centred / deviation * scale + offset
    return normed


def _places(draft: Draft, span: int, max_length: int) -> tuple[Value, Value]:
    """Return `by_query` and `by_key` of `_Positions`."""
    graph = draft.graph
    distances = np.arange(1 - max_length, max_length)
    if _buckets(draft.config):
        distances = log_buckets(distances, buckets=_buckets(draft.config), reach=_reach(draft.config))
    table = graph.constant("distance.rows", np.clip(distances + span, 0, 2 * span - 1).astype(np.int64))
    length = graph.op("Squeeze", draft.length())
    places = graph.op("Range", graph.integer(0), length, graph.integer(1))
    queries, keys = graph.op("Unsqueeze", places, graph.ints(1)), graph.op("Unsqueeze", places, graph.ints(0))
    distance = graph.op("Add", graph.op("Sub", queries, keys), graph.integer(max_length - 1))
    rows = graph.op("Gather", table, distance, axis=0)
    by_query = graph.op("Add", graph.op("Mul", queries, graph.integer(2 * span)), rows)
    return by_query, graph.op("Add", graph.op("Mul", rows, length), keys)


def log_buckets(distances: npt.NDArray[np.int64], *, buckets: int, reach: int) -> npt.NDArray[np.int64]:
    """Put distances into buckets: exact up to half of `buckets`, then logarithmic up to `reach`.

    In fp32, because the original rounds up a quotient of fp32 logarithms.
    """
    middle = buckets // 2
    far = np.maximum(np.abs(distances), middle).astype(np.float32)
    steps = np.log(far / np.float32(middle)) / np.log(np.float32((reach - 1) / middle)) * np.float32(middle - 1)
    logarithmic = (np.ceil(steps).astype(np.int64) + middle) * np.sign(distances)
    return np.where(np.abs(distances) <= middle, distances, logarithmic)


@dataclass(frozen=True, slots=True)
class _Disentangled:
    """Attention of one layer, https://arxiv.org/abs/2006.03654 equation 4."""

    positions: _Positions
    shape: Shape
    first_only: bool

    def __call__(self, draft: Draft, queries: Value, x: Value, names: Names) -> Value:
        graph, shape = draft.graph, self.shape
        wide, scale = (shape.hidden, shape.hidden), ((1 + len(self.positions.terms)) * shape.head_size) ** -0.5
        query = self._apart(draft, draft.linear(queries, names.query, wide=wide, scale=scale))
        key = self._apart(draft, draft.linear(x, names.key, wide=wide), transposed=True)
        value = self._apart(draft, draft.linear(x, names.value, wide=wide))
        scores = graph.op("MatMul", query, key)
        if "c2p" in self.positions.terms:
            scores = graph.op("Add", scores, self._content_to_position(draft, query, names))
        if "p2c" in self.positions.terms:
            scores = graph.op("Add", scores, self._position_to_content(draft, key, names, scale))
        return mix(draft, scores, value, self.positions.bias, width=shape.hidden)

    def _apart(self, draft: Draft, x: Value, *, transposed: bool = False) -> Value:
        return heads_apart(draft, x, heads=self.shape.heads, size=self.shape.head_size, transposed=transposed)

    def _content_to_position(self, draft: Draft, query: Value, names: Names) -> Value:
        keys = self._projected(draft, names.key, "pos_key_proj").transpose(0, 2, 1)
        weight = draft.graph.weight(f"{names.key}.distances", np.ascontiguousarray(keys))
        by_row = draft.graph.op("MatMul", query, weight)  # [batch, heads, queries, 2 * span]
        return self._picked(draft, by_row, self.positions.by_query)

    def _position_to_content(self, draft: Draft, key: Value, names: Names, scale: float) -> Value:
        queries = self._projected(draft, names.query, "pos_query_proj") * np.float32(scale)
        weight = draft.graph.weight(f"{names.query}.distances", queries)
        by_row = draft.graph.op("MatMul", weight, key)  # [batch, heads, 2 * span, keys]
        return self._picked(draft, by_row, self.positions.by_key)

    def _projected(self, draft: Draft, shared: str, own: str) -> Floats:
        """Project the distances' embeddings, which no input changes, now: `[heads, 2 * span, head_size]`."""
        shape = self.shape
        name = shared if draft.config.flag("share_att_key", False) else f"{shared.rpartition('.')[0]}.{own}"
        weight = draft.read(f"{name}.weight", shape.hidden, shape.hidden)
        projected = self.positions.embeddings @ weight.T + draft.read(f"{name}.bias", shape.hidden)
        apart = projected.reshape(-1, shape.heads, shape.head_size).transpose(1, 0, 2)
        return np.ascontiguousarray(apart, dtype=np.float32)

    def _picked(self, draft: Draft, by_row: Value, places: Value) -> Value:
        """Pick the entry of each pair's distance: `[batch, heads, queries, keys]`."""
        graph = draft.graph
        if self.first_only:
            places = graph.op("Slice", places, graph.ints(0), graph.ints(1), graph.ints(0))
        return graph.op("Gather", graph.op("Reshape", by_row, graph.ints(0, 0, -1)), places, axis=2)


def _features(draft: Draft, encoded: Encoded) -> Value:
    activation = draft.config.text("pooler_hidden_act", "gelu")
    return first_features("pooler.dense", activation)(draft, encoded)


DEBERTA = Family("DebertaV2", "deberta.", _encode, _features)
