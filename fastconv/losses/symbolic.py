"""Losses of symbolic tensors: `losses.mean_squared_error(y_true, y_pred)` inside a graph."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv import ops
from fastconv.ops._function import function


def _gradient(dy, y, y_true, y_pred, loss):
    _, _, gradient = loss._compute(y_true, y_pred, None, mean=True)
    return None, gradient * np.float32(max(1, y.size)) * dy[..., None]


@function(
    "fastconv",
    "LossValues",
    "y_true y_pred",
    gradient=_gradient,
    shape=lambda y_true, y_pred, loss: y_pred.shape[:-1],
    dtype=np.dtype(np.float32),
    promoted="y_pred",
)
def loss_values(y_true: Any, y_pred: Any, loss: Any) -> Any:
    """The values of a loss of `fastconv.losses`, one per prediction vector."""
    return loss.values(y_true, y_pred)


def reduced(values: Any, sample_weight: Any, reduction: str | None) -> Any:
    """What a loss with this `reduction` makes of symbolic `values`."""
    if sample_weight is not None:
        values = values * sample_weight
    if reduction in ("none", None):
        return values
    if reduction == "sum":
        return ops.sum(values)
    if reduction == "mean_with_sample_weight" and sample_weight is not None:
        raise ValueError(f"`reduction` {reduction!r} must be without symbolic sample weights")
    return ops.mean(values)
