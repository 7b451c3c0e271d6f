"""A batch that is computed in parts: what a part leaves out, and the end of the step.

    part 0   gradient x share | statistics x share |
    part 1   gradient x share | statistics x share |  sum over the parts   ->   `BatchEnd`
    ...

Every part is a run of a `Plan` with a `share`. It leaves its gradient in the gradient buffer. The
places of the moving averages there, which training does not need, get the statistics of the part:

    s = momentum * s + (1 - momentum) * (statistics of a call), for all calls of the layer, from 0

so that one sum over the parts adds up both, and `average = momentum^calls * average + s`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from functools import partial
from typing import Any

import numpy as np

from fastconv import runtime
from fastconv._ext import _merge
from fastconv.parameters import AnyParameters, Variable
from fastconv.plan.lowering import Lowering
from fastconv.plan.lowering.normalization import averaging
from fastconv.plan.penalties import weight_penalties
from fastconv.plan.program import PythonOp, make_program
from fastconv.plan.updates import Updates


def unit_statistics(
    lowerings: Iterable[Lowering], parameters: AnyParameters, share: float
) -> tuple[list[Any], dict[Variable, float]]:
    """Return the ops that write `share` of the statistics of a part into the gradient buffer, and
    the moving averages with the factor that each is multiplied by at the end of the step."""
    kept: dict[Variable, float] = {}
    ops: list[Any] = []
    for lowering in lowerings:
        for average, new, momentum in lowering.moving_averages():
            place = _place(parameters, average)
            if average not in kept:
                ops.append(_merge.Repeat(np.zeros(1, np.float32), place))
            ops.append(averaging(new.array, place, momentum))
            kept[average] = kept.get(average, 1.0) * momentum
    places = [_place(parameters, average) for average in kept]
    return ops + [_merge.Scale(place, place, share) for place in places], kept


def _place(parameters: AnyParameters, variable: Variable) -> np.ndarray:
    return parameters.view(parameters.gradient, variable).reshape(-1)


class BucketEnds:
    """Calls `function(i)` during a run of a plan when the gradients of bucket i are complete."""

    function: Callable[[int], None] | None = None

    def insert_into(
        self,
        ops: list[Any],
        buckets: Sequence[Sequence[Variable]],
        completed: Mapping[Variable, int],
    ) -> None:
        """Insert a call for every bucket, in their order; `completed` is the number of ops after
        which the gradient of a weight is complete."""
        ends = [max(completed.get(each, len(ops)) for each in bucket) for bucket in buckets]
        for number in reversed(range(len(ends))):
            op = PythonOp(partial(self._end, number), "the end of a bucket")
            ops.insert(max(ends[: number + 1]), op)

    def _end(self, number: int) -> None:
        if self.function is not None:
            self.function(number)


class BatchEnd:
    """The end of a step whose batch was computed in parts, and what depends on weights alone.

    Args:
        parameters: the weights.
        statistics: the moving averages and their factors (`Plan.statistics`).
        updates: the updates of the weights; None for a test, which has only penalties.

    The caller sums the parts of the gradient buffer that `gradient_pieces` lists before each `run`.
    """

    def __init__(
        self,
        parameters: AnyParameters,
        statistics: dict[Variable, float],
        updates: Updates | None = None,
    ):
        ops, self._penalties = weight_penalties(parameters, updates is not None)
        for average, factor in statistics.items():
            flat = average._live.reshape(-1)
            ops.append(_merge.Scale(flat, flat, factor))
            ops.append(_merge.Merge("add", [flat, _place(parameters, average)], flat))
        if updates is not None:
            ops += updates.ops()
        self._parameters, self._changes_weights = parameters, updates is not None
        self._program = make_program(ops)

    @property
    def penalty(self) -> float:
        """The sum of the penalties of the weights in the last run, before their change."""
        return sum(float(value[0]) for value in self._penalties)

    def run(self) -> None:
        self._program.run(runtime.get_num_threads())
        if self._changes_weights:
            self._parameters.touch()


def gradient_pieces(
    parameters: AnyParameters, averages: Set[Variable], least: int
) -> tuple[list[tuple[slice, list[Variable]]], list[slice]]:
    """Return the parts of the gradient buffer that a step sums over the parts of its batch: pieces
    of at least `least` elements with their weights, from the last one, which the backward pass
    completes first; and the parts of the statistics, complete at the end."""
    trained = {variable for variable in parameters.variables if variable.trainable}
    return parameters.pieces_of(trained, least), parameters.slices_of(averages)


def add(terms: Sequence[np.ndarray], total: np.ndarray) -> None:
    """total = the sum of `terms`, flat arrays of its shape; it may be one of them."""
    _merge.Merge("add", list(terms), total).run(runtime.get_num_threads())
