"""LambdaLoss with NDCG-Loss2++ (Wang et al. 2018, https://dl.acm.org/doi/10.1145/3269206.3271784)."""

from __future__ import annotations

import torch
from torch import Tensor

from shortlist.training.losses.masked import mean_over_groups, ordered_wrongly, pairs
from shortlist.training.losses.targets import Targets

_MU = 10.0  # the paper's weight of NDCG-Loss2 beside LambdaRank
_LOG_2 = 0.6931471805599453


def lambda_loss(scores: Tensor, targets: Targets) -> Tensor:
    """Return sum((rho_ij + mu delta_ij) |G_i - G_j| log2(1 + exp(s_j - s_i))) over pairs whose labels differ.

    With D(r) = log2(1 + r), ranks r of the scores as they are, and gains G = (2^y - 1) / ideal DCG:
    rho = |1/D(r_i) - 1/D(r_j)| is LambdaRank's weight, delta = |1/D(|r_i - r_j|) -
    1/D(|r_i - r_j| + 1)| bounds nDCG's loss more closely. Weights have no gradient. The mean over
    groups with a relevant passage.
    """
    with torch.no_grad():
        weights, has_relevant = _weights(scores, targets)
    losses = (weights * ordered_wrongly(scores) / _LOG_2).sum((-1, -2))
    return mean_over_groups(losses, has_relevant)


def _weights(scores: Tensor, targets: Targets) -> tuple[Tensor, Tensor]:
    ranks = _ranks(scores.masked_fill(~targets.present, -torch.inf))  # [groups, size], from 1
    gains = (2.0**targets.labels - 1) * targets.present
    places = torch.arange(1, scores.shape[-1] + 1)
    ideal = (gains.sort(-1, descending=True).values / torch.log2(1.0 + places)).sum(-1)  # [groups]
    gains = gains / ideal.clamp_min(1e-9).unsqueeze(-1)
    discount = 1 / torch.log2(1.0 + ranks)
    rho = (discount.unsqueeze(-1) - discount.unsqueeze(-2)).abs()
    apart = (ranks.unsqueeze(-1) - ranks.unsqueeze(-2)).abs().clamp_min(1)  # 0 only on the diagonal, which is no pair
    delta = (1 / torch.log2(1.0 + apart) - 1 / torch.log2(2.0 + apart)).abs()
    gaps = (gains.unsqueeze(-1) - gains.unsqueeze(-2)).abs()
    return (rho + _MU * delta) * gaps * pairs(targets.labels, targets.present), ideal > 0


def _ranks(scores: Tensor) -> Tensor:
    order = scores.argsort(dim=-1, descending=True, stable=True)
    return order.argsort(dim=-1) + 1
