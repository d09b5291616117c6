"""A bi-encoder as a student, with in-batch and hard negatives.

Sentence-BERT (Reimers & Gurevych 2019) and DPR (Karpukhin et al. 2020):
https://arxiv.org/abs/1908.10084, https://arxiv.org/abs/2004.04906
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from transformers import AutoConfig, AutoModel

from shortlist.errors import InputError
from shortlist.inference.export import Head
from shortlist.inference.tokens import ModelInput, Tokenizer
from shortlist.training.batching import apart, targets_of
from shortlist.training.groups import Group
from shortlist.training.losses.targets import Targets
from shortlist.training.pooling import MEAN, Pooling
from shortlist.training.recipe import Recipe
from shortlist.training.students import batches, check_length, in_order

SCALE = 20.0  # cosines times this are logits, as in sentence-transformers' MultipleNegativesRankingLoss


class BiEncoderStudent:
    """Scores by 20 times the cosine of the texts' vectors; every passage of a batch is a negative of the others.

    A passage that is relevant to a query in any group of the batch, or has the text of one that is,
    is no negative of it wherever in the batch it stands.
    """

    head: Head = "mean_pooling"

    def __init__(
        self, module: nn.Module, tokenizer: Tokenizer, tokenizer_file: Path, recipe: Recipe, pooling: Pooling
    ) -> None:
        self.module = module
        self.tokenizer, self._tokenizer_file, self._recipe, self._pooling = tokenizer, tokenizer_file, recipe, pooling

    @classmethod
    def load(cls, folder: Path, recipe: Recipe, pooling: Pooling = MEAN) -> BiEncoderStudent:
        """Start from a Hugging Face folder of an encoder, in fp32; dropout is off, as for the cross-encoder.

        Raises InputError for a recipe with exits, or with longer texts than the encoder reads.
        """
        if recipe.exits:
            raise InputError(f"a bi-encoder has no exits; got {', '.join(map(str, recipe.exits))}")
        config = AutoConfig.from_pretrained(folder, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
        model = AutoModel.from_pretrained(folder, config=config, attn_implementation="sdpa").float()
        check_length(recipe, config)
        model.embeddings.word_embeddings.weight.requires_grad_(False)
        file = folder / "tokenizer.json"
        return cls(model, Tokenizer.load(file), file, recipe, pooling)

    def exact(self) -> BiEncoderStudent:
        """Return it as it computes in fp32."""
        recipe = replace(self._recipe, bf16=False)
        return BiEncoderStudent(self.module, self.tokenizer, self._tokenizer_file, recipe, self._pooling)

    def inputs(self, group: Group) -> list[ModelInput]:
        """Return a group's query and then its passages."""
        return self._read([group.query], group.passages)

    def score(self, groups: Sequence[Group]) -> Tensor:
        """Return `[groups, size, 1]` scaled cosines of each query with its own passages."""
        queries, passages = self._vectors(groups)
        own = torch.arange(len(groups)).repeat_interleave(torch.tensor([len(g.passages) for g in groups]))
        return apart(SCALE * (queries[own] * passages).sum(-1, keepdim=True), groups)

    def compared(self, groups: Sequence[Group]) -> tuple[Tensor, Targets]:
        """Return `[groups, passages of all groups, 1]` scores, and targets with the others' passages as negatives."""
        queries, passages = self._vectors(groups)
        texts = [passage for group in groups for passage in group.passages]
        relevant = {
            (group.query, text)
            for group in groups
            for text, label in zip(group.passages, group.relevance, strict=True)
            if label > 0
        }
        labels, teacher, present, taught = (torch.zeros(len(groups), len(texts)) for _ in range(4))
        at = 0
        for row, group in enumerate(groups):
            own = targets_of([group], temperature=self._recipe.temperature)
            present[row] = torch.tensor([float((group.query, text) not in relevant) for text in texts])
            mine = slice(at, at + len(group.passages))
            present[row, mine] = 1.0
            labels[row, mine], teacher[row, mine], taught[row, mine] = own.labels[0], own.teacher[0], own.taught[0]
            at = mine.stop
        scores = SCALE * (queries @ passages.T).unsqueeze(-1)
        return scores, Targets(labels, teacher, present.bool(), taught.bool())

    def parts(self, recipe: Recipe) -> list[dict[str, object]]:
        """Return all parameters that are trained."""
        return [{"params": [p for p in self.module.parameters() if p.requires_grad], "peak": recipe.learning_rate}]

    def save(self, folder: Path) -> None:
        """Write config, weights, tokenizer, and how vectors are made."""
        self.module.save_pretrained(folder)
        shutil.copyfile(self._tokenizer_file, folder / "tokenizer.json")
        self._pooling.save(folder, width=self.module.config.hidden_size)

    def _vectors(self, groups: Sequence[Group]) -> tuple[Tensor, Tensor]:
        """Return unit vectors of the queries `[groups, dim]` and of all passages in turn `[passages, dim]`."""
        inputs = self._read([group.query for group in groups], [text for group in groups for text in group.passages])
        parts, places = [], []
        for at, (ids, mask, _) in batches(inputs, tokens=self._recipe.tokens_per_batch, pad_id=self.tokenizer.pad_id):
            with torch.autocast("cpu", torch.bfloat16, enabled=self._recipe.bf16):
                hidden = self.module(input_ids=ids, attention_mask=mask).last_hidden_state  # [batch, length, dim]
            seen = mask.unsqueeze(-1).float()
            is_first = self._pooling.mode == "cls"
            pooled = hidden[:, 0].float() if is_first else (hidden.float() * seen).sum(1) / seen.sum(1)
            parts.append(normalize(pooled, dim=-1))
            places += at
        vectors = in_order(parts, places)
        return vectors[: len(groups)], vectors[len(groups) :]

    def _read(self, queries: Sequence[str], passages: Sequence[str]) -> list[ModelInput]:
        prompts = self._pooling
        texts = [*(prompts.query + text for text in queries), *(prompts.passage + text for text in passages)]
        template = self.tokenizer.single
        room = self._recipe.max_length - template.overhead
        return [template.build(ids[:room], ids[:0]) for ids in self.tokenizer.encode(texts)]
