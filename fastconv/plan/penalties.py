"""Makes ops for the penalties of regularizers, on weights and on outputs of layers.

A penalty on a weight adds its gradient to the gradient buffer after the backward pass, before any
clipping. It writes its value to a float64 array of one element, which the reported loss includes.
L1 and L2 run in the compiled core; functions of users run in NumPy (`run_python`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv._ext import _penalty
from fastconv.parameters import AnyParameters
from fastconv.plan.rules import L1L2Penalty, NumPyPenalty, Penalty


class _PythonPenalty:
    """value[0] = scale * penalty of x; adds its gradient to `gradient`, if given."""

    name = "a penalty"

    def __init__(self, penalty: NumPyPenalty, x, gradient, value, scale):
        self._penalty, self._x, self._gradient = penalty, x, gradient
        self._value, self._scale = value, scale

    def run_python(self) -> None:
        self._value[0] = self._scale * float(self._penalty.value(self._x))
        if self._gradient is not None:
            self._gradient += self._scale * np.asarray(self._penalty.gradient(self._x))


def penalty_op(
    penalty: Penalty,
    x: np.ndarray,
    gradient: np.ndarray | None,
    value: np.ndarray,
    scale: float = 1.0,
) -> Any:
    """Return the op for `scale` times the penalty of `x` (and its gradient)."""
    if isinstance(penalty, L1L2Penalty):
        return _penalty.Penalty(x, gradient, value, penalty.l1, penalty.l2, scale)
    return _PythonPenalty(penalty, x, gradient, value, scale)


def weight_penalties(
    parameters: AnyParameters, training: bool
) -> tuple[list[Any], list[np.ndarray]]:
    """Return (ops, values) of penalties on trainable weights; gradients if `training`."""
    ops, values = [], []
    for variable in parameters.variables:
        if variable.regularizer is not None and variable.trainable:
            gradient = parameters.view(parameters.gradient, variable) if training else None
            value = np.zeros(1)
            penalty = variable.regularizer.for_plan()
            ops.append(penalty_op(penalty, variable._live, gradient, value))
            values.append(value)
    return ops, values
