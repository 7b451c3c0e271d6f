"""How gradients change weights: SGD, RMSprop and Adam with Keras's arguments and formulas.

    SGD        w -= lr g;  with momentum  m = mu m - lr g,  w += m  (Nesterov: w += mu m - lr g)
    RMSprop    v = rho v + (1 - rho) g^2,  w -= lr g / sqrt(v + eps)
               centered: v minus the square of the mean gradient under the root;
               with momentum: b = mu b + step,  w -= b
    Adam       m = b1 m + (1 - b1) g,  v = b2 v + (1 - b2) g^2,
               w -= lr sqrt(1 - b2^t) / (1 - b1^t)  m / (sqrt(v) + eps)

RMSprop: Tieleman & Hinton 2012; Adam: Kingma & Ba, arXiv 1412.6980; weight decay decoupled from the
gradient: Loshchilov & Hutter, arXiv 1711.05101. In each step the gradients are clipped first, then
w -= lr * weight_decay * w, then comes the rule above.

An optimizer keeps its state (iterations, learning rate, slots) in flat buffers beside the model's
weights (`fastconv.parameters`); one compiled pass per step does the update. An optimizer object
serves one model at a time.

>>> from fastconv import optimizers
>>> optimizers.get("rmsprop").learning_rate
0.001
"""

from __future__ import annotations

import math
import numbers
from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from fastconv.naming import unique_name
from fastconv.parameters import Parameters
from fastconv.serialization import deserialize


class _State:
    """Slots and hyper-parameters of one optimizer on one model's buffer."""

    def __init__(self, optimizer: Optimizer, parameters: Parameters):
        self.parameters = parameters
        self._optimizer = optimizer
        self.slots = [
            parameters.new_buffer() if used else None for used in optimizer.slot_names.values()
        ]
        self.iterations = 0
        # One array per trainable part of the buffer, because Adam's update counts in it.
        self._hyper: list[np.ndarray] = []
        self.decay = np.zeros(3)

    def hyper_of_run(self, index: int) -> np.ndarray:
        while len(self._hyper) <= index:
            self._hyper.append(np.zeros(len(self._optimizer.hyper(0))))
        self.refresh()
        return self._hyper[index]

    def refresh(self) -> None:
        """Write the hyper-parameters and the iteration into the arrays that the updates read."""
        values = self._optimizer.hyper(self.iterations)
        for array in self._hyper:
            array[:] = values
        self.decay[0] = (self._optimizer.weight_decay or 0.0) * self._optimizer.learning_rate

    def slot_views(self) -> list[np.ndarray]:
        """The slots per trainable variable, in the order in which Keras stores them."""
        named = [
            (group, slot)
            for group, slot in zip(self._optimizer.slot_groups, self.slots, strict=True)
            if slot is not None
        ]
        views = []
        for wanted in sorted({group for group, _ in named}):
            for variable in self.parameters.variables:
                if variable.trainable:
                    views += [
                        self.parameters.view(slot, variable)
                        for group, slot in named
                        if group == wanted
                    ]
        return views


