"""Learning rates that depend on the step, counted from 0, for the argument `learning_rate`.

    ExponentialDecay        r0 rate^(step / decay_steps)
    InverseTimeDecay        r0 / (1 + rate step / decay_steps)
    PiecewiseConstantDecay  values[i] while step <= boundaries[i]
    PolynomialDecay         (r0 - end) (1 - step / decay_steps)^power + end
    CosineDecay             r0 ((1 - alpha) (1 + cos(pi step / decay_steps)) / 2 + alpha)
    CosineDecayRestarts     repeats CosineDecay, each time `t_mul` as long and `m_mul` as high

The last two: Loshchilov & Hutter, arXiv 1608.03983. A user's schedule is a subclass of
`LearningRateSchedule`:

>>> from fastconv.optimizers import schedules
>>> class Halving(schedules.LearningRateSchedule):
...     def __call__(self, step):
...         return 0.1 / 2 ** (step // 100)
>>> Halving()(250)
0.025
>>> schedules.PiecewiseConstantDecay([10, 20], [1.0, 0.5, 0.1])(11)
0.5
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

from fastconv.common.arguments import number
from fastconv.common.keywords import NamedArguments
from fastconv.serialization import serializers


class LearningRateSchedule(NamedArguments, ABC):
    """Base class: a function from the number of past steps to the learning rate of the next one."""

    module = "keras.optimizers.schedules"  # module of the class in Keras's files

    @abstractmethod
    def __call__(self, step: int) -> float:
        """Return the rate of the step after `step` steps."""

    def get_config(self) -> dict[str, Any]:
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> LearningRateSchedule:
        return cls(**config)


class _Keras(LearningRateSchedule):
    """Base class of Keras's schedules: their arguments are their configuration."""

    settings: tuple[str, ...] = ()

    def __init__(self, name: str | None = None, **values: Any):
        """Set `values` as attributes; "decay_steps" must be positive, all others finite."""
        self.name: str = name or type(self).__name__
        for key, value in values.items():
            if value is not None:
                steps = key.endswith("decay_steps")
                value = number(value, key, 0 if steps else -math.inf, above=steps)
            setattr(self, key, value)

    def get_config(self) -> dict[str, Any]:
        return {key: getattr(self, key) for key in (*self.settings, "name")}


class _Rated(_Keras):
    """Base class: a change by `decay_rate` per `decay_steps` steps; in jumps with `staircase`."""

    settings: tuple[str, ...] = ("initial_learning_rate", "decay_steps", "decay_rate", "staircase")
    initial_learning_rate: float
    decay_steps: float
    decay_rate: float

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        decay_rate: float,
        staircase: bool = False,
        name: str | None = None,
    ):
        super().__init__(
            name,
            initial_learning_rate=initial_learning_rate,
            decay_steps=decay_steps,
            decay_rate=decay_rate,
        )
        self.staircase: bool = bool(staircase)

    def _times(self, step: int) -> float:
        times = step / self.decay_steps
        return math.floor(times) if self.staircase else times


class ExponentialDecay(_Rated):
    """Multiplied by `decay_rate` every `decay_steps`; in jumps if `staircase`."""

    def __call__(self, step: int) -> float:
        return self.initial_learning_rate * self.decay_rate ** self._times(step)


class InverseTimeDecay(_Rated):
    """Divided by 1 + `decay_rate` times the number of `decay_steps`; in jumps if `staircase`."""

    def __call__(self, step: int) -> float:
        return self.initial_learning_rate / (1 + self.decay_rate * self._times(step))


class PiecewiseConstantDecay(_Keras):
    """`values[i]` up to and including step `boundaries[i]`, the last value after the last boundary.

    Raises ValueError unless there is one more value than boundaries, and boundaries ascend.
    """

    def __init__(self, boundaries: Sequence[int], values: Sequence[float], name: str | None = None):
        super().__init__(name or "PiecewiseConstant")
        self.boundaries: list[float] = [number(boundary, "boundaries") for boundary in boundaries]
        self.values: list[float] = [number(value, "values") for value in values]
        if len(self.values) != len(self.boundaries) + 1 or self.boundaries != sorted(
            self.boundaries
        ):
            raise ValueError(
                "`values` must be one more than `boundaries`, which must ascend, "
                f"received {list(boundaries)} and {list(values)}"
            )

    def __call__(self, step: int) -> float:
        for boundary, value in zip(self.boundaries, self.values, strict=False):
            if step <= boundary:
                return value
        return self.values[-1]

    settings: tuple[str, ...] = ("boundaries", "values")


