"""DistilBERT: BERT without token types and pooler, under names of its own."""

from __future__ import annotations

from shortlist.inference.export.draft import Draft
from shortlist.inference.export.embeddings import first_positions, words
from shortlist.inference.export.family import Encoded, Family
from shortlist.inference.export.heads import first_features
from shortlist.inference.export.layers import Names, Shape, encoder

_NAMES = Names(
    query="transformer.layer.{}.attention.q_lin",
    key="transformer.layer.{}.attention.k_lin",
    value="transformer.layer.{}.attention.v_lin",
    mixed="transformer.layer.{}.attention.out_lin",
    mixed_norm="transformer.layer.{}.sa_layer_norm",
    feed="transformer.layer.{}.ffn.lin1",
    out="transformer.layer.{}.ffn.lin2",
    out_norm="transformer.layer.{}.output_layer_norm",
)


def _encode(draft: Draft, first_only: bool) -> Encoded:
    config = draft.config
    shape = Shape(
        layers=config.integer("n_layers", 6),
        hidden=config.integer("dim", 768),
        heads=config.integer("n_heads", 12),
        feed=config.integer("hidden_dim", 3072),
        activation=config.text("activation", "gelu"),
        epsilon=1e-12,  # fixed in the original
    )
    x = words(draft, "embeddings.word_embeddings.weight", width=shape.hidden)
    positions, max_length = first_positions(draft, "embeddings.position_embeddings.weight", width=shape.hidden)
    x = draft.graph.op("Add", x, positions)
    x = draft.norm(x, "embeddings.LayerNorm", size=shape.hidden, epsilon=shape.epsilon)
    return Encoded(encoder(draft, x, shape, _NAMES, first_only=first_only), shape.hidden, max_length)


DISTILBERT = Family("DistilBert", "distilbert.", _encode, first_features("pre_classifier", "relu"))