class Optimizer(ABC):
    """Base class: the arguments that all optimizers share.

    Args:
        learning_rate: a positive number or 0. It may be set at any time, also while training.
        weight_decay: decoupled decay per step, relative to the learning rate; None for none.
        clipnorm: the largest L2 norm of the gradient of one weight.
        clipvalue: the largest absolute value of an element of a gradient.
        global_clipnorm: the largest L2 norm of all gradients together.
        use_ema, ema_momentum, ema_overwrite_frequency, loss_scale_factor,
        gradient_accumulation_steps: known from Keras and not supported: only the values that turn
            them off are accepted.
        name: the name in configurations.

    Raises:
        ValueError: a value is out of range or not supported, or more than one of the three kinds of
            clipping is asked for.
        TypeError: a value is not a number.
    """

    module = "keras.optimizers"  # where Keras's files say that the class lives
    rule = ""  # the update in the compiled core
    slot_groups: tuple[int, ...] = ()  # Keras stores the slots of one group variable by variable

    def __init__(
        self,
        learning_rate: float,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str | None = None,
    ):
        unsupported = {
            "use_ema": use_ema,
            "ema_overwrite_frequency": ema_overwrite_frequency,
            "loss_scale_factor": loss_scale_factor,
            "gradient_accumulation_steps": gradient_accumulation_steps,
        }
        for option, value in unsupported.items():
            if value:
                raise ValueError(f"`{option}` is not supported, received {value!r}")
        clips = {"clipnorm": clipnorm, "clipvalue": clipvalue, "global_clipnorm": global_clipnorm}
        given = {option: value for option, value in clips.items() if value is not None}
        if len(given) > 1:
            raise ValueError(
                f"only one of `clipnorm`, `clipvalue` and `global_clipnorm` may be set, "
                f"received {given}"
            )
        for option, value in given.items():
            if _number(value, option) <= 0:
                raise ValueError(f"`{option}` must be positive, received {value}")
        self._state: _State | None = None
        self._iterations = 0
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        if weight_decay is not None:
            self.weight_decay = _number(weight_decay, "weight_decay", 0)
        self.clipnorm, self.clipvalue, self.global_clipnorm = clipnorm, clipvalue, global_clipnorm
        self.ema_momentum = ema_momentum
        self.name = name or unique_name(type(self).__name__)

    # What a rule has of its own -------------------------------------------------------------------

    @property
    def slot_names(self) -> dict[str, bool]:
        """The slots of the rule, in the order of its arguments, and whether each one is used."""
        return {}

    @abstractmethod
    def hyper(self, iterations: int) -> list[float]:
        """The numbers that the rule reads at each run."""

    # State ----------------------------------------------------------------------------------------

    @property
    def learning_rate(self) -> float:
        return self._learning_rate

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        self._learning_rate = _number(value, "learning_rate", 0)
        if self._state is not None:
            self._state.refresh()

    @property
    def iterations(self) -> int:
        """Steps done so far."""
        return self._state.iterations if self._state else self._iterations

    @property
    def built(self) -> bool:
        """Whether the slots exist, which they do from the start of training on."""
        return self._state is not None

    def state_for(self, parameters: Parameters) -> _State:
        """The state on the buffer of `parameters`, made on first use.

        Raises ValueError if the optimizer already serves another model, or the model has other
        layers than when training began.
        """
        if self._state is None:
            self._state = _State(self, parameters)
            self._state.iterations = self._iterations
        if self._state.parameters is not parameters:
            raise ValueError(
                f"the optimizer {self.name!r} has begun to train other weights; "
                "call compile() again with a new optimizer"
            )
        return self._state

    def count_step(self) -> None:
        """Called after each update."""
        self._state.iterations += 1

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

    @property
    def variables(self) -> list[tuple[str, np.ndarray]]:
        """Everything to be stored, in Keras's order: iteration, learning rate, slots."""
        values = [
            ("iteration", np.int32(self.iterations)),
            ("learning_rate", np.float32(self.learning_rate)),
        ]
        slots = self._state.slot_views() if self._state else []
        return values + [(f"slot_{index}", slot) for index, slot in enumerate(slots)]

    def go_on(self, iterations: int, learning_rate: float) -> None:
        """Go on from a stored iteration and learning rate; slots are written by their views."""
        self._iterations = iterations
        if self._state is not None:
            self._state.iterations = iterations
        self.learning_rate = learning_rate

    def state(self) -> dict[str, Any]:
        """Everything that training changes, exactly: see `fastconv.state`."""
        slots = self._state.slots if self._state else []
        return {
            "iterations": self.iterations,
            "learning_rate": self.learning_rate,
            "slots": list(slots),
        }

    def restore(self, state: dict[str, Any], parameters: Parameters) -> None:
        """Go on from `state()` of an equal optimizer; ValueError if its slots do not fit.

        `parameters` are those of the model that is trained.
        """
        slots, values = self.state_for(parameters).slots, state["slots"]
        wanted, received = (
            [None if slot is None else slot.size for slot in some] for some in (slots, values)
        )
        if values and wanted != received:
            raise ValueError(f"the optimizer's slots must have sizes {wanted}, received {received}")
        for slot, value in zip(slots, values or [0] * len(slots), strict=True):
            if slot is not None:
                slot[...] = value
        self.go_on(state["iterations"], state["learning_rate"])

    # Configuration --------------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "learning_rate": self.learning_rate,
            "weight_decay": self.weight_decay,
            "clipnorm": self.clipnorm,
            "global_clipnorm": self.global_clipnorm,
            "clipvalue": self.clipvalue,
            "use_ema": False,
            "ema_momentum": self.ema_momentum,
            "ema_overwrite_frequency": None,
            "loss_scale_factor": None,
            "gradient_accumulation_steps": None,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Optimizer:
        return cls(**config)


class SGD(Optimizer):
    """Gradient descent with momentum, Nesterov's if asked for. Arguments as `Optimizer`, and:

    Args:
        momentum: from 0 (none) to 1.
        nesterov: look ahead along the momentum.
    """

    rule = "SGD"
    slot_groups = (0,)

    def __init__(
        self,
        learning_rate: float = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        **common: Any,
    ):
        self.momentum = _number(momentum, "momentum", 0, 1)
        self.nesterov = bool(nesterov)
        super().__init__(learning_rate, **common)

    @property
    def slot_names(self):
        return {"momentum": self.momentum > 0}

    def hyper(self, iterations):
        return [self.learning_rate, self.momentum, float(self.nesterov)]

    def get_config(self):
        return super().get_config() | {"momentum": self.momentum, "nesterov": self.nesterov}


