"""Makes ops on the flat buffers from regularizers and constraints of weights.

A penalty adds its gradient to the gradient buffer after the backward pass, before any clipping, and
writes its value to a float64 array of one element, which the reported loss includes. A constraint
runs after the update. L1, L2 and all norms run in the compiled core; functions of users run in
NumPy (`run_python`).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastconv._ext import _elementwise, _penalty
from fastconv.constraints import EPSILON, Constraint, MinMaxNorm, NonNeg
from fastconv.parameters import Parameters
from fastconv.regularizers import L1L2, Regularizer


class _PythonPenalty:
    """value[0] = scale * penalty of x; adds its gradient to `gradient`, if given."""

    def __init__(self, regularizer, x, gradient, value, scale):
        self._regularizer, self._x, self._gradient = regularizer, x, gradient
        self._value, self._scale = value, scale

    def run_python(self) -> None:
        self._value[0] = self._scale * float(self._regularizer(self._x))
        if self._gradient is not None:
            self._gradient += self._scale * np.asarray(self._regularizer.gradient(self._x))


class _PythonConstraint:
    """Replaces w by the result of the constraint."""

    def __init__(self, constraint: Constraint, w: np.ndarray):
        self._constraint, self._w = constraint, w

    def run_python(self) -> None:
        self._w[...] = self._constraint(self._w)


def penalty_op(
    regularizer: Regularizer,
    x: np.ndarray,
    gradient: np.ndarray | None,
    value: np.ndarray,
    scale: float = 1.0,
) -> Any:
    """Return the op for `scale` times the penalty of `x` (and its gradient)."""
    regularizer.is_read_by_plans()
    if _is_compiled(regularizer, L1L2, "__call__", "gradient"):
        return _penalty.Penalty(x, gradient, value, regularizer.l1, regularizer.l2, scale)
    return _PythonPenalty(regularizer, x, gradient, value, scale)


def _is_compiled(thing: Any, cls: type, *methods: str) -> bool:
    """Return whether the compiled core's version of `cls` is exact for `thing`: an instance of
    `cls`, or of a subclass that inherits all of `methods` from it."""
    own = type(thing)
    return isinstance(thing, cls) and all(getattr(own, m) is getattr(cls, m) for m in methods)


def weight_penalties(parameters: Parameters, training: bool) -> tuple[list[Any], list[np.ndarray]]:
    """Return (ops, values) of penalties on trainable weights; gradients if `training`."""
    ops, values = [], []
    for variable in parameters.variables:
        if variable.regularizer is not None and variable.trainable:
            gradient = parameters.view(parameters.gradient, variable) if training else None
            value = np.zeros(1)
            ops.append(penalty_op(variable.regularizer, variable._live, gradient, value))
            values.append(value)
    return ops, values


def constraint_ops(parameters: Parameters) -> list[Any]:
    """Return the ops that apply the trainable weights' constraints after the update."""
    return [
        _constraint_op(variable.constraint, variable._live)
        for variable in parameters.variables
        if variable.constraint is not None and variable.trainable
    ]


def _constraint_op(constraint: Constraint, w: np.ndarray) -> Any:
    constraint.is_read_by_plans()
    if _is_compiled(constraint, NonNeg, "__call__"):
        return _elementwise.ActivationForward("relu", w, w)
    if _is_compiled(constraint, MinMaxNorm, "__call__", "axes"):
        axes = constraint.axes(w.ndim)
        first, last = axes[0], axes[-1]
        if len(axes) == last - first + 1:  # contiguous, so they are one axis of a view
            middle = math.prod(w.shape[first : last + 1])
            view = w.reshape(math.prod(w.shape[:first]), middle, math.prod(w.shape[last + 1 :]))
            low, high, rate = constraint.min_value, constraint.max_value, constraint.rate
            return _penalty.LimitNorms(view, low, high, rate, EPSILON)
    return _PythonConstraint(constraint, w)
