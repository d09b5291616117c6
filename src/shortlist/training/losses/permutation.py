"""Permutation distillation: RankNet on the order that a teacher gives (RankGPT, Sun et al. 2023).

https://arxiv.org/abs/2304.09542, section 4.
"""

from __future__ import annotations

from torch import Tensor

from shortlist.training.losses.masked import mean_over_pairs, ordered_wrongly, pairs
from shortlist.training.losses.targets import Targets


def permutation(scores: Tensor, targets: Targets) -> Tensor:
    """Return the mean of log(1 + exp(s_j - s_i)) over the pairs of a group of which the teacher scores i above j.

    Only the teacher's order counts, not by how much it prefers. (The paper sums where this
    takes the mean, so that long groups weigh no more than short ones.)
    """
    return mean_over_pairs(ordered_wrongly(scores), pairs(targets.teacher, targets.present).to(scores.dtype))