class PolynomialDecay(_Keras):
    """From `initial_learning_rate` to `end_learning_rate` in `decay_steps`, along a power.

    With `cycle`, `decay_steps` is replaced by its smallest multiple that is at least the step.
    """

    settings: tuple[str, ...] = (
        "initial_learning_rate",
        "decay_steps",
        "end_learning_rate",
        "power",
        "cycle",
    )
    initial_learning_rate: float
    decay_steps: float
    end_learning_rate: float
    power: float

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
        name: str | None = None,
    ):
        super().__init__(
            name,
            initial_learning_rate=initial_learning_rate,
            decay_steps=decay_steps,
            end_learning_rate=end_learning_rate,
            power=power,
        )
        self.cycle: bool = bool(cycle)

    def __call__(self, step: int) -> float:
        span = self.decay_steps
        if self.cycle:
            span *= max(1, math.ceil(step / span))
        left = 1 - min(step, span) / span
        height = self.initial_learning_rate - self.end_learning_rate
        return height * left**self.power + self.end_learning_rate


class CosineDecay(_Keras):
    """Descends along half a cosine wave in `decay_steps`, to `alpha` times the initial rate.

    With a `warmup_target`, the rate first rises to it linearly over `warmup_steps`.
    """

    settings: tuple[str, ...] = (
        "initial_learning_rate",
        "decay_steps",
        "alpha",
        "warmup_target",
        "warmup_steps",
    )
    initial_learning_rate: float
    decay_steps: float
    alpha: float
    warmup_target: float | None
    warmup_steps: float

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        alpha: float = 0.0,
        name: str | None = None,
        warmup_target: float | None = None,
        warmup_steps: int = 0,
    ):
        super().__init__(
            name,
            initial_learning_rate=initial_learning_rate,
            decay_steps=decay_steps,
            alpha=alpha,
            warmup_target=warmup_target,
            warmup_steps=warmup_steps,
        )

    def __call__(self, step: int) -> float:
        top, done = self.initial_learning_rate, float(step)
        if self.warmup_target is not None:
            if step < self.warmup_steps:
                return top + (self.warmup_target - top) * step / self.warmup_steps
            top, done = self.warmup_target, step - self.warmup_steps
        wave = _half_wave(min(done, self.decay_steps) / self.decay_steps)
        return top * ((1 - self.alpha) * wave + self.alpha)


class CosineDecayRestarts(_Keras):
    """Repeats `CosineDecay`: first over `first_decay_steps`, then each time over `t_mul` times as
    many steps, from `m_mul` times the previous height."""

    settings: tuple[str, ...] = (
        "initial_learning_rate",
        "first_decay_steps",
        "t_mul",
        "m_mul",
        "alpha",
    )
    initial_learning_rate: float
    first_decay_steps: float
    t_mul: float
    m_mul: float
    alpha: float

    def __init__(
        self,
        initial_learning_rate: float,
        first_decay_steps: int,
        t_mul: float = 2.0,
        m_mul: float = 1.0,
        alpha: float = 0.0,
        name: str | None = None,
    ):
        super().__init__(
            name or "SGDRDecay",
            initial_learning_rate=initial_learning_rate,
            first_decay_steps=first_decay_steps,
            t_mul=t_mul,
            m_mul=m_mul,
            alpha=alpha,
        )

    def __call__(self, step: int) -> float:
        done = step / self.first_decay_steps
        if self.t_mul == 1:
            restarts = math.floor(done)
            part = done - restarts
        else:
            # A restart is at a whole number, which rounding of the logarithms may miss.
            restarts = math.log(1 - done * (1 - self.t_mul)) / math.log(self.t_mul)
            restarts = math.floor(restarts + 1e-9)
            before = (1 - self.t_mul**restarts) / (1 - self.t_mul)
            part = (done - before) / self.t_mul**restarts
        wave = self.m_mul**restarts * _half_wave(part)
        return self.initial_learning_rate * ((1 - self.alpha) * wave + self.alpha)


def _half_wave(part: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * part))


CLASSES = {
    cls.__name__: cls
    for cls in (
        ExponentialDecay,
        InverseTimeDecay,
        PiecewiseConstantDecay,
        PolynomialDecay,
        CosineDecay,
        CosineDecayRestarts,
    )
}

serialize: Callable[..., Any]
deserialize: Callable[..., Any]
serialize, deserialize = serializers("optimizers.schedules")
