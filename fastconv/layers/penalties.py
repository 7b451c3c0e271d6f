"""Regularizers without a derivative of their own: it comes from tracing them.

def small(x):
    return 0.01 * ops.sum(ops.abs(x))
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.layers.arguments import Arguments, Slot
from fastconv.layers.symbolic import placeholders
from fastconv.layers.tracing import Trace, inside
from fastconv.parameters import Parameters
from fastconv.plan import Differential
from fastconv.plan.rules import NumPyPenalty


class TracedPenalty:
    """A regularizer whose gradient is that of its graph, traced for each shape."""

    def __init__(self, regularizer: Any):
        self.regularizer = regularizer
        self._gradients: dict[tuple[int, ...], Differential] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return TracedPenalty, (self.regularizer,)

    def __call__(self, x: np.ndarray) -> float:
        return float(np.sum(self.regularizer(x)))

    def for_plan(self) -> NumPyPenalty:
        return NumPyPenalty(self, self.gradient)

    def gradient(self, x: np.ndarray) -> np.ndarray:
        """Return the derivative of the penalty with respect to every element of `x`."""
        rows = x.reshape(x.shape or (1,))
        if rows.shape not in self._gradients:
            self._gradients[rows.shape] = self._traced(rows.shape)
        plan = self._gradients[rows.shape]
        plan.inputs[0][...] = rows
        plan.output_gradients[0][...] = 1
        plan.run()
        dx = plan.input_gradients[0]
        return np.zeros_like(x) if dx is None else dx.reshape(x.shape)

    def _traced(self, shape: tuple[int, ...]) -> Differential:
        name = getattr(self.regularizer, "__name__", type(self.regularizer).__name__)
        with inside(name, traced=True):
            trace = Trace(
                lambda x: self.regularizer(x),
                Arguments(Slot(0), {}),
                placeholders([(None, *shape[1:])]),
                f"the regularizer {name}",
            )
        return Differential(trace.network.graph(), shape[0], Parameters([]), mode="infer")


def differentiable(regularizer: Any) -> Any:
    """Return `regularizer`, or a `TracedPenalty` of it if it does not have a derivative."""
    traced = regularizer is not None and not regularizer.has_gradient
    return TracedPenalty(regularizer) if traced else regularizer
