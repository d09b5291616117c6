"""What the training loop knows of a model: groups in, scores with their targets out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn
from transformers import PretrainedConfig

from shortlist.errors import InputError
from shortlist.inference.batches import pad, plan_batches
from shortlist.inference.export import Head
from shortlist.inference.tokens import ModelInput, Tokenizer
from shortlist.training.groups import Group
from shortlist.training.losses.targets import Targets
from shortlist.training.recipe import Recipe


class Student(Protocol):
    """A model in training."""

    head: Head
    module: nn.Module
    tokenizer: Tokenizer

    def exact(self) -> Student:
        """Return it as it computes in fp32."""
        ...

    def inputs(self, group: Group) -> list[ModelInput]:
        """Return what it reads of a group: a pair a passage; a bi-encoder reads the query and then each passage."""
        ...

    def score(self, groups: Sequence[Group]) -> Tensor:
        """Return `[groups, size, heads]` scores of each group's own passages; the last head is the model's own."""
        ...

    def compared(self, groups: Sequence[Group]) -> tuple[Tensor, Targets]:
        """Return `[groups, columns, heads]` scores to learn from, and what they should be."""
        ...

    def parts(self, recipe: Recipe) -> list[dict[str, object]]:
        """Return the optimizer's groups of parameters, each with its `peak` rate."""
        ...

    def save(self, folder: Path) -> None:
        """Write a Hugging Face folder."""
        ...


def check_length(recipe: Recipe, config: PretrainedConfig) -> None:
    """Raise InputError for a recipe whose texts are longer than the model to train reads."""
    if recipe.max_length > config.max_position_embeddings:
        raise InputError(
            f"max_length must be {config.max_position_embeddings} or less, which is what the model to train reads;"
            f" got {recipe.max_length}"
        )


def batches(inputs: Sequence[ModelInput], *, tokens: int, pad_id: int) -> Iterator[tuple[list[int], list[Tensor]]]:
    """Yield places and their padded ids, mask and types `[batch, length]`, sequences of like length together."""
    for places in plan_batches([len(one) for one in inputs], token_budget=tokens):
        batch = pad([inputs[place] for place in places], pad_id=pad_id)
        arrays = (batch.input_ids, batch.attention_mask, batch.token_type_ids)
        yield places, [torch.from_numpy(array) for array in arrays]


def in_order(parts: Sequence[Tensor], places: Sequence[int]) -> Tensor:
    """Join the parts' rows and put them back to their places."""
    return torch.cat(list(parts))[torch.tensor(places).argsort()]
