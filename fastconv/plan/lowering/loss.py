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

    name = "the loss"

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


class Targets:
    """The targets of a traced loss, of any shape: `value` is set before each run."""

    value: Any = None

    @property
    def array(self) -> Targets:
        return self


class _TracedLoss:
    """A loss with a network of its own (`fastconv.losses.traced`) on fixed arrays."""

    name = "the loss"

    def __init__(self, loss: operations.Loss, targets, prediction, weight, values, gradient):
        self._loss, self._targets = loss, targets
        self._arrays = read_only(prediction), weight, loss.summed, values, gradient

    def run_python(self) -> None:
        self._loss.custom.run(self._targets.value, *self._arrays)


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

    targets: Tensor | Targets | None = None
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
    if loss.kind == "traced":
        return _lower_traced(loss, tape, prediction, weighted, training)
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


def _lower_traced(
    loss: operations.Loss, tape: Tape, prediction: Tensor, weighted: bool, training: bool
) -> LossTensors:
    """Record a loss with one value per sample."""
    targets, shape = Targets(), prediction.shape[:1]
    values = tape.keep(tape.tensor(shape, np.float64))
    weight = tape.keep(tape.input(shape)) if weighted else None
    gradient = tape.tensor(prediction.shape) if training else None

    def make():
        arrays = (each and each.array for each in (prediction, weight, values, gradient))
        prediction_array, *rest = arrays
        return _TracedLoss(loss, targets, prediction_array, rest[0], rest[1], rest[2])

    tape.emit(make, prediction, gradient, values, weight)
    return LossTensors(targets, values, weight, gradient)
