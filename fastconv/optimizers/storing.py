"""The stored forms of an optimizer.

variables, load_variables    Keras's files: iteration, learning rate, slots weight by weight
state, restore               exact snapshots (`fastconv.state`): slots in the model's layout
pickling                     slots weight by weight, with the weights
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from fastconv.common.arguments import number
from fastconv.common.parsing import parsing
from fastconv.common.state_variable import StateVariable
from fastconv.optimizers.slots import State
from fastconv.optimizers.stepping import Stepping
from fastconv.parameters import AnyParameters, parameters_of
from fastconv.serialization import serialize
from fastconv.state import array_of, check_record, dict_of, optional, plain, real, text, whole

Stored = np.ndarray | np.generic  # numbers are scalars

_MOST_STEPS = 2**62  # files store 64 bits


class Storing(Stepping):
    """An optimizer that can be stored and continued."""

    # Files ----------------------------------------------------------------------------------------

    @property
    def variables(self) -> list[StateVariable]:
        """All stored values, in Keras's order: iteration, learning rate unless a schedule
        determines it, slots."""
        found = [self._number("iteration", np.int64, "_iterations")]
        if not self.scheduled:
            found.append(self._number("learning_rate", np.float32, "learning_rate"))
        if self._state is None:
            return found
        for name, slot in self._state.named_slots():
            path = f"{self.name}/{name}"
            found.append(StateVariable(name, path, lambda s=slot: s, partial(np.copyto, slot)))
        for index, (name, _) in enumerate(self.extra_variables()):
            read = lambda index=index: self.extra_variables()[index][1]  # noqa: E731
            found.append(StateVariable(name, f"{self.name}/{name}", read, self._refuse(name)))
        return found

    def _number(self, name: str, dtype: Any, attribute: str) -> StateVariable:
        def write(value: np.ndarray) -> None:
            setattr(self, attribute, value.item())
            self._refresh()

        return StateVariable(
            name, f"{self.name}/{name}", lambda: dtype(getattr(self, attribute)), write
        )

    def _refuse(self, name: str) -> Callable[[np.ndarray], None]:
        def write(value: np.ndarray) -> None:
            raise AttributeError(f"`{name}` of {self.name!r} follows from `iterations`")

        return write

    def _live_variables(self) -> list[tuple[str, Stored]]:
        """The names in files and the values of `variables`, without copying the slots."""
        values: list[tuple[str, Stored]] = [("iteration", np.int64(self._iterations))]
        if not self.scheduled:
            values.append(("learning_rate", np.float32(self._rate_of(self._iterations))))
        if self._state is None:
            return values
        values += [(f"slot_{i}", slot) for i, (_, slot) in enumerate(self._state.named_slots())]
        return values + self.extra_variables()

    def load_variables(self, values: list[np.ndarray], parameters: AnyParameters | None) -> None:
        """Continue from the values of `variables`, of a built optimizer (for `parameters`) or not.

        Raises ValueError if number or shapes differ, or a number is out of range; nothing is
        changed then.
        """
        head = 1 if self.scheduled else 2
        built = len(values) > head
        if built and parameters is None:
            raise ValueError("slots need a model that is built")
        wanted = self.stored_shapes(parameters if built else None)
        if [np.shape(value) for value in values] != wanted:
            raise ValueError(
                f"the optimizer's variables must have shapes {wanted}, "
                f"received {[np.shape(value) for value in values]}"
            )
        iteration, rate = self.checked_step(values)
        if built and parameters is not None:
            self.state_for(parameters)
        if self._state is not None:
            self._state.clear()
            slots = [slot for _, slot in self._state.named_slots()]
            for view, value in zip(slots, values[head:], strict=False):
                view[...] = value
        self._go_on(iteration, rate)

    def checked_step(self, values: list[np.ndarray]) -> tuple[int, float | None]:
        """Return the first values of `variables`: (iteration, learning rate); None as rate if a
        schedule determines it.

        Raises ValueError if no step could follow.
        """
        iteration = number(values[0], "iteration", 0, _MOST_STEPS)
        if iteration != int(iteration):
            raise ValueError(f"`iteration` must be a whole number, received {values[0]}")
        iteration = int(values[0])
        rate = None
        if not self.scheduled:
            # Keras stores float32; restore the shortest number with the same float32.
            with np.errstate(over="ignore"):
                rate = number(float(str(np.float32(values[1]))), "rate", 0)
        self._check_numbers(iteration, rate)
        return iteration, rate

    def _check_numbers(self, iteration: int, rate: float | None) -> None:
        """Raise ValueError unless the numbers of the step after `iteration` are finite."""
        with parsing(f"no step can follow step {iteration}", raised=ValueError):
            if rate is None:
                rate = number(self._rate_of(iteration), "learning_rate")
            step = iteration // (self.gradient_accumulation_steps or 1) + 1
            if not all(math.isfinite(value) for value in self.hyper(rate, step)):
                raise ValueError(f"the learning rate is {rate}")

    def stored_shapes(self, parameters: AnyParameters | None) -> list[tuple[int, ...]]:
        """Return the shapes of `variables` if built for `parameters`; if they are None, before."""
        head: list[tuple[int, ...]] = [()] if self.scheduled else [(), ()]
        if parameters is None:
            return head
        slots = [
            self.slot_shape(name, variable)
            for group in self.all_slots()
            for variable in parameters.variables
            if variable.trainable
            for name in group
        ]
        return head + slots + [()] * len(self.extra_variables())

    # Snapshots ------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Return a copy of everything that training changes: see `fastconv.state`."""
        return copy.deepcopy(self._live_state())

    def _live_state(self) -> dict[str, Any]:
        """`state` without copying the slots."""
        return {
            "class": type(self).__name__,
            "schedule": serialize(self._learning_rate) if self.scheduled else None,
            "iterations": self._iterations,
            "learning_rate": None if self.scheduled else self._rate_of(self._iterations),
            "slots": dict(self._state.buffers) if self._state else {},
        }

    def check_state(self, state: Any, parameters: AnyParameters) -> None:
        """Raise ValueError unless `state` is that of an optimizer of this class, with this schedule
        and these slots; change nothing. `parameters` are those of the trained model."""
        what = f"the state of {type(self).__name__}"
        kinds = {
            "class": text,
            "schedule": plain,
            "iterations": whole,
            "learning_rate": optional(real),
            "slots": dict_of(plain),
        }
        check_record(state, kinds, what)
        if state["class"] != type(self).__name__:
            raise ValueError(f"{what} must not be that of another optimizer, {state['class']!r}")
        schedule = serialize(self._learning_rate) if self.scheduled else None
        if _without_name(state["schedule"]) != _without_name(schedule):
            raise ValueError(
                f"{what} must have the learning-rate schedule {schedule}, "
                f"received {state['schedule']}"
            )
        if self.scheduled != (state["learning_rate"] is None):
            raise ValueError(
                f"{what}: `learning_rate` must be {'None' if self.scheduled else 'a number'}, "
                f"received {state['learning_rate']}"
            )
        if not self.scheduled and not 0 <= state["learning_rate"] < math.inf:
            raise ValueError(
                f"{what}: `learning_rate` must be finite and at least 0, "
                f"received {state['learning_rate']}"
            )
        if state["iterations"] > _MOST_STEPS:
            raise ValueError(
                f"{what}: `iterations` must be at most {_MOST_STEPS}, "
                f"received {state['iterations']!r:.100}"
            )
        self._check_numbers(state["iterations"], state["learning_rate"])
        if self._state is not None and self._state.unknown(parameters.variables):
            raise ValueError(f"the optimizer {self.name!r} has begun to train other weights")
        received, size = state["slots"], parameters.values.size
        wanted = [name for group in self.all_slots() for name in group]
        if not received and not state["iterations"]:
            return  # the state of an optimizer before its first step
        if sorted(received) != sorted(wanted):
            raise ValueError(f"{what} must have the slots {wanted}, received {sorted(received)}")
        for name, value in received.items():
            array_of((size,))(value, f"{what}: slot {name!r}")

    def restore(self, state: dict[str, Any], parameters: AnyParameters) -> None:
        """Continue from `state()` of an equal optimizer; `parameters` are those of the model.

        Raises ValueError if it was another optimizer; changes nothing then.
        """
        self.check_state(state, parameters)
        own = self.state_for(parameters)
        own.clear()
        for name, value in state["slots"].items():
            own.buffers[name][:] = value
        self._go_on(state["iterations"], state["learning_rate"])

    def _go_on(self, iterations: int, rate: float | None) -> None:
        self._iterations = iterations
        if rate is not None:
            self.learning_rate = rate
        self._refresh()

    # Pickling and copying -------------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        """For pickling and copying: the slots weight by weight, not in the model's layout."""
        state, own = dict(vars(self)), self._state
        if own is not None:
            parameters = own.parameters
            slots = {
                name: [parameters.view(buffer, each).copy() for each in parameters.variables]
                for name, buffer in own.buffers.items()
            }
            state["_state"] = list(parameters.variables), slots
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        stored = state.get("_state")
        vars(self).update(state | {"_state": None})
        if stored is None:
            return
        variables, slots = stored
        own = self._state = State(self, parameters_of(variables))
        parameters, buffers = own.parameters, own.buffers
        for name, values in slots.items():
            for variable, value in zip(variables, values, strict=True):
                parameters.view(buffers[name], variable)[...] = value
        self._refresh()


def _without_name(config: Any) -> Any:
    """Return a schedule as plain data without its name, for comparison."""
    if isinstance(config, dict):
        return {key: _without_name(each) for key, each in config.items() if key != "name"}
    return [_without_name(each) for each in config] if isinstance(config, (list, tuple)) else config
