"""Gradients that several consumers contribute to, while the backward pass is recorded.

The gradient of a value is the sum of what its consumers hand back; the gradient of a weight that is
used several times is the sum over its uses. Both are taken over as they are when there is only one.

A tensor may be the gradient of several values at once (those that went into an addition), until one
of them has to be changed: that one gets a tensor of its own (`own`), or is summed into a new one.

Where a value is the output of an activation, its gradient has to be multiplied by the derivative
that belongs to it (`Undo`) by whoever writes it last: the only consumer, if that can
(`Lowering.can_undo`); the sum over several consumers; or else a pass of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Set
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastconv._ext import _elementwise, _merge
from fastconv._ext._optim import Rule
from fastconv.parameters import Parameters, Variable
from fastconv.plan.nodes import Activation
from fastconv.plan.tape import Tape, Tensor

_MOST_WAITING = 2  # contributions to one value that wait for their sum, and take up memory


@dataclass(frozen=True)
class Undo:
    """An activation to be undone in the gradient of its output, whose place `output` tells."""

    activation: Activation
    output: Tensor

    @property
    def arguments(self) -> tuple[str, float, np.ndarray]:
        """What an operation takes as `undo`; once the tape is bound."""
        return self.activation.kind, self.activation.slope, self.output.array


class ValueGradients:
    """The gradients of all values for which there is one so far."""

    def __init__(self, tape: Tape):
        self._tape = tape
        self._waiting: dict[int, list[Tensor]] = {}
        self._holders: Counter = Counter()  # of each tensor's memory, how many gradients it is

    def add(self, value: int, gradient: Tensor) -> None:
        """One more contribution to the gradient of `value`."""
        waiting = self._waiting.setdefault(value, [])
        if len(waiting) == _MOST_WAITING:
            waiting[:] = [self._sum(self._released(waiting))]
            self._holders[waiting[0].storage] += 1
        waiting.append(gradient)
        self._holders[gradient.storage] += 1

    def take(self, value: int, undo: Undo | None = None) -> Tensor | None:
        """The gradient of `value`, which is complete, or of what goes into the activation that
        gives it; None if nobody has contributed."""
        waiting = self._released(self._waiting.pop(value, []))
        if len(waiting) > 1:
            return self._sum(waiting, undo)
        if not waiting or undo is None:
            return next(iter(waiting), None)
        (given,) = waiting
        gradient = self._tape.tensor(given.shape) if self._holders[given.storage] else given
        kind, slope, output = undo.activation.kind, undo.activation.slope, undo.output
        self._tape.emit(
            lambda: _elementwise.ActivationBackward(
                kind, output.array, given.array, gradient.array, slope
            ),
            output,
            given,
            gradient,
        )
        return gradient

    def own(self, gradient: Tensor) -> Tensor:
        """`gradient`, or a copy if it is the gradient of another value, too."""
        if not self._holders[gradient.storage]:
            return gradient
        copy = self._tape.tensor(gradient.shape)
        self._tape.emit(lambda: _merge.Scale(gradient.array, copy.array), gradient, copy)
        return copy

    def hold(self, gradient: Tensor) -> None:
        """Let nobody write into `gradient` from now on."""
        self._holders[gradient.storage] += 1

    def _released(self, gradients: list[Tensor]) -> list[Tensor]:
        for gradient in gradients:
            self._holders[gradient.storage] -= 1
        return gradients

    def _sum(self, gradients: list[Tensor], undo: Undo | None = None) -> Tensor:
        """Into one of them if nobody else has it, else into a new tensor."""
        terms = list(gradients)
        free = (term for term in terms if not self._holders[term.storage])
        total = next(free, None) or self._tape.tensor(terms[0].shape)

        def make():
            return _merge.Merge(
                "add",
                [term.array for term in terms],
                total.array,
                undo=undo and undo.arguments,
            )

        self._tape.emit(make, *terms, total, undo and undo.output)
        return total


class WeightGradients:
    """Where the gradients of weights go: the first use of a weight writes into the flat gradient
    buffer, every other one into a buffer beside it, which is then added.

    The gradients of `joinable` weights need not go anywhere: for one in `joined`, an operation
    behind the backward pass will compute it and use it up, made by a function of the rule that
    changes the weight.
    """

    def __init__(self, parameters: Parameters, tape: Tape, joinable: Set[Variable] = frozenset()):
        self._parameters, self._tape, self.joinable = parameters, tape, joinable
        self.joined: dict[Variable, Callable[[Rule], Any]] = {}
        self._beside: dict[Variable, np.ndarray | None] = {}  # None: used once so far
        self._to_add: list[Variable] = []

    def of(self, variable: Variable) -> np.ndarray:
        """Where the node that is being recorded writes the gradient of `variable`."""
        if variable not in self._beside:
            self._beside[variable] = None
            return self._whole(variable)
        if self._beside[variable] is None:
            flat = self._tape.lasting(variable.size * 4).view(np.float32)
            self._beside[variable] = flat.reshape(variable.shape)
        self._to_add.append(variable)
        return self._beside[variable]

    def end_of_node(self) -> None:
        """Record the additions that the node has made necessary."""
        for variable in self._to_add:
            whole, part = self._whole(variable), self._beside[variable]
            self._tape.emit(
                lambda whole=whole, part=part: _merge.Merge("add", [whole, part], whole)
            )
        self._to_add.clear()

    def clear_others(self) -> None:
        """Record zeros for the trainable weights that no node has asked for: no loss depends on
        them, but another plan may have left something there."""
        for variable in self._parameters.variables:
            if variable.trainable and variable not in self._beside and variable not in self.joined:
                whole = self._whole(variable)
                zero = np.zeros((1,) * whole.ndim, np.float32)
                self._tape.emit(lambda zero=zero, whole=whole: _merge.Repeat(zero, whole))

    def _whole(self, variable: Variable) -> np.ndarray:
        return self._parameters.view(self._parameters.gradient, variable)
