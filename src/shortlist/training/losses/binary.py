"""Binary cross-entropy: each pair is right or wrong by itself (Nogueira & Cho 2019, https://arxiv.org/abs/1901.04085)."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from shortlist.training.losses.targets import Targets


def binary_cross_entropy(scores: Tensor, targets: Targets) -> Tensor:
    """Return the mean over all pairs of -y log p - (1 - y) log(1 - p), where p is the sigmoid of the score."""
    present = targets.present
    return binary_cross_entropy_with_logits(scores[present], targets.labels[present])
