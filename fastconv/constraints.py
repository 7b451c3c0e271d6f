"""Constraints of weights: projections that run after every update.

All but `NonNeg` limit the L2 norm of the weights along `axis`, for instance of all inputs of one
unit: axis 0 of a dense kernel (inputs, units), axes (0, 1, 2) of a convolution's
(height, width, channels, filters). With that norm n,

    w * desired / (1e-7 + n)        MaxNorm      desired = min(n, max_value)
                                    UnitNorm     desired = 1
                                    MinMaxNorm   desired = rate * clip(n, min_value, max_value)
                                                           + (1 - rate) * n

The plan computes these in the compiled core; a user's constraint is a subclass of
`Constraint` whose call takes the weights and returns the projected ones.

>>> import numpy as np
>>> from fastconv import constraints
>>> constraints.MaxNorm(1.0)(np.array([[3.0, 0.3], [4.0, 0.4]])).round(3)
array([[0.6, 0.3],
       [0.8, 0.4]])
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastconv.common.arguments import normalize_int, number
from fastconv.common.changeable import Changeable
from fastconv.common.defaults import EPSILON
from fastconv.common.keywords import NamedArguments
from fastconv.plan import rules
from fastconv.serialization import find, named_object, serializers


class Constraint(Changeable, NamedArguments, ABC):
    """Base class: a function from weights to weights of the same shape."""

    module = "keras.constraints"  # module of the class in Keras's files

    @abstractmethod
    def __call__(self, w: np.ndarray) -> np.ndarray:
        """Return the nearest valid weights to `w`, as a new array."""

    def for_plan(self, ndim: int) -> rules.Projection:
        """Return the description of the projection of weights of `ndim` dimensions for a plan. A
        later change of an argument rebuilds all plans."""
        self.is_read_by_plans()
        return self._compiled(ndim) or rules.NumPyProjection(self)

    def _compiled(self, ndim: int) -> rules.Projection | None:
        """Return the projection of the compiled core that is equal to this one; None without."""
        return None

    def get_config(self) -> dict[str, Any]:
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Constraint:
        return cls(**config)


class NonNeg(Constraint):
    """Sets negative weights to zero."""

    def __call__(self, w: np.ndarray) -> np.ndarray:
        return np.maximum(w, 0)

    def _compiled(self, ndim):
        return rules.NonNegative() if type(self).__call__ is NonNeg.__call__ else None


class MinMaxNorm(Constraint):
    """Keeps every norm along `axis` between two bounds.

    Args:
        min_value, max_value: the bounds.
        rate: 1 enforces them at once; a smaller rate moves towards them at each step.
        axis: the axis or axes over which the norm is taken.

    Raises:
        ValueError: a bound is negative or not finite, the bounds are in the wrong order, `rate` is
            not from 0 to 1; `axis` does not exist (raised by the call).
        TypeError: a bound or `rate` is not a number, `axis` is not made of integers.
    """

    def __init__(
        self,
        min_value: float = 0.0,
        max_value: float = 1.0,
        rate: float = 1.0,
        axis: int | Sequence[int] = 0,
    ):
        self.min_value: float = number(min_value, "min_value", 0)
        self.max_value: float = number(max_value, "max_value", 0)
        if self.min_value > self.max_value:
            raise ValueError(
                f"`min_value` must be at most `max_value`, received {min_value} and {max_value}"
            )
        self.rate: float = number(rate, "rate", 0, 1)
        several = isinstance(axis, (list, tuple))
        axes = [normalize_int(a, "axis", minimum=-32) for a in (axis if several else [axis])]
        self.axis: list[int] | int = axes if several else axes[0]

    def axes(self, ndim: int) -> tuple[int, ...]:
        """Return `axis` sorted and counted from 0, for `ndim` dimensions; ValueError if one does
        not exist."""
        given = self.axis if isinstance(self.axis, list) else [self.axis]
        axes = sorted({axis % ndim if ndim else axis for axis in given})
        if any(not -ndim <= axis < ndim for axis in given):
            raise ValueError(
                f"`axis` of {type(self).__name__} must exist in weights of {ndim} dimensions, "
                f"received {self.axis}"
            )
        return tuple(axes)

    def __call__(self, w: np.ndarray) -> np.ndarray:
        w = np.asarray(w)
        square = np.square(w, dtype=np.float64).sum(axis=self.axes(w.ndim), keepdims=True)
        norm = np.sqrt(square)
        clipped = np.clip(norm, self.min_value, self.max_value)
        desired = self.rate * clipped + (1 - self.rate) * norm
        return (w * (desired / (EPSILON + norm))).astype(w.dtype)

    def _compiled(self, ndim):
        own, axes = type(self), self.axes(ndim)
        if own.__call__ is not MinMaxNorm.__call__ or own.axes is not MinMaxNorm.axes:
            return None  # a subclass with its own formula
        if axes != tuple(range(axes[0], axes[0] + len(axes))):
            return None  # the compiled core takes contiguous axes only
        limits = self.min_value, self.max_value, self.rate
        return rules.NormLimits(axes[0], axes[-1], *limits, EPSILON)

    def get_config(self) -> dict[str, Any]:
        return {
            "min_value": self.min_value,
            "max_value": self.max_value,
            "rate": self.rate,
            "axis": self.axis,
        }


class MaxNorm(MinMaxNorm):
    """Limits every norm along `axis` to `max_value`; otherwise like `MinMaxNorm`."""

    def __init__(self, max_value: float = 2, axis: int | Sequence[int] = 0):
        super().__init__(0.0, max_value, 1.0, axis)

    def get_config(self) -> dict[str, Any]:
        return {"max_value": self.max_value, "axis": self.axis}


class UnitNorm(MinMaxNorm):
    """Makes every norm along `axis` 1; otherwise like `MinMaxNorm`."""

    def __init__(self, axis: int | Sequence[int] = 0):
        super().__init__(1.0, 1.0, 1.0, axis)

    def get_config(self) -> dict[str, Any]:
        return {"axis": self.axis}


class FunctionConstraint(Constraint):
    """A function of weights as a constraint."""

    def __init__(self, function: Callable[[Any], Any]):
        self.wrapped_function = function

    def __call__(self, w: np.ndarray) -> np.ndarray:
        return self.wrapped_function(w)


# Keras's other names
max_norm = MaxNorm
min_max_norm = MinMaxNorm
non_neg = NonNeg
unit_norm = UnitNorm

serialize: Callable[..., Any]
deserialize: Callable[..., Any]
serialize, deserialize = serializers("constraints")
CLASSES = {cls.__name__: cls for cls in (MaxNorm, MinMaxNorm, NonNeg, UnitNorm)}


def get(identifier: Any) -> Constraint | None:
    """Return the constraint for None, a name ("max_norm"), a constraint, its class or a serialized
    configuration.

    A function that takes weights and returns valid ones is a constraint, too.

    Raises ValueError for an unknown name (the message lists all), TypeError for anything else.
    """
    identifier = named_object(identifier)
    if callable(identifier) and not isinstance(identifier, (Constraint, type)):
        return FunctionConstraint(identifier)
    return find(identifier, "constraints", Constraint, optional=True)
