"""What all optimizers have: their common arguments, and a state beside the weights of one model."""

from __future__ import annotations

import copy
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np

from fastconv.common.arguments import name_or, number
from fastconv.common.changeable import Changeable, with_argument
from fastconv.common.keywords import NamedArguments
from fastconv.common.naming import unique_name
from fastconv.common.overriding import Overridable
from fastconv.common.parsing import parsing
from fastconv.optimizers.schedules import LearningRateSchedule
from fastconv.parameters import Parameters, Variable, parameters_of
from fastconv.plan import rules
from fastconv.serialization import deserialize, serialize
from fastconv.shapes import normalize_int
from fastconv.state import array_of, check_record, dict_of, optional, plain, real, text, whole

_MOST_STEPS = 2**62  # files store 64 bits
AVERAGE, ACCUMULATOR = "average", "gradient_accumulator"


class State:
    """What an optimizer keeps about one model: flat buffers, and numbers for the next step.

    `buffers` has one flat buffer per slot, by name; `hyper` what the rule of the optimizer reads,
    `decay` and `averaging` what weight decay and the average of the weights read. The operations of
    all plans of the model share them, so a learning rate that anyone sets is seen by all.
    """

    def __init__(self, optimizer: Optimizer, parameters: Parameters):
        self.parameters = parameters
        self._optimizer = optimizer
        self.buffers = {
            name: parameters.new_buffer() for group in optimizer.all_slots() for name in group
        }
        self.hyper, self.decay, self.averaging = np.zeros(6), np.zeros(1), np.zeros(2)
        self.clear()

    def clear(self) -> None:
        """Put every slot back to its start."""
        for name, buffer in self.buffers.items():
            buffer[:] = self._optimizer.start_of(name)

    def follow(self, parameters: Parameters) -> bool:
        """Move into the layout of `parameters`, where the weights have moved; False if these are
        other weights."""
        old, old_buffers = self.parameters, self.buffers
        if parameters is old:
            return True
        if parameters.variables != old.variables:
            return False
        self.parameters = parameters
        self.buffers = {name: parameters.new_buffer() for name in old_buffers}
        self.clear()
        for name, buffer in old_buffers.items():
            for variable in old.variables:
                parameters.view(self.buffers[name], variable)[...] = old.view(buffer, variable)
        return True

    def refresh(self) -> None:
        """Write the numbers for the next step."""
        optimizer, rate = self._optimizer, self._optimizer.learning_rate
        values = optimizer.hyper(rate, optimizer.steps + 1)
        self.hyper[: len(values)] = values
        self.decay[0] = (optimizer.weight_decay or 0.0) * rate
        every = optimizer.ema_overwrite_frequency
        self.averaging[0] = optimizer.ema_momentum if optimizer.steps else 0.0
        self.averaging[1] = bool(every) and (optimizer.steps + 1) % every == 0

    def rule_buffers(self) -> list[np.ndarray | None]:
        """The slots in the order of the rule's arguments; None for one that is not used."""
        names = self._optimizer.rule_slots
        if not names:
            names = [name for group in self._optimizer.slots() for name in group]
        return [self.buffers.get(name) for name in names]

    def slot_views(self) -> list[np.ndarray]:
        """The slots per trainable weight, in the order in which Keras stores them."""
        return [
            self.parameters.view(self.buffers[name], variable)
            for group in self._optimizer.all_slots()
            for variable in self.parameters.variables
            if variable.trainable
            for name in group
        ]


_RULE = (
    "the update rules are compiled; a schedule or a callback may change `learning_rate`, a "
    "constraint the weights"
)


