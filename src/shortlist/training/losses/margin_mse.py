"""MarginMSE (Hofstätter et al. 2020, https://arxiv.org/abs/2010.02666)."""

from __future__ import annotations

from torch import Tensor

from shortlist.training.losses.masked import mean_over_pairs, pairs
from shortlist.training.losses.targets import Targets


def margin_mse(scores: Tensor, targets: Targets) -> Tensor:
    """Return the mean squared difference between the student's and the teacher's margins.

    A margin is the score of a more relevant passage less that of a less relevant one of the
    same group; labels say which pairs there are, and the teacher by how much they differ.
    """
    apart = _margins(scores) - _margins(targets.teacher)
    return mean_over_pairs(apart.square(), pairs(targets.labels, targets.present).to(scores.dtype))


def _margins(scores: Tensor) -> Tensor:
    return scores.unsqueeze(-1) - scores.unsqueeze(-2)
