"""Groups of any size become tensors of one size."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from shortlist.training.groups import Group
from shortlist.training.losses.targets import Targets


def padded(rows: Sequence[Sequence[float]], size: int) -> Tensor:
    """Return `[rows, size]` fp32, short rows filled with 0."""
    return torch.tensor([[*row, *(0.0,) * (size - len(row))] for row in rows], dtype=torch.float32)


def targets_of(groups: Sequence[Group], *, temperature: float = 1.0) -> Targets:
    """Return labels and the teacher's scores over the temperature, `[groups, size]`; where it has none they are 0."""
    size = max(len(group.passages) for group in groups)
    return Targets(
        padded([group.relevance for group in groups], size),
        padded([[score or 0.0 for score in group.teacher] for group in groups], size) / temperature,
        padded([(1.0,) * len(group.passages) for group in groups], size).bool(),
        padded([[float(score is not None) for score in group.teacher] for group in groups], size).bool(),
    )


def apart(scores: Tensor, groups: Sequence[Group]) -> Tensor:
    """Spread `[passages, heads]` of all groups in turn over `[groups, size, heads]`, with 0 for filling."""
    counts = [len(group.passages) for group in groups]
    return torch.nn.utils.rnn.pad_sequence(list(scores.split(counts)), batch_first=True)
