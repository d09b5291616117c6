"""ListMLE (Xia et al. 2008, https://dl.acm.org/doi/10.1145/1390156.1390306)."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from shortlist.training.losses.masked import mean_over_groups
from shortlist.training.losses.targets import Targets

_NEVER = -1e9


def list_mle(scores: Tensor, targets: Targets) -> Tensor:
    """Return the mean of -log P(order), P being the Plackett-Luce model of the scores, per place of the list.

    The order is that of the labels, and among equal labels the teacher's. Places after the
    last label above 0 are all equally irrelevant when the teacher is silent: what the labels
    do not tell apart is left out of the likelihood, and only stands below. A teacher that scored
    a part of a group orders none of it: the others have no place in its order.
    """
    whole = (targets.taught | ~targets.present).all(-1, keepdim=True)  # [groups, 1]
    targets = replace(targets, teacher=targets.teacher * whole)
    present, order = targets.present, _order(targets)
    sorted_scores = scores.masked_fill(~present, _NEVER).gather(-1, order)
    rest = sorted_scores.flip(-1).logcumsumexp(-1).flip(-1)  # log of the sum over this place and those behind it
    counted = (present & ~_tied_to_the_end(targets)).gather(-1, order)
    terms = (rest - sorted_scores) * counted
    places = counted.sum(-1)
    return mean_over_groups(terms.sum(-1) / places.clamp_min(1), places > 0)


def _order(targets: Targets) -> Tensor:
    """Return places best first: by label, then by teacher, then as given; filling comes last."""
    by_teacher = targets.teacher.argsort(dim=-1, descending=True, stable=True)
    labels = targets.labels.masked_fill(~targets.present, -1.0).gather(-1, by_teacher)
    return by_teacher.gather(-1, labels.argsort(dim=-1, descending=True, stable=True))


def _tied_to_the_end(targets: Targets) -> Tensor:
    """Return the places that are as low as the lowest, by label and by teacher: nothing orders them."""
    labels = targets.labels.masked_fill(~targets.present, 2.0)
    lowest = targets.labels == labels.amin(-1, keepdim=True)
    teacher = targets.teacher.masked_fill(~(lowest & targets.present), float("inf"))
    return lowest & (targets.teacher == teacher.amin(-1, keepdim=True))
