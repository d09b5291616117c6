"""Losses over groups of scores, one a file; named here without importing torch."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from shortlist.errors import InputError

if TYPE_CHECKING:
    from shortlist.training.losses.targets import Loss

_HERE = "shortlist.training.losses"

LABEL_LOSSES = {
    "softmax": f"{_HERE}.softmax:softmax",
    "binary": f"{_HERE}.binary:binary_cross_entropy",
    "ranknet": f"{_HERE}.ranknet:ranknet",
    "lambda": f"{_HERE}.lambda_loss:lambda_loss",
    "list-mle": f"{_HERE}.list_mle:list_mle",
}
"""Losses that learn from labels alone."""

TEACHER_LOSSES = {
    "kl": f"{_HERE}.kl:kl",
    "margin-mse": f"{_HERE}.margin_mse:margin_mse",
    "permutation": f"{_HERE}.permutation:permutation",
}
"""Losses that learn from a teacher's scores or order."""


def find_loss(name: str) -> Loss:
    """Return a loss by its name; raises InputError that lists them."""
    known = LABEL_LOSSES | TEACHER_LOSSES
    if name not in known:
        raise InputError(
            f"there is no loss {name!r}; from labels learn {', '.join(LABEL_LOSSES)},"
            f" from a teacher {', '.join(TEACHER_LOSSES)}"
        )
    module, attribute = known[name].split(":")
    loss: Any = getattr(importlib.import_module(module), attribute)
    found: Loss = loss
    return found
