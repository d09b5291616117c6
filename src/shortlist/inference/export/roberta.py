"""RoBERTa, XLM-RoBERTa and CamemBERT: positions counted over the tokens that are not padding."""

from __future__ import annotations

from dataclasses import replace

from shortlist.inference.export.bert import bert_shape
from shortlist.inference.export.draft import Draft
from shortlist.inference.export.embeddings import counted_positions, token_types, words
from shortlist.inference.export.family import Encoded, Family
from shortlist.inference.export.heads import first_features
from shortlist.inference.export.layers import BERT_NAMES, encoder


def _encode(draft: Draft, first_only: bool) -> Encoded:
    shape, graph = bert_shape(draft.config), draft.graph
    padding = draft.config.integer("pad_token_id", 1, at_least=0)
    x = words(draft, "embeddings.word_embeddings.weight", width=shape.hidden)
    positions, max_length = counted_positions(draft, width=shape.hidden, padding=padding)
    types = draft.config.integer("type_vocab_size", 1)
    typed = token_types(draft, "embeddings.token_type_embeddings.weight", width=shape.hidden, types=types)
    x = graph.op("Add", graph.op("Add", x, typed), positions)
    x = draft.norm(x, "embeddings.LayerNorm", size=shape.hidden, epsilon=shape.epsilon)
    hidden = encoder(draft, x, shape, BERT_NAMES, first_only=first_only)
    return Encoded(hidden, shape.hidden, max_length)


ROBERTA = Family("Roberta", "roberta.", _encode, first_features("classifier.dense", "tanh"), "classifier.out_proj")
XLM_ROBERTA, CAMEMBERT = replace(ROBERTA, stem="XLMRoberta"), replace(ROBERTA, stem="Camembert")
