"""The loss: the end of the forward pass and the start of the backward pass."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastconv._ext._loss import RowLoss
from fastconv.common.arrays import read_only
from fastconv.plan import operations
from fastconv.plan.tape import Tape, Tensor


class _CustomLoss:
    """A loss in NumPy (`fastconv.losses.CustomLoss`) on fixed arrays."""

    def __init__(self, loss: operations.Loss, prediction, targets, gradient, values, weight):
        self._loss = loss
        self._prediction, self._targets = read_only(prediction), read_only(targets)
        self._gradient, self._values, self._weight = gradient, values, weight

    def run_python(self) -> None:
        custom, rows = self._loss.custom, len(self._prediction)
        scale = rows if self._loss.summed else 1.0
        self._values[:] = custom.row_values(self._targets, self._prediction)
        self._values *= scale
        if self._gradient is not None:
            self._gradient[...] = custom.row_gradients(self._targets, self._prediction)
            if self._weight is not None:
                self._gradient *= self._weight[:, None]
            self._gradient *= np.float32(scale / rows)


def loss_op(
    loss: operations.Loss,
    prediction: np.ndarray,
    targets: np.ndarray,
    gradient: np.ndarray | None,
    values: np.ndarray,
    weight: np.ndarray | None,
    probabilities: np.ndarray | None = None,
) -> Any:
    """Return the op for the loss of all rows, and the gradient if an array is given."""
    if loss.custom is not None:
        return _CustomLoss(loss, prediction, targets, gradient, values, weight)
    return RowLoss(
        loss.kind,
        prediction,
        targets,
        gradient,
        values,
        weight,
        probabilities,
        **dict(zip("ab", loss.parameters, strict=False)),
        summed=loss.summed,
        ignore=loss.ignore,
    )


class LossTensors(NamedTuple):
    """What a loss reads and writes, one row per prediction vector.

    `values` is the loss per row, unweighted; `weights` are None without sample weights, `gradient`,
    that of the prediction, is None without a backward pass. All are None without a loss.
    """

    targets: Tensor | None = None
    values: Tensor | None = None
    weights: Tensor | None = None
    gradient: Tensor | None = None


def lower_loss(
    loss: operations.Loss,
    tape: Tape,
    prediction: Tensor,
    probabilities: Tensor | None,
    weighted: bool,
    training: bool,
) -> LossTensors:
    """Record the loss of `prediction` and return its tensors.

    `probabilities` receives the softmax of the prediction when softmax and cross-entropy are fused.
    The gradient is that of the weighted sum of the rows divided by the number of rows.
    """
    rows = prediction.rows
    targets = tape.input(rows.shape[:1], np.int64) if loss.sparse else tape.input(rows.shape)
    values = tape.keep(tape.tensor(rows.shape[:1], np.float64))
    weight = tape.keep(tape.input(rows.shape[:1])) if weighted else None
    gradient = tape.tensor(prediction.shape) if training else None

    def make():
        return loss_op(
            loss,
            rows.array,
            targets.array,
            gradient and gradient.rows.array,
            values.array,
            weight and weight.array,
            probabilities and probabilities.rows.array,
        )

    tape.emit(make, prediction, targets, gradient, values, weight, probabilities)
    return LossTensors(targets, values, weight, gradient)
