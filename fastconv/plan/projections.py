"""Makes ops for the constraints of weights, which run after the update.

Limits of norms and signs run in the compiled core; functions of users run in NumPy (`run_python`).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastconv._ext import _elementwise, _penalty
from fastconv.parameters import AnyParameters
from fastconv.plan.rules import NonNegative, NormLimits, NumPyProjection, Projection


class _PythonProjection:
    """Replaces w by its projection."""

    name = "a constraint"

    def __init__(self, projection: NumPyProjection, w: np.ndarray):
        self._projection, self._w = projection, w

    def run_python(self) -> None:
        self._w[...] = self._projection.project(self._w)


def projection_op(projection: Projection, w: np.ndarray) -> Any:
    """Return the op that projects `w` in place."""
    if isinstance(projection, NonNegative):
        return _elementwise.ActivationForward("relu", w, w)
    if isinstance(projection, NormLimits):
        first, end = projection.first, projection.last + 1
        outer, reduced, inner = w.shape[:first], w.shape[first:end], w.shape[end:]
        view = w.reshape(math.prod(outer), math.prod(reduced), math.prod(inner))
        limits = projection.low, projection.high, projection.rate, projection.epsilon
        return _penalty.LimitNorms(view, *limits)
    return _PythonProjection(projection, w)


def weight_projections(parameters: AnyParameters) -> list[Any]:
    """Return the ops for the constraints of the trainable weights."""
    return [
        projection_op(variable.constraint.for_plan(len(variable.shape)), variable._live)
        for variable in parameters.variables
        if variable.constraint is not None and variable.trainable
    ]
