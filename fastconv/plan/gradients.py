"""Accumulates gradients with several contributions while the backward pass is recorded.

The gradient of a value is the sum of the contributions of its consumers; the gradient of a weight
with several uses is the sum over these uses. A single contribution is used without a copy.

A tensor may be the gradient of several values at once (the inputs of an addition) until one of them
must be changed: that one gets its own copy (`own`), or is summed into a new tensor.

Where a value is the output of an activation, its gradient must be multiplied by the activation's
derivative (`ActivationGradient`). The last op that writes the gradient does so: the only consumer,
if it can (`Lowering.can_fuse_gradient_of`), or the sum over several consumers; otherwise a separate
pass does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Set
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastconv._ext import _elementwise, _merge
from fastconv._ext._optim import Rule
from fastconv.parameters import AnyParameters, Variable
from fastconv.plan.operations import Activation
from fastconv.plan.tape import Tape, Tensor

_MOST_WAITING = 2  # contributions to one value that wait for their sum and occupy memory


@dataclass(frozen=True)
class ActivationGradient:
    """Multiplies a gradient by the activation's derivative at `output`."""

    activation: Activation
    output: Tensor

    @property
    def arguments(self) -> tuple[str, float, np.ndarray]:
        """Return the `activation_gradient` argument of an op, once the tape is bound."""
        return self.activation.kind, self.activation.slope, self.output.array

    def at(self, output: Tensor) -> ActivationGradient:
        """Return the gradient of the same activation at another `output`."""
        return ActivationGradient(self.activation, output)


class ValueGradients:
    """The gradients of all values recorded so far."""

    def __init__(self, tape: Tape):
        self._tape = tape
        self._waiting: dict[int, list[Tensor]] = {}
        self._holders: Counter = Counter()  # number of gradients that share each tensor's memory

    def add(self, value: int, gradient: Tensor) -> None:
        """Add a contribution to the gradient of `value`."""
        waiting = self._waiting.setdefault(value, [])
        if len(waiting) == _MOST_WAITING:
            waiting[:] = [self._sum(self._released(waiting))]
            self._holders[waiting[0].storage] += 1
        waiting.append(gradient)
        self._holders[gradient.storage] += 1

    def take(self, value: int, derivative: ActivationGradient | None = None) -> Tensor | None:
        """Return the complete gradient of `value`, or, with `derivative`, of the input of the
        activation that makes it; None without a contribution."""
        waiting = self._released(self._waiting.pop(value, []))
        if len(waiting) > 1:
            return self._sum(waiting, derivative)
        if not waiting or derivative is None:
            return next(iter(waiting), None)
        (given,) = waiting
        gradient = self._tape.tensor(given.shape) if self._holders[given.storage] else given
        activation, output = derivative.activation, derivative.output
        self._tape.emit(
            lambda: _elementwise.ActivationBackward(
                activation.kind, output.array, given.array, gradient.array, activation.slope
            ),
            output,
            given,
            gradient,
        )
        return gradient

    def own(self, gradient: Tensor) -> Tensor:
        """Return `gradient`, or a copy if it is also the gradient of another value."""
        if not self._holders[gradient.storage]:
            return gradient
        copy = self._tape.tensor(gradient.shape)
        self._tape.emit(lambda: _merge.Scale(gradient.array, copy.array), gradient, copy)
        return copy

    def hold(self, gradient: Tensor) -> None:
        """Make `gradient` read-only for all later ops."""
        self._holders[gradient.storage] += 1

    def _released(self, gradients: list[Tensor]) -> list[Tensor]:
        for gradient in gradients:
            self._holders[gradient.storage] -= 1
        return gradients

    def _sum(self, gradients: list[Tensor], derivative: ActivationGradient | None = None) -> Tensor:
        """Sum into one of `gradients` if it is not shared, else into a new tensor."""
        terms = list(gradients)
        free = (term for term in terms if not self._holders[term.storage])
        total = next(free, None) or self._tape.tensor(terms[0].shape)

        def make():
            return _merge.Merge(
                "add",
                [term.array for term in terms],
                total.array,
                activation_gradient=derivative and derivative.arguments,
            )

        self._tape.emit(make, *terms, total, derivative and derivative.output)
        return total


class WeightGradients:
    """The destinations of weight gradients: the first use of a weight writes into the flat gradient
    buffer, every other use into a separate buffer, which is then added.

    The gradients of `joinable` weights need not be stored. For a weight in `joined`, an op after
    the backward pass computes the gradient and consumes it; `joined` maps the weight to a
    function that takes the update rule and makes that op.
    """

    joinable: Set[Variable]

    def __init__(
        self, parameters: AnyParameters, tape: Tape, joinable: Set[Variable] = frozenset()
    ):
        self._parameters, self._tape, self.joinable = parameters, tape, joinable
        self.joined: dict[Variable, Callable[[Rule], Any]] = {}
        self._written: set[Variable] = set()  # by the operation being recorded
        self._beside: dict[Variable, np.ndarray | None] = {}  # None: used once so far
        self._to_add: list[tuple[Variable, np.ndarray]] = []
        self.completed: dict[Variable, int] = {}  # number of steps after which a gradient is final

    def of(self, variable: Variable) -> np.ndarray:
        """Return the array for the gradient of `variable` in the operation being recorded."""
        if variable not in self._beside:
            self._beside[variable] = None
            self._written.add(variable)
            return self._whole(variable)
        part = self._beside[variable]
        if part is None:
            flat = self._tape.lasting(variable.size * 4).view(np.float32)
            part = self._beside[variable] = flat.reshape(variable.shape)
        self._to_add.append((variable, part))
        self._written.add(variable)
        return part

    def end_of_node(self) -> None:
        """Record the additions that the operation requires."""
        for variable, part in self._to_add:
            whole = self._whole(variable)
            self._tape.emit(
                lambda whole=whole, part=part: _merge.Merge("add", [whole, part], whole)
            )
        self._to_add.clear()
        self.completed.update(dict.fromkeys(self._written, len(self._tape)))
        self._written.clear()

    def clear_others(self) -> None:
        """Record zeros for the gradients of trainable weights on which no loss depends: another
        plan may have written there."""
        for variable in self._parameters.variables:
            if variable.trainable and variable not in self._beside and variable not in self.joined:
                whole = self._whole(variable)
                zero = np.zeros((1,) * whole.ndim, np.float32)
                self._tape.emit(lambda zero=zero, whole=whole: _merge.Repeat(zero, whole))

    def _whole(self, variable: Variable) -> np.ndarray:
        return self._parameters.view(self._parameters.gradient, variable)