class RMSprop(Optimizer):
    """Steps relative to the root of the mean square of recent gradients. As `Optimizer`, and:

    Args:
        rho: how long the mean square remembers.
        momentum: from 0 (none) to 1.
        epsilon: added under the root.
        centered: use the variance of the gradients instead of their mean square.
    """

    rule = "RMSprop"
    slot_groups = (0, 2, 1)  # stored: velocities, then momentums, then mean gradients

    def __init__(
        self,
        learning_rate: float = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        **common: Any,
    ):
        self.rho = _number(rho, "rho", 0, 1)
        self.momentum = _number(momentum, "momentum", 0, 1)
        self.epsilon = _number(epsilon, "epsilon", 0)
        self.centered = bool(centered)
        super().__init__(learning_rate, **common)

    @property
    def slot_names(self):
        return {
            "velocity": True,
            "average_gradient": self.centered,
            "momentum": self.momentum > 0,
        }

    def hyper(self, iterations):
        return [self.learning_rate, self.rho, self.momentum, self.epsilon]

    def get_config(self):
        return super().get_config() | {
            "rho": self.rho,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "centered": self.centered,
        }


class Adam(Optimizer):
    """Momentum and mean square, both corrected for their start at zero. As `Optimizer`, and:

    Args:
        beta_1: how long the mean of the gradients remembers.
        beta_2: how long the mean of their squares remembers.
        epsilon: added to the root.
        amsgrad: not supported, must be False.
    """

    rule = "Adam"
    slot_groups = (0, 0)  # stored as m, v of the first variable, m, v of the second ...

    def __init__(
        self,
        learning_rate: float = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **common: Any,
    ):
        if amsgrad:
            raise ValueError(f"`amsgrad` is not supported, received {amsgrad!r}")
        self.beta_1 = _number(beta_1, "beta_1", 0, 1, open_end=True)
        self.beta_2 = _number(beta_2, "beta_2", 0, 1, open_end=True)
        self.epsilon = _number(epsilon, "epsilon", 0)
        super().__init__(learning_rate, **common)

    @property
    def slot_names(self):
        return {"momentum": True, "velocity": True}

    def hyper(self, iterations):
        return [self.learning_rate, self.beta_1, self.beta_2, self.epsilon, float(iterations)]

    def get_config(self):
        return super().get_config() | {
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
            "amsgrad": False,
        }


CLASSES = {cls.__name__: cls for cls in (SGD, RMSprop, Adam)}


def get(identifier: Any) -> Optimizer:
    """The optimizer that a name ("rmsprop", any case), an optimizer or a serialized configuration
    stands for.

    Raises ValueError for an unknown name (the message lists all), TypeError for anything else.
    """
    if isinstance(identifier, Optimizer):
        return identifier
    if isinstance(identifier, dict):
        return deserialize(identifier, "optimizers")
    if isinstance(identifier, str):
        for name, cls in CLASSES.items():
            if name.lower() == identifier.lower():
                return cls()
        raise ValueError(
            f"`optimizer` must be one of {[n.lower() for n in CLASSES]}, received {identifier!r}"
        )
    raise TypeError(f"`optimizer` must be a name or an Optimizer, received {identifier!r}")


def _limit_norm(views: list[np.ndarray], square: float, limit: float) -> None:
    """Scale all `views` by one factor so that their norm, sqrt(`square`), is at most `limit`.

    A norm that is not finite makes the gradients NaN, so that it shows.
    """
    norm = math.sqrt(square) if math.isfinite(square) else math.nan
    if not norm <= limit:
        for view in views:
            view *= np.float32(limit / norm)


def _number(
    value: Any, name: str, low: float = -math.inf, high: float = math.inf, open_end: bool = False
) -> float:
    """`value` as a finite float from `low` to `high`; `open_end` excludes `high`."""
    if isinstance(value, np.ndarray) and value.shape == ():
        value = value.item()
    if isinstance(value, (bool, str)) or not isinstance(value, numbers.Real):
        raise TypeError(f"`{name}` must be a number, received {value!r}")
    number = float(value)
    if not (math.isfinite(number) and low <= number <= high) or (open_end and number == high):
        bound = f"{low} <= {name} {'<' if open_end else '<='} {high}"
        raise ValueError(f"`{name}` must be finite with {bound}, received {value!r}")
    return number
