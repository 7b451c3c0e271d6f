"""Losses of numbers: how far a prediction is from its target, mean over the last axis."""

from __future__ import annotations

from typing import Any

from fastconv.common.arguments import number
from fastconv.losses.base import Loss, axis_number


class MeanSquaredError(Loss):
    """mean((y_true - y_pred)^2) over the last axis. Arguments as `Loss`."""

    kind = "squared"


class MeanAbsoluteError(Loss):
    """mean(|y_true - y_pred|) over the last axis. Arguments as `Loss`."""

    kind = "absolute"


class MeanAbsolutePercentageError(Loss):
    """100 mean(|y_true - y_pred| / max(|y_true|, 1e-7)) over the last axis. Arguments as `Loss`."""

    kind = "percentage"


class MeanSquaredLogarithmicError(Loss):
    """mean((log(1 + y_true) - log(1 + y_pred))^2) over the last axis, both at least 1e-7.

    Arguments as `Loss`.
    """

    kind = "logarithmic"


class LogCosh(Loss):
    """mean(log(cosh(y_pred - y_true))) over the last axis. Arguments as `Loss`."""

    kind = "log_cosh"


class Huber(Loss):
    """Half the squared error where it is at most `delta`, linear beyond; mean over the last axis.

    Args:
        delta: positive.
        reduction, name, dtype: see `Loss`.
    """

    kind = "huber"
    default_name: str = "huber_loss"
    settings: tuple[str, ...] = ("delta",)

    def __init__(self, delta: float = 1.0, reduction: Any = "sum_over_batch_size", **common: Any):
        super().__init__(reduction, **common)
        self.delta: float = number(delta, "delta", 0, above=True)

    def parameters(self) -> Any:
        return (self.delta,)


class CosineSimilarity(Loss):
    """Minus the cosine of the angle between y_true and y_pred, from -1 (the same way) to 1.

    Args:
        axis: that of the vectors; the last one in a model.
        reduction, name, dtype: see `Loss`.
    """

    kind = "cosine"
    settings: tuple[str, ...] = ("axis",)

    def __init__(self, axis: int = -1, reduction: Any = "sum_over_batch_size", **common: Any):
        super().__init__(reduction, **common)
        self.axis: int = axis_number(axis)
