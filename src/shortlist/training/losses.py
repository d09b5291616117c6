"""Losses over groups of scores; each takes `[groups, 1 + negatives]` logits with the positive in column 0."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, kl_div, log_softmax, softmax


def listwise_softmax(scores: Tensor) -> Tensor:
    """Cross-entropy of the positive against its group (ListNet top-1, Cao et al. 2007)."""
    return cross_entropy(scores, torch.zeros(len(scores), dtype=torch.long))


def distillation(scores: Tensor, teacher: Tensor, *, temperature: float) -> Tensor:
    """Kullback-Leibler divergence from the teacher's softmax at `temperature` to the student's (Hinton et al. 2015)."""
    return kl_div(log_softmax(scores, -1), softmax(teacher / temperature, -1), reduction="batchmean")
