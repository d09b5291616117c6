"""Softmax, pairs and means over groups of which some places are only filling."""

from __future__ import annotations

from torch import Tensor, where, zeros_like
from torch.nn.functional import log_softmax as plain_log_softmax
from torch.nn.functional import softplus

_NEVER = -1e9  # finite, so that 0 times it is 0; exp of it is 0


def log_softmax(scores: Tensor, present: Tensor) -> Tensor:
    """Return log softmax `[groups, size]` over the places that are there, and 0 at the others."""
    logs = plain_log_softmax(scores.masked_fill(~present, _NEVER), -1)
    return where(present, logs, zeros_like(logs))


def mean_over_groups(values: Tensor, counted: Tensor) -> Tensor:
    """Return the mean of `[groups]` values where `counted`; 0, with a gradient of 0, when none is."""
    return (values * counted).sum() / counted.sum().clamp_min(1)


def pairs(values: Tensor, present: Tensor) -> Tensor:
    """Return `[groups, size, size]`: whether the first of two places, both there, is above the second."""
    return (values.unsqueeze(-1) > values.unsqueeze(-2)) & present.unsqueeze(-1) & present.unsqueeze(-2)


def ordered_wrongly(scores: Tensor) -> Tensor:
    """Return log(1 + exp(-(s_i - s_j))) `[groups, size, size]`, near 0 where i is well above j."""
    return softplus(scores.unsqueeze(-2) - scores.unsqueeze(-1))


def mean_over_pairs(values: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted mean over each group's pairs, averaged over the groups that have any."""
    total = weights.sum((-1, -2))
    return mean_over_groups((values * weights).sum((-1, -2)) / total.clamp_min(1e-9), total > 0)