class Optimizer(Changeable, NamedArguments, Overridable, ABC):
    """Base class: the arguments that all optimizers share.

    Args:
        learning_rate: a number of at least 0, which may be set at any time, also while training;
            or a `LearningRateSchedule`, which may not.
        weight_decay: decoupled decay per step, relative to the learning rate; None for none.
        clipnorm: the largest L2 norm of the gradient of one weight.
        clipvalue: the largest absolute value of an element of a gradient.
        global_clipnorm: the largest L2 norm of all gradients together.
        use_ema: keep a moving average of the weights, which they are set to when `fit` ends.
        ema_momentum: how long that average remembers, from 0 to 1.
        ema_overwrite_frequency: also set the weights to the average after every so many steps.
        loss_scale_factor: must be None; it serves precisions below float32.
        gradient_accumulation_steps: at least 2: change the weights after every so many batches
            only, by the mean of their gradients.
        name: the name in configurations.

    Raises:
        ValueError: a value is out of range or not supported, or more than one of the three kinds of
            clipping is asked for.
        TypeError: a value is not a number.
    """

    module = "keras.optimizers"  # where Keras's files say that the class lives
    unused_hooks = MappingProxyType(
        dict.fromkeys(
            (
                "update_step",
                "apply",
                "apply_gradients",
                "stateless_apply",
                "build",
                "assign",
                "assign_add",
                "assign_sub",
                "scale_loss",
                "get_updates",
                "minimize",
                "compute_gradients",
            ),
            _RULE,
        )
        | dict.fromkeys(
            ("load_own_variables", "save_own_variables", "set_weights", "variables"),
            "files hold the iteration, the learning rate and the slots",
        )
        | {
            "iterations": "it counts the steps",
            "lr": "it is called `learning_rate`",
            "decay": "give a schedule as `learning_rate`, or `weight_decay`",
        }
    )
    rule = ""  # the update in the compiled core
    rule_slots: tuple[str, ...] = ()  # its slots; all in their order where this is left empty
    settings: tuple[str, ...] = ()  # the arguments that the class has of its own

    def __init__(
        self,
        learning_rate: float | LearningRateSchedule,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: None = None,
        gradient_accumulation_steps: int | None = None,
        name: str | None = None,
    ):
        if loss_scale_factor is not None:
            raise ValueError(
                "`loss_scale_factor` must be None, since float32 gradients need no scaling, "
                f"received {loss_scale_factor!r}"
            )
        clips = {"clipnorm": clipnorm, "clipvalue": clipvalue, "global_clipnorm": global_clipnorm}
        given = {option: value for option, value in clips.items() if value is not None}
        if len(given) > 1:
            raise ValueError(
                f"only one of `clipnorm`, `clipvalue` and `global_clipnorm` may be set, "
                f"received {given}"
            )
        for option, value in given.items():
            number(value, option, 0, above=True)
        self.clipnorm, self.clipvalue, self.global_clipnorm = clipnorm, clipvalue, global_clipnorm
        self.use_ema, self.ema_momentum = bool(use_ema), number(ema_momentum, "ema_momentum", 0, 1)
        self.ema_overwrite_frequency = ema_overwrite_frequency
        if ema_overwrite_frequency is not None:
            normalize_int(ema_overwrite_frequency, "ema_overwrite_frequency")
        self.gradient_accumulation_steps = gradient_accumulation_steps
        if gradient_accumulation_steps is not None:
            normalize_int(gradient_accumulation_steps, "gradient_accumulation_steps", minimum=2)
        self.weight_decay = weight_decay
        if weight_decay is not None:
            self.weight_decay = number(weight_decay, "weight_decay", 0)
        self._state: State | None = None
        self._iterations = 0
        self._learning_rate: float | LearningRateSchedule = 0.0
        self._not_decayed: tuple[list[Variable], list[str]] = ([], [])
        self.learning_rate = learning_rate
        self.name = name_or(name, "") or unique_name(type(self).__name__)

    def changed(self, name: str, value: Any) -> Any:
        other = with_argument(self, name, value)
        if name == "gradient_accumulation_steps" or other.all_slots() != self.all_slots():
            raise AttributeError(
                f"`{name}` of {self.name!r} cannot become {value!r} once training has begun, as "
                "other slots would be needed; call compile() with a new optimizer"
            )
        return getattr(other, name)

    def argument_has_changed(self) -> None:
        super().argument_has_changed()
        self._refresh()  # the rule reads it in the next step

    # What a rule has of its own -------------------------------------------------------------------

    @abstractmethod
    def hyper(self, rate: float, step: int) -> list[float]:
        """The numbers that the rule reads in update `step`, counted from 1."""

    def slots(self) -> list[tuple[str, ...]]:
        """The names of the slots. Keras stores those of one group together, weight by weight."""
        return []

    def start_of(self, slot: str) -> float:
        """What a slot is filled with at the start."""
        return 0.0

    def extra_variables(self) -> list[tuple[str, np.ndarray]]:
        """What Keras stores behind the slots; it follows from the number of steps."""
        return []

    # The rate and the count -----------------------------------------------------------------------

    @property
    def learning_rate(self) -> float:
        """The rate of the next step; TypeError if it is set although a schedule tells it."""
        if isinstance(self._learning_rate, LearningRateSchedule):
            return float(self._learning_rate(self._iterations))
        return self._learning_rate

    @learning_rate.setter
    def learning_rate(self, value: float | LearningRateSchedule) -> None:
        if not isinstance(value, LearningRateSchedule):
            if self.scheduled:
                raise TypeError(
                    f"the learning rate of {self.name!r} follows {type(self._learning_rate)} and "
                    f"cannot be set; received {value!r}"
                )
            value = number(value, "learning_rate", 0)
        self._learning_rate = value
        self._refresh()

    @property
    def scheduled(self) -> bool:
        """Whether a schedule tells the learning rate."""
        return isinstance(self._learning_rate, LearningRateSchedule)

    @property
    def iterations(self) -> int:
        """Updates of the weights so far; without gradient accumulation, batches."""
        return self.steps

    @property
    def steps(self) -> int:
        """Updates of the weights so far."""
        return self._iterations // (self.gradient_accumulation_steps or 1)

    @property
    def next_batch_updates(self) -> bool:
        """Whether the next batch changes the weights, or its gradients are only gathered."""
        return (self._iterations + 1) % (self.gradient_accumulation_steps or 1) == 0

    def count_step(self) -> None:
        """Called after each batch."""
        self._iterations += 1
        self._refresh()

    def _refresh(self) -> None:
        if self._state is not None:
            self._state.refresh()

    # State ----------------------------------------------------------------------------------------

    def all_slots(self) -> list[tuple[str, ...]]:
        """The groups of slots of everything that is asked for, in the order of Keras's files."""
        wanted = {AVERAGE: self.use_ema, ACCUMULATOR: self.gradient_accumulation_steps}
        return [*((name,) for name, used in wanted.items() if used), *self.slots()]

    @property
    def built(self) -> bool:
        """Whether the slots exist, which they do from the start of training on."""
        return self._state is not None

    def state_for(self, parameters: Parameters) -> State:
        """The state on the buffer of `parameters`, made on first use.

        Raises ValueError if the optimizer already serves another model, or the model has other
        layers than when training began.
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

    @property
    def needs_stored_gradients(self) -> bool:
        """Whether gradients are changed or read between the backward pass and the update."""
        return bool(self.clips or self.weight_decay or self.gradient_accumulation_steps)

    def for_plan(self, parameters: Parameters) -> rules.UpdateRule:
        """Return the description of a step on the weights in `parameters` for a plan.

        Raises ValueError as `state_for`.
        """
        state = self.state_for(parameters)
        decay = accumulation = average = None
        if self.weight_decay:
            decay = rules.WeightDecay(state.decay, self._decayed(parameters))
        if self.gradient_accumulation_steps:
            accumulation = rules.Accumulation(
                state.buffers[ACCUMULATOR],
                self.gradient_accumulation_steps,
                lambda: self.next_batch_updates,
            )
        if self.use_ema:
            average = rules.MovingAverage(state.buffers[AVERAGE], state.averaging)
        return rules.UpdateRule(
            self.rule,
            state.rule_buffers(),
            state.hyper,
            clip=partial(self.clip, parameters) if self.clips else None,
            decay=decay,
            accumulation=accumulation,
            average=average,
        )

    @property
    def variables(self) -> list[tuple[str, np.ndarray]]:
        """Copies of everything to be stored, in Keras's order: iteration, learning rate unless a
        schedule tells it, slots."""
        return [(name, value.copy()) for name, value in self._live_variables()]

    def _live_variables(self) -> list[tuple[str, np.ndarray]]:
        """`variables` without copying the slots, for files."""
        values = [("iteration", np.int64(self._iterations))]
        if not self.scheduled:
            values.append(("learning_rate", np.float32(self.learning_rate)))
        if self._state is None:
            return values
        slots = [(f"slot_{i}", slot) for i, slot in enumerate(self._state.slot_views())]
        return values + slots + self.extra_variables()

    def load_variables(self, values: list[np.ndarray], parameters: Parameters | None) -> None:
        """Go on from what `variables` gave, once built (for `parameters`) or not.

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
        if built:
            self.state_for(parameters)
        if self._state is not None:
            self._state.clear()
            for view, value in zip(self._state.slot_views(), values[head:], strict=False):
                view[...] = value
        self._go_on(iteration, rate)

    def checked_step(self, values: list[np.ndarray]) -> tuple[int, float | None]:
        """(iteration, learning rate) at the head of what `variables` gave; no rate if a schedule
        tells it.

        Raises ValueError if no step could be made from there.
        """
        iteration = number(values[0], "iteration", 0, _MOST_STEPS)
        if iteration != int(iteration):
            raise ValueError(f"`iteration` must be a whole number, received {values[0]}")
        iteration = int(values[0])
        rate = None
        if not self.scheduled:
            # Keras stores float32; the shortest number with the same float32 is what was meant.
            with np.errstate(over="ignore"):
                rate = number(float(str(np.float32(values[1]))), "rate", 0)
        self._check_numbers(iteration, rate)
        return iteration, rate

    def _check_numbers(self, iteration: int, rate: float | None) -> None:
        """ValueError unless the numbers of the step after `iteration` are finite."""
        with parsing(f"no step can follow step {iteration}", raised=ValueError):
            if rate is None:
                rate = number(float(self._learning_rate(iteration)), "learning_rate")
            step = iteration // (self.gradient_accumulation_steps or 1) + 1
            if not all(math.isfinite(value) for value in self.hyper(rate, step)):
                raise ValueError(f"the learning rate is {rate}")

    def stored_shapes(self, parameters: Parameters | None) -> list[tuple[int, ...]]:
        """The shapes of `variables`, once built for `parameters`; before that if they are None."""
        head: list[tuple[int, ...]] = [()] if self.scheduled else [(), ()]
        if parameters is None:
            return head
        slots = [
            variable.shape
            for group in self.all_slots()
            for variable in parameters.variables
            if variable.trainable
            for _ in group
        ]
        return head + slots + [()] * len(self.extra_variables())

    def state(self) -> dict[str, Any]:
        """A copy of everything that training changes, exactly: see `fastconv.state`."""
        return copy.deepcopy(self._live_state())

    def _live_state(self) -> dict[str, Any]:
        """`state` without copying the slots."""
        return {
            "class": type(self).__name__,
            "schedule": serialize(self._learning_rate) if self.scheduled else None,
            "iterations": self._iterations,
            "learning_rate": None if self.scheduled else self.learning_rate,
            "slots": dict(self._state.buffers) if self._state else {},
        }

    def check_state(self, state: Any, parameters: Parameters) -> None:
        """ValueError unless `state` is that of an optimizer of this class, with this schedule and
        these slots; changes nothing. `parameters` are those of the model that is trained."""
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
        if self._state is not None and self._state.parameters.variables != parameters.variables:
            raise ValueError(f"the optimizer {self.name!r} has begun to train other weights")
        received, size = state["slots"], parameters.values.size
        wanted = [name for group in self.all_slots() for name in group]
        if not received and not state["iterations"]:
            return  # the state of an optimizer before its first step
        if sorted(received) != sorted(wanted):
            raise ValueError(f"{what} must have the slots {wanted}, received {sorted(received)}")
        for name, value in received.items():
            array_of((size,))(value, f"{what}: slot {name!r}")

    def restore(self, state: dict[str, Any], parameters: Parameters) -> None:
        """Go on from `state()` of an equal optimizer; ValueError if it was another one, and then
        nothing is changed.

        `parameters` are those of the model that is trained.
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
        vars(self).update(state)
        if self._state is None:
            return
        variables, slots = self._state
        self._state = State(self, parameters_of(variables))
        parameters, buffers = self._state.parameters, self._state.buffers
        for name, values in slots.items():
            for variable, value in zip(variables, values, strict=True):
                parameters.view(buffers[name], variable)[...] = value
        self._refresh()

    # Beside the rule ------------------------------------------------------------------------------

    @property
    def clips(self) -> bool:
        """Whether gradients change between the backward pass and the update."""
        return any((self.clipnorm, self.clipvalue, self.global_clipnorm))

    def clip(self, parameters: Parameters) -> None:
        """Clip the gradients of all trainable weights in place."""
        views = [
            parameters.view(parameters.gradient, variable).reshape(-1)
            for variable in parameters.variables
            if variable.trainable
        ]
        if self.clipvalue:
            for view in views:
                np.clip(view, -self.clipvalue, self.clipvalue, out=view)
            return
        # In float64, and not by a BLAS, whose sums depend on its number of threads.
        squares = [float(np.einsum("i,i", view, view, dtype=np.float64)) for view in views]
        if self.clipnorm:
            for view, square in zip(views, squares, strict=True):
                _limit_norm([view], square, self.clipnorm)
        elif self.global_clipnorm:
            _limit_norm(views, sum(squares), self.global_clipnorm)

    def exclude_from_weight_decay(
        self, var_list: Iterable[Variable] | None = None, var_names: Iterable[str] | None = None
    ) -> None:
        """Leave these weights, and those whose names contain one of `var_names`, without decay.

        Raises ValueError once training has begun.
        """
        if self.built:
            raise ValueError("exclude_from_weight_decay() must be called before training begins")
        self._not_decayed = (list(var_list or []), list(var_names or []))

    def decays(self, variable: Variable) -> bool:
        """Whether the weight decay applies to `variable`."""
        variables, names = self._not_decayed
        return not (
            any(variable is other for other in variables)
            or any(re.search(name, variable.name) for name in names)
        )

    def _decayed(self, parameters: Parameters) -> list[Variable] | None:
        """Return the weights to which the weight decay applies; None for all."""
        if not any(self._not_decayed):
            return None
        return [variable for variable in parameters.variables if self.decays(variable)]

    def finalize_variable_values(self, variables: Iterable[Variable]) -> None:
        """Set `variables` to their moving averages, if there are any: the end of `fit` does."""
        if self.use_ema and self._state is not None:
            for variable in variables:
                variable.assign(self._average_of(variable))

    def average_of(self, variable: Variable) -> np.ndarray:
        """A copy of the moving average of a weight; ValueError without `use_ema` or training."""
        return self._average_of(variable).copy()

    def _average_of(self, variable: Variable) -> np.ndarray:
        if not self.use_ema or self._state is None:
            raise ValueError(f"{self.name!r} keeps no moving averages, or has not begun to train")
        return self._state.parameters.view(self._state.buffers[AVERAGE], variable)

    # Configuration --------------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        rate = self._learning_rate
        config = {
            "name": self.name,
            "learning_rate": serialize(rate) if self.scheduled else rate,
            "weight_decay": self.weight_decay,
            "clipnorm": self.clipnorm,
            "global_clipnorm": self.global_clipnorm,
            "clipvalue": self.clipvalue,
            "use_ema": self.use_ema,
            "ema_momentum": self.ema_momentum,
            "ema_overwrite_frequency": self.ema_overwrite_frequency,
            "loss_scale_factor": None,
            "gradient_accumulation_steps": self.gradient_accumulation_steps,
        }
        return config | {name: getattr(self, name) for name in self.settings}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Optimizer:
        if isinstance(config.get("learning_rate"), dict):
            schedule = deserialize(config["learning_rate"], "optimizers.schedules")
            config = config | {"learning_rate": schedule}
        return cls(**config)


def _without_name(config: Any) -> Any:
    """A schedule as plain data; two that differ in their names alone are equal."""
    if isinstance(config, dict):
        return {key: _without_name(each) for key, each in config.items() if key != "name"}
    return [_without_name(each) for each in config] if isinstance(config, (list, tuple)) else config


def _limit_norm(views: list[np.ndarray], square: float, limit: float) -> None:
    """Scale all `views` by one factor so that their norm, sqrt(`square`), is at most `limit`.

    A norm that is not finite makes the gradients NaN, so that it shows.
    """
    norm = math.sqrt(square) if math.isfinite(square) else math.nan
    if not norm <= limit:
        for view in views:
            view *= np.float32(limit / norm)
