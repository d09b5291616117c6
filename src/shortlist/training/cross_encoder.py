"""A cross-encoder as a student: reads query and passage together, just as `scorers.cross_encoder` does."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from shortlist.inference.export import Head
from shortlist.inference.tokens import ModelInput, Tokenizer
from shortlist.scorers.pairs import read_pairs
from shortlist.training.batching import apart, padded, targets_of
from shortlist.training.groups import Group
from shortlist.training.losses.targets import Targets
from shortlist.training.model import TrainableCrossEncoder
from shortlist.training.recipe import Recipe
from shortlist.training.students import batches, check_length, in_order


class CrossEncoderStudent:
    """Scores pairs of at most `max_length` tokens, of which the query may take three quarters."""

    head: Head = "classification"

    def __init__(
        self, module: TrainableCrossEncoder, tokenizer: Tokenizer, tokenizer_file: Path, recipe: Recipe
    ) -> None:
        self.module = module
        self.tokenizer, self._tokenizer_file, self._recipe = tokenizer, tokenizer_file, recipe

    @classmethod
    def load(cls, folder: Path, recipe: Recipe) -> CrossEncoderStudent:
        """Start from a Hugging Face folder of a BERT encoder or classifier.

        Raises InputError for a recipe with longer pairs than it reads, and as `TrainableCrossEncoder` does.
        """
        module, file = TrainableCrossEncoder.from_encoder(folder, exits=recipe.exits), folder / "tokenizer.json"
        check_length(recipe, module.classifier.config)
        return cls(module, Tokenizer.load(file), file, recipe)

    def exact(self) -> CrossEncoderStudent:
        """Return it as it computes in fp32."""
        recipe = replace(self._recipe, bf16=False)
        return CrossEncoderStudent(self.module, self.tokenizer, self._tokenizer_file, recipe)

    def inputs(self, group: Group) -> list[ModelInput]:
        """Return the pairs of a group, each cut as it is when the model is used."""
        read = read_pairs(self.tokenizer, *group.asked, max_length=self._recipe.max_length)
        return list(read.inputs)

    def score(self, groups: Sequence[Group]) -> Tensor:
        """Return `[groups, size, exits + 1]` logits, offsets of a blend included."""
        inputs = [one for group in groups for one in self.inputs(group)]
        parts, places = [], []
        for at, (ids, mask, types) in batches(
            inputs, tokens=self._recipe.tokens_per_batch, pad_id=self.tokenizer.pad_id
        ):
            with torch.autocast("cpu", torch.bfloat16, enabled=self._recipe.bf16):
                parts.append(self.module.scores(ids, types, mask).float())
            places += at
        scores = apart(in_order(parts, places), groups)
        return scores + padded([group.offset for group in groups], scores.shape[1]).unsqueeze(-1)

    def compared(self, groups: Sequence[Group]) -> tuple[Tensor, Targets]:
        """Return the scores with the groups' own labels and teacher."""
        return self.score(groups), targets_of(groups, temperature=self._recipe.temperature)

    def parts(self, recipe: Recipe) -> list[dict[str, object]]:
        """Return the encoder, and the heads with a rate of their own."""
        head = [*self.module.classifier.classifier.parameters(), *self.module.exits.parameters()]
        heads = {id(parameter) for parameter in head}
        encoder = [p for p in self.module.parameters() if p.requires_grad and id(p) not in heads]
        return [
            {"params": encoder, "peak": recipe.learning_rate},
            {"params": head, "peak": recipe.head_learning_rate},
        ]

    def save(self, folder: Path) -> None:
        """Write config, weights, exit heads and tokenizer."""
        self.module.save(folder)
        shutil.copyfile(self._tokenizer_file, folder / "tokenizer.json")
