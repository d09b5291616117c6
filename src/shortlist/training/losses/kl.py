"""Knowledge distillation over a group (Hinton et al. 2015, https://arxiv.org/abs/1503.02531)."""

from __future__ import annotations

from torch import Tensor

from shortlist.training.losses.masked import log_softmax, mean_over_groups
from shortlist.training.losses.targets import Targets


def kl(scores: Tensor, targets: Targets) -> Tensor:
    """Return the mean Kullback-Leibler divergence from the teacher's softmax to the student's.

    The temperature is the caller's affair: the teacher's scores come divided by it.
    """
    wanted = log_softmax(targets.teacher, targets.present)
    divergence = (wanted.exp() * (wanted - log_softmax(scores, targets.present))).sum(-1)
    return mean_over_groups(divergence, targets.present.any(-1))
