"""The steps of an optimizer: the learning rate, the count, and the rule with its slots."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from fastconv.common.arguments import normalize_int, number
from fastconv.common.changeable import Changeable
from fastconv.common.state_variable import VariableFloat, VariableInt
from fastconv.optimizers.schedules import LearningRateSchedule
from fastconv.optimizers.slots import ACCUMULATOR, AVERAGE, State
from fastconv.parameters import AnyParameters, Variable


class Stepping(Changeable, ABC):
    """Base class: what a subclass defines for its update rule, and the numbers of the next step."""

    name: str
    rule = ""  # name of the update in the compiled core
    rule_slots: tuple[str, ...] = ()  # the rule's slots; empty: all of `slots`, in their order
    weight_decay: float | None = None
    use_ema = False
    ema_momentum: float = 0.99
    ema_overwrite_frequency: int | None = None
    gradient_accumulation_steps: int | None = None

    _state: State | None = None
    _iterations = 0  # batches so far
    _learning_rate: float | LearningRateSchedule = 0.0

    # Defined by a rule ----------------------------------------------------------------------------

    @abstractmethod
    def hyper(self, rate: float, step: int) -> list[float]:
        """Return the numbers that the rule reads in update `step`, counted from 1."""

    def slots(self) -> list[tuple[str, ...]]:
        """Return the names of the slots. Keras stores those of one group together, weight by
        weight."""
        return []

    def start_of(self, slot: str) -> float:
        """Return the initial value of the elements of a slot."""
        return 0.0

    def slot_shape(self, slot: str, variable: Variable) -> tuple[int, ...]:
        """Return the shape of a slot of a weight, which has at most as many elements."""
        return variable.shape

    def extra_variables(self) -> list[tuple[str, np.ndarray | np.generic]]:
        """Return what Keras stores after the slots; the number of steps determines it."""
        return []

    # The rate and the count -----------------------------------------------------------------------

    @property
    def learning_rate(self) -> VariableFloat:
        """The rate of the next step; TypeError if it is set although a schedule determines it.

        A float with `assign`, `numpy` and `value`, as Keras's variable has them.
        """
        return VariableFloat(self._rate_of(self._iterations), self._set_rate)

    @learning_rate.setter
    def learning_rate(self, value: float | LearningRateSchedule) -> None:
        self._set_rate(value)

    def _set_rate(self, value: float | LearningRateSchedule) -> None:
        if not isinstance(value, LearningRateSchedule):
            if self.scheduled:
                raise TypeError(
                    f"the learning rate of {self.name!r} follows {type(self._learning_rate)} and "
                    f"cannot be set; received {value!r}"
                )
            value = number(value, "learning_rate", 0)
        self._learning_rate = value
        self._refresh()

    def _rate_of(self, step: int) -> float:
        """Return the rate of the step that `step` others precede."""
        rate = self._learning_rate
        return float(rate(step)) if isinstance(rate, LearningRateSchedule) else rate

    @property
    def scheduled(self) -> bool:
        """Whether a schedule determines the learning rate."""
        return isinstance(self._learning_rate, LearningRateSchedule)

    @property
    def iterations(self) -> VariableInt:
        """Updates of the weights so far; without gradient accumulation, batches.

        An int with `assign`, `numpy` and `value`, as Keras's variable has them.
        """
        return VariableInt(self.steps, self._set_iterations)

    def _set_iterations(self, value: int) -> None:
        steps = normalize_int(value, "iterations", minimum=0)
        self._iterations = steps * (self.gradient_accumulation_steps or 1)
        self._refresh()

    @property
    def steps(self) -> int:
        """Updates of the weights so far."""
        return self._iterations // (self.gradient_accumulation_steps or 1)

    @property
    def next_batch_updates(self) -> bool:
        """Whether the next batch changes the weights; if not, its gradients are accumulated."""
        return (self._iterations + 1) % (self.gradient_accumulation_steps or 1) == 0

    def count_step(self) -> None:
        """Count one batch."""
        self._iterations += 1
        self._refresh()

    def _refresh(self) -> None:
        if self._state is not None:
            self._state.refresh()

    # The state for one model ----------------------------------------------------------------------

    def all_slots(self) -> list[tuple[str, ...]]:
        """Return the groups of all slots, in the order of Keras's files."""
        wanted = {AVERAGE: self.use_ema, ACCUMULATOR: self.gradient_accumulation_steps}
        return [*((name,) for name, used in wanted.items() if used), *self.slots()]

    @property
    def built(self) -> bool:
        """Whether the slots exist: True once training has begun."""
        return self._state is not None

    def state_for(self, parameters: AnyParameters) -> State:
        """Return the state on the buffer of `parameters`, created on first use.

        Raises ValueError if the optimizer has no slots for some of the weights: it already serves
        another model, or the model had other layers when training began.
        """
        if self._state is None:
            self._state = State(self, parameters)
            self.is_read_by_plans()
        if not self._state.follow(parameters):
            raise ValueError(
                f"the optimizer {self.name!r} has begun to train other weights; "
                "call compile() again with a new optimizer"
            )
        self._refresh()
        return self._state
