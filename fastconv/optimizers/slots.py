"""The state of an optimizer beside the weights of a model: slots and the numbers of a step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from fastconv.parameters import AnyParameters, Variable, parameters_of

AVERAGE, ACCUMULATOR = "average", "gradient_accumulator"


class Updating(Protocol):
    """The part of `Optimizer` that its state depends on."""

    rule_slots: tuple[str, ...]
    weight_decay: float | None
    ema_momentum: float
    ema_overwrite_frequency: int | None

    @property
    def learning_rate(self) -> float: ...

    @property
    def steps(self) -> int: ...

    def hyper(self, rate: float, step: int) -> list[float]: ...

    def slots(self) -> list[tuple[str, ...]]: ...

    def all_slots(self) -> list[tuple[str, ...]]: ...

    def start_of(self, slot: str) -> float: ...

    def slot_shape(self, slot: str, variable: Variable) -> tuple[int, ...]: ...


class State:
    """The slots of an optimizer for one model, and the numbers of its next step.

    `buffers` has one flat buffer per slot, by name. `hyper` are the numbers that the update rule
    reads, `decay` those of the weight decay, `averaging` those of the average of the weights. The
    ops of all plans of the model share these arrays, so a new learning rate reaches all of them.
    """

    hyper: np.ndarray
    decay: np.ndarray
    averaging: np.ndarray

    def __init__(self, optimizer: Updating, parameters: AnyParameters):
        self.parameters = parameters
        self._optimizer = optimizer
        self.buffers = {
            name: parameters.new_buffer() for group in optimizer.all_slots() for name in group
        }
        self.hyper, self.decay, self.averaging = np.zeros(6), np.zeros(1), np.zeros(2)
        self.clear()

    def clear(self) -> None:
        """Set every slot to its initial values."""
        for name, buffer in self.buffers.items():
            buffer[:] = self._optimizer.start_of(name)

    def follow(self, parameters: AnyParameters) -> bool:
        """Return whether `parameters` are these weights, or some of them, and frozen ones; adopt
        the layout of their buffer if they have moved to another one."""
        known = self.parameters
        if parameters is known:
            return True
        if self.unknown(parameters.variables):
            return False
        served = set(known.variables)
        added = [variable for variable in parameters.variables if variable not in served]
        if known.abandoned or added:
            self._move_to(parameters_of([*known.variables, *added]))
        return True

    def unknown(self, variables: Sequence[Variable]) -> list[Variable]:
        """Return the trainable ones of `variables` that have no slots."""
        known = set(self.parameters.variables)
        return [variable for variable in variables if variable.trainable and variable not in known]

    def _move_to(self, parameters: AnyParameters) -> None:
        old, old_buffers = self.parameters, self.buffers
        self.parameters = parameters
        self.buffers: dict[str, np.ndarray | Any] = {
            name: parameters.new_buffer() for name in old_buffers
        }
        self.clear()
        for name, buffer in old_buffers.items():
            for variable in old.variables:
                parameters.view(self.buffers[name], variable)[...] = old.view(buffer, variable)

    def refresh(self) -> None:
        """Compute the numbers of the next step."""
        optimizer, rate = self._optimizer, float(self._optimizer.learning_rate)
        values = optimizer.hyper(rate, optimizer.steps + 1)
        self.hyper[: len(values)] = values
        self.decay[0] = (optimizer.weight_decay or 0.0) * rate
        every = optimizer.ema_overwrite_frequency
        self.averaging[0] = optimizer.ema_momentum if optimizer.steps else 0.0
        self.averaging[1] = bool(every) and (optimizer.steps + 1) % every == 0

    def rule_buffers(self) -> list[np.ndarray | None]:
        """Return the slots in the order of the rule's arguments; None for an unused one."""
        names = self._optimizer.rule_slots
        if not names:
            names = [name for group in self._optimizer.slots() for name in group]
        return [self.buffers.get(name) for name in names]

    def named_slots(self) -> list[tuple[str, np.ndarray]]:
        """Return the slots per trainable weight with Keras's names, in the order of its files."""
        return [
            (f"{variable.path.replace('/', '_')}_{name}", self.slot(name, variable))
            for group in self._optimizer.all_slots()
            for variable in self.parameters.variables
            if variable.trainable
            for name in group
        ]

    def slot(self, name: str, variable: Variable) -> np.ndarray:
        """Return a slot of a weight, in its shape."""
        shape = self._optimizer.slot_shape(name, variable)
        whole = self.parameters.view(self.buffers[name], variable)
        return whole.reshape(-1)[: math.prod(shape)].reshape(shape)
