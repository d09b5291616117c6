"""The post-norm encoder layer that BERT, RoBERTa, ELECTRA, DistilBERT and DeBERTa share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from shortlist.errors import CorruptModelError
from shortlist.inference.export.attention import attend, heads_apart, mask_bias
from shortlist.inference.export.draft import Draft
from shortlist.inference.export.graph import Value


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes of an encoder; `feed` is the width inside the feed-forward network."""

    layers: int
    hidden: int
    heads: int
    feed: int
    activation: str
    epsilon: float

    def __post_init__(self) -> None:
        if self.hidden % self.heads:
            raise CorruptModelError(
                f"config.json: a hidden size of {self.hidden} cannot be shared by {self.heads} attention heads;"
                " fetch the model again"
            )

    @property
    def head_size(self) -> int:
        """The width of one attention head."""
        return self.hidden // self.heads


@dataclass(frozen=True, slots=True)
class Names:
    """What a family calls the parts of layer `{}` in its checkpoints."""

    query: str
    key: str
    value: str
    mixed: str
    mixed_norm: str
    feed: str
    out: str
    out_norm: str

    def at(self, layer: int) -> Names:
        """Return the names in one layer."""
        return Names(*(getattr(self, name).format(layer) for name in self.__slots__))


BERT_NAMES = Names(
    query="encoder.layer.{}.attention.self.query",
    key="encoder.layer.{}.attention.self.key",
    value="encoder.layer.{}.attention.self.value",
    mixed="encoder.layer.{}.attention.output.dense",
    mixed_norm="encoder.layer.{}.attention.output.LayerNorm",
    feed="encoder.layer.{}.intermediate.dense",
    out="encoder.layer.{}.output.dense",
    out_norm="encoder.layer.{}.output.LayerNorm",
)

# Attention of one layer: (draft, queries' positions, all positions, names) -> mixed values.
Attention = Callable[[Draft, Value, Value, Names], Value]


def encoder(
    draft: Draft, x: Value, shape: Shape, names: Names, *, first_only: bool, layers: range | None = None
) -> Value:
    """Run all layers, or some, with plain attention; `first_only` has the last one give `[batch, 1, hidden]`."""
    bias = mask_bias(draft)

    def attention(draft: Draft, queries: Value, x: Value, names: Names) -> Value:
        return plain_attention(draft, queries, x, names, bias, shape)

    for i in layers or range(shape.layers):
        x = layer(draft, x, shape, names.at(i), attention, first_only=first_only and i == shape.layers - 1)
    return x


def plain_attention(draft: Draft, queries: Value, x: Value, names: Names, bias: Value, shape: Shape) -> Value:
    """Multi-head attention with absolute positions."""
    heads, size, wide = shape.heads, shape.head_size, (shape.hidden, shape.hidden)
    query = draft.linear(queries, names.query, wide=wide, scale=size**-0.5)
    key = draft.linear(x, names.key, wide=wide)
    value = draft.linear(x, names.value, wide=wide)
    return attend(
        draft,
        heads_apart(draft, query, heads=heads, size=size),
        heads_apart(draft, key, heads=heads, size=size, transposed=True),
        heads_apart(draft, value, heads=heads, size=size),
        bias,
        width=shape.hidden,
    )


def layer(draft: Draft, x: Value, shape: Shape, names: Names, attention: Attention, *, first_only: bool) -> Value:
    """Run one layer; `first_only` computes queries, output and feed-forward for position 0 alone, which is exact."""
    queries = draft.first(x) if first_only else x
    mixed = draft.linear(attention(draft, queries, x, names), names.mixed, wide=(shape.hidden, shape.hidden))
    x = draft.norm(draft.graph.op("Add", mixed, queries), names.mixed_norm, size=shape.hidden, epsilon=shape.epsilon)
    fed = draft.activate(draft.linear(x, names.feed, wide=(shape.feed, shape.hidden)), shape.activation)
    out = draft.linear(fed, names.out, wide=(shape.hidden, shape.feed))
    return draft.norm(draft.graph.op("Add", out, x), names.out_norm, size=shape.hidden, epsilon=shape.epsilon)
