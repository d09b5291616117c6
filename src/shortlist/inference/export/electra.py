"""ELECTRA: embeddings may be narrower than the encoder, and the head has a gelu."""

from __future__ import annotations

from shortlist.inference.export.bert import bert_embeddings, bert_shape
from shortlist.inference.export.draft import Draft
from shortlist.inference.export.family import Encoded, Family
from shortlist.inference.export.heads import first_features
from shortlist.inference.export.layers import BERT_NAMES, encoder


def _encode(draft: Draft, first_only: bool) -> Encoded:
    shape, narrow = bert_shape(draft.config), draft.config.integer("embedding_size", 128)
    x, max_length = bert_embeddings(draft, width=narrow, epsilon=shape.epsilon)
    if narrow != shape.hidden:
        x = draft.linear(x, "embeddings_project", wide=(shape.hidden, narrow))
    return Encoded(encoder(draft, x, shape, BERT_NAMES, first_only=first_only), shape.hidden, max_length)


ELECTRA = Family("Electra", "electra.", _encode, first_features("classifier.dense", "gelu"), "classifier.out_proj")
