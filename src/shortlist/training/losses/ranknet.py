"""RankNet (Burges et al. 2005, https://dl.acm.org/doi/10.1145/1102351.1102363)."""

from __future__ import annotations

from torch import Tensor

from shortlist.training.losses.masked import mean_over_pairs, ordered_wrongly, pairs
from shortlist.training.losses.targets import Targets


def ranknet(scores: Tensor, targets: Targets) -> Tensor:
    """Return the mean of log(1 + exp(s_j - s_i)) over the pairs of a group whose labels say that i is above j."""
    return mean_over_pairs(ordered_wrongly(scores), pairs(targets.labels, targets.present).to(scores.dtype))
