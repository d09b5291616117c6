"""The trainable cross-encoder: a BERT sequence classifier whose last layer runs for [CLS] only, with exit heads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import BertConfig, BertForSequenceClassification

from shortlist.errors import InputError, UnsupportedModelError
from shortlist.inference.export.stages import EXIT_HEADS


class ExitHead(nn.Module):
    """A score read from [CLS] behind an inner layer: a pooler and a classifier of its own (Xin et al. 2020)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.pooler = nn.Linear(width, width)
        self.classifier = nn.Linear(width, 1)

    def forward(self, first: Tensor) -> Tensor:
        """Score `[batch, dim]` to `[batch]`."""
        return self.classifier(torch.tanh(self.pooler(first))).squeeze(-1)


class TrainableCrossEncoder(nn.Module):
    """`BertForSequenceClassification` with one label, and a forward pass that skips what the score does not need.

    Only the first position of the last layer reaches the pooler, so the last layer's
    queries, output and feed-forward are computed for that position alone. The result is
    the same up to rounding. Word embeddings are frozen: with few training pairs they
    would only drift for the words seen, and the gradient is half the parameters.

    `exits` names layers behind which an exit head scores too, in any order. Raises InputError for a
    layer that is not there, and for the last one, whose head is the model's own.
    """

    def __init__(self, classifier: BertForSequenceClassification, *, exits: Sequence[int] = ()) -> None:
        super().__init__()
        self.classifier = classifier
        classifier.bert.embeddings.word_embeddings.weight.requires_grad_(False)
        width, layers = classifier.config.hidden_size, classifier.config.num_hidden_layers
        if wrong := [layer for layer in exits if not 0 < layer < layers]:
            raise InputError(f"an exit is behind a layer from 1 to {layers - 1} of this model; got {wrong[0]}")
        self.exits = nn.ModuleDict({str(layer): ExitHead(width) for layer in sorted(set(exits))})

    @classmethod
    def from_encoder(cls, folder: Path, *, exits: Sequence[int] = ()) -> TrainableCrossEncoder:
        """Start from the weights in `folder`, in fp32 however they are stored, with new heads where it has none.

        Dropout is off, for speed on a CPU. Raises UnsupportedModelError for a classifier of several labels.
        """
        stored = BertConfig.from_pretrained(folder)
        if stored.num_labels != 1 and "BertForSequenceClassification" in (stored.architectures or ()):
            raise UnsupportedModelError(
                f"{folder} gives {stored.num_labels} scores a pair; only models that give one are trained here"
            )
        config = BertConfig.from_pretrained(
            folder, num_labels=1, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0
        )
        model = BertForSequenceClassification.from_pretrained(folder, config=config, attn_implementation="sdpa")
        trainable = cls(model.float(), exits=exits)
        if exits and (folder / EXIT_HEADS).is_file():
            trainable.exits.load_state_dict(
                {name.removeprefix("exit."): tensor for name, tensor in load_file(folder / EXIT_HEADS).items()},
                strict=False,  # the folder may have heads behind other layers
            )
        return trainable

    def save(self, folder: Path) -> None:
        """Write a Hugging Face folder, and the exit heads beside it as `exit.<layer>.pooler.weight` and so on."""
        self.classifier.save_pretrained(folder)
        if self.exits:
            heads = {f"exit.{name}": tensor.contiguous() for name, tensor in self.exits.state_dict().items()}
            save_file(heads, folder / EXIT_HEADS)

    def forward(self, input_ids: Tensor, token_type_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Score a padded batch: three `[batch, length]` tensors in, `[batch]` logits out."""
        return self.scores(input_ids, token_type_ids, attention_mask)[:, -1]

    def scores(self, input_ids: Tensor, token_type_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Return `[batch, exits + 1]` logits: those of the exits from the lowest up, then the final one."""
        bert = self.classifier.bert
        hidden = bert.embeddings(input_ids=input_ids, token_type_ids=token_type_ids)  # [batch, length, dim]
        allowed = attention_mask.bool()[:, None, None, :]  # [batch, 1, 1, length]
        *layers, last = bert.encoder.layer
        early: list[Tensor] = []
        for number, layer in enumerate(layers, 1):
            hidden = _layer(layer, hidden, hidden, allowed)
            if str(number) in self.exits:
                early.append(self.exits[str(number)](hidden[:, 0]))
        first = _layer(last, hidden[:, :1], hidden, allowed)  # [batch, 1, dim]
        pooled = torch.tanh(bert.pooler.dense(first[:, 0]))
        return torch.stack([*early, self.classifier.classifier(pooled).squeeze(-1)], -1)


def _layer(layer: nn.Module, queries: Tensor, hidden: Tensor, allowed: Tensor) -> Tensor:
    attention = layer.attention.self
    heads = attention.num_attention_heads

    def split(x: Tensor) -> Tensor:  # [batch, length, dim] -> [batch, heads, length, dim / heads]
        return x.unflatten(-1, (heads, -1)).transpose(1, 2)

    context = _attend(
        split(attention.query(queries)), split(attention.key(hidden)), split(attention.value(hidden)), allowed
    )
    attended = layer.attention.output(context.transpose(1, 2).flatten(2), queries)
    return layer.output(layer.intermediate(attended), attended)


def _attend(queries: Tensor, keys: Tensor, values: Tensor, allowed: Tensor) -> Tensor:
    """Attend by plain products: on a CPU torch's fused attention is slower, most of all its gradient in bf16."""
    scores = (queries * queries.shape[-1] ** -0.5) @ keys.mT  # [batch, heads, queries, length]
    scores = scores.masked_fill(~allowed, torch.finfo(scores.dtype).min)
    with torch.autocast("cpu", enabled=False):  # which would make fp32 of bf16 here, at twice the time
        shares = scores.softmax(-1)
    return shares @ values
