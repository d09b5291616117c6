"""ModernBERT: pre-norm, rotary positions, local attention in most layers, gated feed-forward."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shortlist.errors import UnsupportedModelError
from shortlist.inference.export.attention import MASKED, attend, heads_apart, mask_bias
from shortlist.inference.export.config import Config
from shortlist.inference.export.draft import INPUT_IDS, Draft
from shortlist.inference.export.family import Encoded, Family
from shortlist.inference.export.graph import Value
from shortlist.inference.export.heads import mean_over_mask
from shortlist.inference.export.layers import Shape

_KINDS = {"full_attention": ("global_rope_theta", 160_000.0), "sliding_attention": ("local_rope_theta", 10_000.0)}


@dataclass(frozen=True, slots=True)
class _Attention:
    """What the layers of one kind share: the bias, and the rotation `[length, head_size]` as cosine and signed sine."""

    bias: Value
    cosine: Value
    sine: Value


def _encode(draft: Draft, first_only: bool) -> Encoded:
    config, shape = draft.config, _shape(draft.config)
    kinds = _layer_kinds(config, shape.layers)
    shared = {kind: _shared(draft, kind, shape.head_size) for kind in _KINDS if kind in kinds}
    table = draft.read("embeddings.tok_embeddings.weight", None, shape.hidden)
    x = draft.graph.rows("embeddings.tok_embeddings.weight", table, INPUT_IDS)
    x = _norm(draft, x, "embeddings.norm", shape)
    for i, kind in enumerate(kinds):
        x = _layer(draft, x, i, shape, shared[kind], first_only=first_only and i == shape.layers - 1)
    return Encoded(_norm(draft, x, "final_norm", shape), shape.hidden, config.integer("max_position_embeddings", 8192))


def _shape(config: Config) -> Shape:
    return Shape(
        layers=config.integer("num_hidden_layers"),
        hidden=config.integer("hidden_size"),
        heads=config.integer("num_attention_heads"),
        feed=config.integer("intermediate_size"),
        activation=config.text("hidden_activation", "gelu"),
        epsilon=config.number("norm_eps", 1e-5),
    )


def _layer_kinds(config: Config, layers: int) -> tuple[str, ...]:
    """Read `layer_types`, or make them from `global_attn_every_n_layers` as older configs need it."""
    every = config.integer("global_attn_every_n_layers", 3)
    made = tuple("sliding_attention" if i % every else "full_attention" for i in range(layers))
    kinds = config.strings("layer_types") or made
    if len(kinds) != layers or not set(kinds) <= set(_KINDS):
        raise UnsupportedModelError(
            f"{config.folder}: layer_types must name {layers} layers as {' or '.join(_KINDS)}, but is {kinds}"
        )
    return kinds


def _theta(config: Config, kind: str) -> float:
    """Read the base of the rotation. Raises UnsupportedModelError when positions are scaled."""
    name, default = _KINDS[kind]
    rope = config.section("rope_parameters").section(kind)
    scaling = config.section("rope_scaling")
    if rope.text("rope_type", "default") != "default" or scaling.text("rope_type", "default") != "default":
        raise UnsupportedModelError(
            f"{config.folder}: rotary positions of type {rope.text('rope_type', scaling.text('rope_type', '?'))!r}"
            " cannot be exported; only 'default' can"
        )
    return rope.number("rope_theta", config.number(name, default))


def _shared(draft: Draft, kind: str, head_size: int) -> _Attention:
    graph = draft.graph
    frequencies = 1.0 / (
        np.float32(_theta(draft.config, kind)) ** (np.arange(0, head_size, 2, dtype=np.float32) / head_size)
    )
    # rotate_half negates one half of x; here the sine carries that sign, so that no pass over x is spent on it.
    both = graph.constant(f"{kind}.frequencies", np.tile(frequencies, 2).astype(np.float32))
    signs = graph.constant(f"{kind}.signs", np.repeat(np.array([-1, 1], np.float32), head_size // 2))
    length = graph.op("Squeeze", draft.length())
    positions = graph.op("Range", graph.integer(0), length, graph.integer(1))
    column = graph.op("Unsqueeze", positions, graph.ints(1))  # [length, 1]
    angles = graph.op("Mul", graph.as_float(column), both)  # [length, head_size]
    bias = mask_bias(draft)
    if kind == "sliding_attention":
        distance = graph.op("Abs", graph.op("Sub", column, graph.op("Unsqueeze", positions, graph.ints(0))))
        far = graph.op("Greater", distance, graph.integer(draft.config.integer("local_attention", 128) // 2))
        bias = graph.op("Add", bias, graph.op("Mul", graph.as_float(far), graph.number(MASKED)))
    return _Attention(bias, graph.op("Cos", angles), graph.op("Mul", graph.op("Sin", angles), signs))


def _layer(draft: Draft, x: Value, i: int, shape: Shape, shared: _Attention, *, first_only: bool) -> Value:
    graph = draft.graph
    # The first layer has no norm of its own: the embeddings' norm came just before.
    normed = _norm(draft, x, f"layers.{i}.attn_norm", shape) if i else x
    mixed = _attention(draft, normed, f"layers.{i}.attn", shape, shared, first_only=first_only)
    x = graph.op("Add", draft.first(x) if first_only else x, mixed)
    normed = _norm(draft, x, f"layers.{i}.mlp_norm", shape)
    return graph.op("Add", x, _feed_forward(draft, normed, f"layers.{i}.mlp", shape))


def _attention(draft: Draft, x: Value, name: str, shape: Shape, shared: _Attention, *, first_only: bool) -> Value:
    graph, bias, has_bias = draft.graph, shared.bias, draft.config.flag("attention_bias", False)
    query = _part(draft, draft.first(x) if first_only else x, name, 0, shape, scale=shape.head_size**-0.5)
    key, value = _part(draft, x, name, 1, shape), _part(draft, x, name, 2, shape)
    key = graph.op("Transpose", _rotated(draft, key, shared, shape), perm=(0, 1, 3, 2))
    if first_only:  # position 0 is rotated by an angle of 0
        bias = graph.op("Slice", bias, graph.ints(0), graph.ints(1), graph.ints(2))
    else:
        query = _rotated(draft, query, shared, shape)
    mixed = attend(draft, query, key, value, bias, width=shape.hidden)
    return draft.linear(mixed, f"{name}.Wo", wide=(shape.hidden, shape.hidden), bias=has_bias)


def _part(draft: Draft, x: Value, name: str, part: int, shape: Shape, *, scale: float = 1.0) -> Value:
    """Take query (0), key (1) or value (2) out of the joint projection: `[batch, heads, length, head_size]`."""
    projected = draft.linear(
        x,
        f"{name}.Wqkv",
        wide=(3 * shape.hidden, shape.hidden),
        bias=draft.config.flag("attention_bias", False),
        scale=scale,
        part=(part, 3),
    )
    return heads_apart(draft, projected, heads=shape.heads, size=shape.head_size)


def _rotated(draft: Draft, x: Value, shared: _Attention, shape: Shape) -> Value:
    graph, half = draft.graph, shape.head_size // 2
    low = graph.op("Slice", x, graph.ints(0), graph.ints(half), graph.ints(3))
    high = graph.op("Slice", x, graph.ints(half), graph.ints(2 * half), graph.ints(3))
    swapped = graph.op("Concat", high, low, axis=3)
    return graph.op("Add", graph.op("Mul", x, shared.cosine), graph.op("Mul", swapped, shared.sine))


def _feed_forward(draft: Draft, x: Value, name: str, shape: Shape) -> Value:
    has_bias, wide = draft.config.flag("mlp_bias", False), (2 * shape.feed, shape.hidden)
    fed = draft.linear(x, f"{name}.Wi", wide=wide, bias=has_bias, part=(0, 2))
    gate = draft.linear(x, f"{name}.Wi", wide=wide, bias=has_bias, part=(1, 2))
    gated = draft.graph.op("Mul", draft.activate(fed, shape.activation), gate)
    return draft.linear(gated, f"{name}.Wo", wide=(shape.hidden, shape.feed), bias=has_bias)


def _norm(draft: Draft, x: Value, name: str, shape: Shape) -> Value:
    has_bias = draft.config.flag("norm_bias", False)
    return draft.norm(x, name, size=shape.hidden, epsilon=shape.epsilon, bias=has_bias)


def _pools_first(config: Config) -> bool:
    pooling = config.text("classifier_pooling", "cls")
    if pooling not in {"cls", "mean"}:
        raise UnsupportedModelError(
            f"{config.folder}: classifier_pooling={pooling!r} cannot be exported; 'cls' and 'mean' can"
        )
    return pooling == "cls"


def _features(draft: Draft, encoded: Encoded) -> Value:
    config, size = draft.config, encoded.size
    pooled = draft.without_length(encoded.hidden) if _pools_first(config) else mean_over_mask(draft, encoded.hidden)
    x = draft.linear(pooled, "head.dense", wide=(size, size), bias=config.flag("classifier_bias", False))
    x = draft.activate(x, config.text("classifier_activation", "gelu"))
    return _norm(draft, x, "head.norm", _shape(config))


MODERNBERT = Family("ModernBert", "model.", _encode, _features, pools_first=_pools_first)
