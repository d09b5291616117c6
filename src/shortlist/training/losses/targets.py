"""What a loss compares a group's scores with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from torch import Tensor


@dataclass(frozen=True, slots=True)
class Targets:
    """Four tensors `[groups, size]`.

    `labels` are relevance in 0..1, a teacher's scores `teacher` are in any unit. `present` tells
    passages from places that only fill a group up, `taught` those that the teacher scored.
    """

    labels: Tensor
    teacher: Tensor
    present: Tensor
    taught: Tensor

    def of(self, groups: Tensor) -> Targets:
        """Return those of some groups, `[groups]` being true for them."""
        return Targets(self.labels[groups], self.teacher[groups], self.present[groups], self.taught[groups])

    def of_teacher(self) -> Targets:
        """Leave what the teacher did not score out."""
        return replace(self, present=self.taught)

    def __len__(self) -> int:
        return len(self.present)


class Loss(Protocol):
    """Says how far scores `[groups, size]` are from their targets: a scalar, a mean over groups, 0 or more."""

    def __call__(self, scores: Tensor, targets: Targets) -> Tensor:
        """Return the loss; scores of places that are not present have no part in it, nor a gradient."""
        ...
