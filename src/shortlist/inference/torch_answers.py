"""An output layer for a few tokens instead of the whole vocabulary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn


class AnswerRows(nn.Module):
    """The output matrix cut down to the rows `[answers, hidden]` that a score reads.

    The whole matrix would give `[batch, length, vocabulary]` logits: 310 MB in bf16 for
    1,024 tokens of a vocabulary of 151,669. The product is made in fp32 whatever the
    model's precision, since bf16 tells only every sixteenth of a logit apart from 8 on.
    """

    def __init__(self, rows: Tensor) -> None:
        super().__init__()
        self.rows = nn.Parameter(rows.detach().float(), requires_grad=False)  # [answers, hidden]

    def forward(self, hidden: Tensor) -> Tensor:
        """Map `[..., hidden]` to fp32 `[..., answers]`."""
        return nn.functional.linear(hidden.float(), self.rows)


def keep_answers(model: Any, answers: Sequence[int]) -> None:
    """Put the rows of the token ids `answers` in the place of a model's output layer, tied or not.

    What the model itself does to its logits (scaling, soft caps) still happens.
    """
    matrix = model.get_output_embeddings().weight  # [vocabulary, hidden]
    model.set_output_embeddings(AnswerRows(matrix[torch.tensor(list(answers), device=matrix.device)]))
