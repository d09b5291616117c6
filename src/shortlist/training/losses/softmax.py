"""Softmax cross-entropy over a group: ListNet's top-one (Cao et al. 2007), as in Gao et al. 2021.

https://dl.acm.org/doi/10.1145/1273496.1273513, https://arxiv.org/abs/2101.08751
"""

from __future__ import annotations

from torch import Tensor

from shortlist.training.losses.masked import log_softmax, mean_over_groups
from shortlist.training.losses.targets import Targets


def softmax(scores: Tensor, targets: Targets) -> Tensor:
    """Return the mean cross-entropy of each group's labels, divided by their sum, and the softmax of its scores.

    Groups without a relevant passage have no part in it.
    """
    labels = targets.labels * targets.present
    total = labels.sum(-1, keepdim=True)  # [groups, 1]
    shares = labels / total.clamp_min(1e-9)
    return mean_over_groups(-(shares * log_softmax(scores, targets.present)).sum(-1), total.squeeze(-1) > 0)
