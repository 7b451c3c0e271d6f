"""The records by which regularizers, constraints and optimizers describe themselves to the plan.

Their method `for_plan` returns one of these, as `Layer.operations` returns operations: the settings
of what the compiled core computes, or functions in NumPy. The records do not determine the parts of
the buffers, the fusion with gradients or the order of the ops: the plan does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from fastconv.parameters import Variable


@dataclass(frozen=True)
class L1L2Penalty:
    """l1 * sum |x| + l2 * sum x^2."""

    l1: float
    l2: float


@dataclass(frozen=True)
class NumPyPenalty:
    """A penalty `value(x)` in NumPy, and its derivative `gradient(x)` in the shape of x."""

    value: Callable[[np.ndarray], float]
    gradient: Callable[[np.ndarray], np.ndarray]


Penalty = L1L2Penalty | NumPyPenalty


@dataclass(frozen=True)
class NonNegative:
    """w = max(w, 0)."""


@dataclass(frozen=True)
class NormLimits:
    """w = w * desired / (epsilon + n), where n is the L2 norm over the axes first..last, both
    inclusive, and desired = rate * clip(n, low, high) + (1 - rate) * n.
    """

    first: int
    last: int
    low: float
    high: float
    rate: float
    epsilon: float


@dataclass(frozen=True)
class NumPyProjection:
    """w = project(w), in NumPy."""

    project: Callable[[np.ndarray], np.ndarray]


Projection = NonNegative | NormLimits | NumPyProjection


@dataclass(frozen=True)
class WeightDecay:
    """w -= rate[0] * w before the update; `variables` are the weights that decay, None for all."""

    rate: np.ndarray
    variables: Sequence[Variable] | None = None


@dataclass(frozen=True)
class Accumulation:
    """Adds the gradients of every batch to `total`; the update runs when `is_due()`, with the mean
    of `steps` batches."""

    total: np.ndarray
    steps: int
    is_due: Callable[[], bool]


@dataclass(frozen=True)
class MovingAverage:
    """average = m * average + (1 - m) * w after the update; then w = average if `numbers[1]`.

    m is `numbers[0]`; `variables` are the weights that have an average, None for the updated ones.
    """

    average: np.ndarray
    numbers: np.ndarray
    variables: Sequence[Variable] | None = None


@dataclass(frozen=True)
class UpdateRule:
    """How an optimizer changes the weights of one model at the end of a training step.

    Arrays of numbers are read at every run, so their owner may change them between two runs.

    Args:
        rule: the name of the update in the compiled core; "" with `step`.
        slots: flat buffers in the order of the rule's arguments; None for an unused one.
        hyper: the numbers that the rule reads.
        clip: changes the gradients before everything else; None without.
        decay, accumulation, average: None without.
        step: the update of one weight in NumPy, `step(variable, w, gradient)`, which changes w;
            None for the compiled `rule`.
    """

    rule: str
    slots: Sequence[np.ndarray | None]
    hyper: np.ndarray
    clip: Callable[[], None] | None = None
    decay: WeightDecay | None = None
    accumulation: Accumulation | None = None
    average: MovingAverage | None = None
    step: Callable[[Variable, np.ndarray, np.ndarray], None] | None = None
