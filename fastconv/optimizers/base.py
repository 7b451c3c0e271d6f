"""The base class of optimizers: common arguments, configuration, description for the plan."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np

from fastconv.common import html
from fastconv.common.arguments import name_or, normalize_int, number
from fastconv.common.changeable import with_argument
from fastconv.common.keywords import NamedArguments
from fastconv.common.naming import unique_name
from fastconv.common.overriding import Overridable
from fastconv.optimizers import clipping
from fastconv.optimizers.applying import Applying
from fastconv.optimizers.schedules import LearningRateSchedule
from fastconv.optimizers.slots import ACCUMULATOR, AVERAGE, State
from fastconv.parameters import AnyParameters, Variable
from fastconv.plan import rules
from fastconv.serialization import deserialize, serialize

_RULE = (
    "the update rules are compiled; a schedule or a callback may change `learning_rate`, a "
    "constraint the weights"
)


class Optimizer(Applying, NamedArguments, Overridable):
    """Base class: the arguments that all optimizers share.

    Args:
        learning_rate: a number of at least 0, which may be set at any time, also while training;
            or a `LearningRateSchedule`, which may not.
        weight_decay: decoupled decay per step, relative to the learning rate; None for none.
        clipnorm: the largest L2 norm of the gradient of one weight.
        clipvalue: the largest absolute value of an element of a gradient.
        global_clipnorm: the largest L2 norm of all gradients together.
        use_ema: whether to keep a moving average of the weights; `fit` sets them to it at its end.
        ema_momentum: share of the old average in the new one, from 0 to 1.
        ema_overwrite_frequency: also set the weights to the average after every so many steps.
        loss_scale_factor: must be None; it serves precisions below float32.
        gradient_accumulation_steps: at least 2: change the weights after every so many batches
            only, by the mean of their gradients.
        name: the name in configurations.

    Raises:
        ValueError: a value is out of range or not supported, or more than one of the three kinds of
            clipping is given.
        TypeError: a value is not a number.
    """

    module = "keras.optimizers"  # module of the class in Keras's files
    unused_hooks: ClassVar[Mapping[str, str]] = MappingProxyType(
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
    settings: tuple[str, ...] = ()  # arguments of the class that `Optimizer` does not have
    clipnorm: float | None
    clipvalue: float | None
    global_clipnorm: float | None
    use_ema: bool
    ema_momentum: float

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
        self._not_decayed: tuple[list[Variable], list[str]] = ([], [])
        Applying.__init__(self)
        self.learning_rate = learning_rate
        self.name: str = name_or(name, "") or unique_name(type(self).__name__)

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

    # For the plan ---------------------------------------------------------------------------------

    @property
    def needs_stored_gradients(self) -> bool:
        """Whether gradients are changed or read between the backward pass and the update."""
        return bool(
            self.in_numpy or self.clips or self.weight_decay or self.gradient_accumulation_steps
        )

    def for_plan(self, parameters: AnyParameters) -> rules.UpdateRule:
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
            average = rules.MovingAverage(
                state.buffers[AVERAGE], state.averaging, state.parameters.variables
            )
        return rules.UpdateRule(
            self.rule,
            state.rule_buffers(),
            state.hyper,
            clip=partial(self.clip, parameters) if self.clips else None,
            decay=decay,
            accumulation=accumulation,
            average=average,
            step=partial(self.step, state) if self.in_numpy else None,
        )

    in_numpy = False  # has a `step` instead of a compiled rule

    def step(self, state: State, variable: Variable, w: np.ndarray, gradient: np.ndarray) -> None:
        """Change the weight `w` by its gradient, with `state.hyper` and the slots in `state`."""
        raise NotImplementedError(f"{type(self).__name__} has a compiled rule")

    @property
    def clips(self) -> bool:
        """Whether gradients change between the backward pass and the update."""
        return any((self.clipnorm, self.clipvalue, self.global_clipnorm))

    def clip(self, parameters: AnyParameters) -> None:
        """Clip the gradients of all trainable weights in place."""
        if self.clipvalue:
            clipping.clip_values(parameters, self.clipvalue)
        elif self.clipnorm:
            clipping.clip_norms(parameters, self.clipnorm)
        elif self.global_clipnorm:
            clipping.clip_global_norm(parameters, self.global_clipnorm)

    # Weight decay and averages of weights ---------------------------------------------------------

    def exclude_from_weight_decay(
        self, var_list: Iterable[Variable] | None = None, var_names: Iterable[str] | None = None
    ) -> None:
        """Exclude `var_list`, and weights whose names contain one of `var_names`, from the decay.

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

    def _decayed(self, parameters: AnyParameters) -> list[Variable] | None:
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
        """Return a copy of the moving average of a weight; ValueError without `use_ema` or before
        training."""
        return self._average_of(variable).copy()

    def _average_of(self, variable: Variable) -> np.ndarray:
        if not self.use_ema or self._state is None:
            raise ValueError(f"{self.name!r} keeps no moving averages, or has not begun to train")
        return self._state.parameters.view(self._state.buffers[AVERAGE], variable)

    # Configuration --------------------------------------------------------------------------------

    def _repr_html_(self) -> str:
        given = {name: value for name, value in self.get_config().items() if value is not None}
        return html.of_pairs(type(self).__name__, given)

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
