"""The trainable cross-encoder: a BERT sequence classifier whose last layer runs for [CLS] only."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import BertConfig, BertForSequenceClassification


class TrainableCrossEncoder(nn.Module):
    """`BertForSequenceClassification` with one label, and a forward pass that skips what the score does not need.

    Only the first position of the last layer reaches the pooler, so the last layer's
    queries, output and feed-forward are computed for that position alone. The result is
    the same up to rounding. Word embeddings are frozen: with few training pairs they
    would only drift for the words seen, and the gradient is half the parameters.
    """

    def __init__(self, classifier: BertForSequenceClassification) -> None:
        super().__init__()
        self.classifier = classifier
        classifier.bert.embeddings.word_embeddings.weight.requires_grad_(False)

    @classmethod
    def from_encoder(cls, folder: Path) -> TrainableCrossEncoder:
        """Start from an encoder's weights with a new head; dropout is off, which speeds up CPU training."""
        config = BertConfig.from_pretrained(
            folder, num_labels=1, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0
        )
        return cls(BertForSequenceClassification.from_pretrained(folder, config=config, attn_implementation="sdpa"))

    def forward(self, input_ids: Tensor, token_type_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Score a padded batch: three `[batch, length]` tensors in, `[batch]` logits out."""
        bert = self.classifier.bert
        hidden = bert.embeddings(input_ids=input_ids, token_type_ids=token_type_ids)  # [batch, length, dim]
        allowed = attention_mask.bool()[:, None, None, :]  # [batch, 1, 1, length]
        *layers, last = bert.encoder.layer
        for layer in layers:
            hidden = _layer(layer, hidden, hidden, allowed)
        first = _layer(last, hidden[:, :1], hidden, allowed)  # [batch, 1, dim]
        pooled = torch.tanh(bert.pooler.dense(first[:, 0]))
        return self.classifier.classifier(pooled).squeeze(-1)


def _layer(layer: nn.Module, queries: Tensor, hidden: Tensor, allowed: Tensor) -> Tensor:
    attention = layer.attention.self
    heads = attention.num_attention_heads

    def split(x: Tensor) -> Tensor:  # [batch, length, dim] -> [batch, heads, length, dim / heads]
        return x.unflatten(-1, (heads, -1)).transpose(1, 2)

    context = scaled_dot_product_attention(
        split(attention.query(queries)), split(attention.key(hidden)), split(attention.value(hidden)), allowed
    )
    attended = layer.attention.output(context.transpose(1, 2).flatten(2), queries)
    return layer.output(layer.intermediate(attended), attended)
