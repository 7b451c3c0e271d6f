"""The loss: where the forward pass ends and the backward pass begins."""

from __future__ import annotations

import numpy as np

from fastconv._ext import _elementwise
from fastconv.plan import nodes
from fastconv.plan.tape import Tape, Tensor


def lower_loss(
    loss: nodes.Loss,
    tape: Tape,
    prediction: Tensor,
    probabilities: Tensor | None,
    weighted: bool,
    training: bool,
) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
    """Record the loss of `prediction`; return (targets, loss, sample_weight, dprediction).

    `probabilities` receives the softmax of the prediction, for the two-in-one of softmax and
    cross-entropy. The loss is per row, not weighted; the gradient is that of the weighted sum
    divided by the number of rows.
    """
    rows = prediction.rows
    targets = tape.input(rows.shape[:1], np.int64) if loss.sparse else tape.input(rows.shape)
    values = tape.keep(tape.tensor(rows.shape[:1], np.float64))
    weight = tape.keep(tape.input(rows.shape[:1])) if weighted else None
    gradient = tape.tensor(prediction.shape) if training else None

    def make():
        arguments = (
            rows.array,
            targets.array,
            gradient and gradient.rows.array,
            values.array,
            weight and weight.array,
        )
        if loss.kind == "mean_squared_error":
            return _elementwise.MeanSquaredError(*arguments)
        if loss.kind == "cross_entropy":
            return _elementwise.CrossEntropy(*arguments)
        return _elementwise.SoftmaxCrossEntropy(
            *arguments, probabilities and probabilities.rows.array
        )

    tape.emit(make, prediction, targets, gradient, values, weight, probabilities)
    return targets, values, weight, gradient
