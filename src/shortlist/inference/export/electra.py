"""ELECTRA: embeddings may be narrower than the encoder, and the head has a gelu."""

from __future__ import annotations

from shortlist.inference.export.bert import bert_shape
from shortlist.inference.export.draft import Draft
from shortlist.inference.export.embeddings import first_positions, token_types, words
from shortlist.inference.export.family import Encoded, Family
from shortlist.inference.export.graph import Value
from shortlist.inference.export.heads import first_features
from shortlist.inference.export.layers import BERT_NAMES, encoder


def _encode(draft: Draft, first_only: bool) -> Encoded:
    shape, graph = bert_shape(draft.config), draft.graph
    narrow = draft.config.integer("embedding_size", 128)
    x = words(draft, "embeddings.word_embeddings.weight", width=narrow)
    positions, max_length = first_positions(draft, "embeddings.position_embeddings.weight", width=narrow)
    types = draft.config.integer("type_vocab_size", 2)
    typed = token_types(draft, "embeddings.token_type_embeddings.weight", width=narrow, types=types)
    x = graph.op("Add", graph.op("Add", x, typed), positions)
    x = draft.norm(x, "embeddings.LayerNorm", size=narrow, epsilon=shape.epsilon)
    if narrow != shape.hidden:
        x = draft.linear(x, "embeddings_project", wide=(shape.hidden, narrow))
    return Encoded(encoder(draft, x, shape, BERT_NAMES, first_only=first_only), shape.hidden, max_length)


def _features(draft: Draft, encoded: Encoded) -> Value:
    return first_features(draft, encoded.hidden, "classifier.dense", size=encoded.size, activation="gelu")


ELECTRA = Family("Electra", "electra.", _encode, _features, "classifier.out_proj")
