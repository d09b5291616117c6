"""Logistic regression: the probability of a yes from a few numbers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from shortlist.errors import InputError

Floats = npt.NDArray[np.float64]
_STEPS = 100


def fit_logistic(features: Floats, labels: Floats, *, ridge: float = 1e-3) -> tuple[Floats, float]:
    """Return weights `[columns]` and bias that make `labels` `[rows]`, within 0..1, most likely.

    Newton's method on the log loss with `ridge` times the squared weights (the bias is
    free), each step halved until the loss sinks. Raises InputError when counts differ or
    there is only one kind of label.
    """
    if len(features) != len(labels) or not len(labels):
        raise InputError(f"{len(features)} rows and {len(labels)} labels make no logistic regression")
    if labels.max() <= 0.5 or labels.min() >= 0.5:
        raise InputError(f"all {len(labels)} labels say the same; a fit needs both kinds")
    rows = np.column_stack([features, np.ones(len(features))])  # [rows, columns + 1]
    penalty = np.full(rows.shape[1], ridge)
    penalty[-1] = 0.0
    weights = np.zeros(rows.shape[1])
    loss = _loss(rows, labels, weights, penalty)
    for _ in range(_STEPS):
        chances = sigmoid(rows @ weights)
        slope = rows.T @ (chances - labels) / len(labels) + 2 * penalty * weights
        bend = (rows * (chances * (1 - chances))[:, None]).T @ rows / len(labels) + np.diag(2 * penalty + 1e-12)
        step = np.linalg.solve(bend, slope)
        size = 1.0
        while (new := _loss(rows, labels, weights - size * step, penalty)) > loss and size > 1e-6:
            size /= 2
        if loss - new < 1e-12:
            break
        weights, loss = weights - size * step, new
    return weights[:-1], float(weights[-1])


def sigmoid(values: Floats) -> Floats:
    """Return `1 / (1 + exp(-values))` without overflow."""
    small = np.exp(-np.abs(values))
    result: Floats = np.where(values >= 0, 1.0, small) / (1.0 + small)
    return result


def log_loss(logits: Floats, labels: Floats) -> float:
    """Return the mean negative log likelihood of labels within 0..1."""
    return float(np.mean(np.logaddexp(0.0, logits) - labels * logits))


def _loss(rows: Floats, labels: Floats, weights: Floats, penalty: Floats) -> float:
    return log_loss(rows @ weights, labels) + float(penalty @ weights**2)
