"""Penalties that are added to the loss: on weights, and on outputs of layers.

    L1     l1 * sum |w|                 gradient  l1 * sign(w)
    L2     l2 * sum w^2 (no half)       gradient  2 * l2 * w
    L1L2   both
    OrthogonalRegularizer               penalizes the cosines between rows or columns of a matrix

`kernel_regularizer` and `bias_regularizer` of a layer apply to its weights while they are
trainable; `activity_regularizer` applies to its output, divided by the batch size. The reported
loss contains all of them, as in Keras. The plan computes L1 and L2 in the compiled core.

A user's penalty also defines its gradient, so it is a class and not a function:

>>> import numpy as np
>>> from fastconv import regularizers
>>> class Quartic(regularizers.Regularizer):
...     def __call__(self, x):
...         return float((x**4).sum())
...
...     def gradient(self, x):
...         return 4 * x**3
>>> Quartic()(np.array([1.0, 2.0]))
17.0
>>> regularizers.get("l2")(np.array([[3.0, 4.0]]))
0.25
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np

from fastconv.common.arguments import number
from fastconv.common.changeable import Changeable
from fastconv.common.keywords import NamedArguments
from fastconv.common.naming import is_builtin
from fastconv.common.overriding import Overridable, definer
from fastconv.plan import rules
from fastconv.serialization import find, named_object, serializers


class Regularizer(Changeable, NamedArguments, Overridable, ABC):
    """Base class: a function from an array to a number, with its gradient."""

    has_gradient = True

    module = "keras.regularizers"  # module of the class in Keras's files

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if cls.__call__ is not Regularizer.__call__:
            value, slope = (definer(cls, name) for name in ("__call__", "gradient"))
            if not is_builtin(value) and is_builtin(slope):
                cls.has_gradient = False  # it would be that of another penalty
            elif not is_builtin(slope):
                cls.has_gradient: bool = True

    @abstractmethod
    def __call__(self, x: np.ndarray) -> float:
        """Return the penalty for `x`, of any shape."""

    def gradient(self, x: np.ndarray) -> np.ndarray:
        """Return the derivative of the penalty with respect to every element of `x`.

        A class that does not define it computes `__call__` by operators and functions of
        `fastconv.ops`, which layers trace.
        """
        raise NotImplementedError

    def for_plan(self) -> rules.Penalty:
        """Return the description for a plan. A later change of an argument rebuilds all plans."""
        self.is_read_by_plans()
        return self._compiled() or rules.NumPyPenalty(self, self.gradient)

    def _compiled(self) -> rules.Penalty | None:
        """Return the penalty of the compiled core that is equal to this one; None without."""
        return None

    def get_config(self) -> dict[str, Any]:
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Regularizer:
        return cls(**config)


class L1L2(Regularizer):
    """l1 * sum |x| + l2 * sum x^2; both factors 0 by default, but .01 for the name "l1_l2".

    Raises ValueError unless `l1` and `l2` are finite and not negative, TypeError if they are not
    numbers.
    """

    l1: float
    l2: float

    def __init__(self, l1: float = 0.0, l2: float = 0.0):
        self.l1, self.l2 = _factor(l1, "l1", 0.0), _factor(l2, "l2", 0.0)

    def __call__(self, x: np.ndarray) -> float:
        x = np.asarray(x, np.float64)
        return float(self.l1 * np.abs(x).sum() + self.l2 * np.square(x).sum())

    def gradient(self, x: np.ndarray) -> np.ndarray:
        return self.l1 * np.sign(x) + 2 * self.l2 * np.asarray(x)

    def _compiled(self):
        own = type(self)
        if own.__call__ is not L1L2.__call__ or own.gradient is not L1L2.gradient:
            return None  # a subclass with its own formula
        return rules.L1L2Penalty(self.l1, self.l2)

    def get_config(self) -> dict[str, Any]:
        return {"l1": self.l1, "l2": self.l2}


class L1(L1L2):
    """l1 * sum |x|: favours weights that are exactly zero."""

    def __init__(self, l1: float = 0.01):
        super().__init__(_factor(l1, "l1", 0.01), 0.0)

    def get_config(self) -> dict[str, Any]:
        return {"l1": self.l1}


class L2(L1L2):
    """l2 * sum x^2: reduces large weights most."""

    def __init__(self, l2: float = 0.01):
        super().__init__(0.0, _factor(l2, "l2", 0.01))

    def get_config(self) -> dict[str, Any]:
        return {"l2": self.l2}


class OrthogonalRegularizer(Regularizer):
    """factor * the mean over all pairs of rows of |cosine of the angle between them|.

    Args:
        factor: finite and not negative.
        mode: "rows" or "columns" of the matrix.

    Raises ValueError or TypeError for other arguments, and ValueError when called on an array that
    is not a matrix.
    """

    factor: float

    def __init__(self, factor: float = 0.01, mode: str = "rows"):
        if mode not in ("rows", "columns"):
            raise ValueError(f"`mode` must be 'rows' or 'columns', received {mode!r}")
        self.factor, self.mode = _factor(factor, "factor", 0.01), mode

    def _unit_rows(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        """Return rows of length 1, their original lengths, and the factor per ordered pair."""
        x = np.asarray(x, np.float64)
        if x.ndim != 2:
            raise ValueError(f"OrthogonalRegularizer needs a matrix, received shape {x.shape}")
        rows = x if self.mode == "rows" else x.T
        lengths = np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
        pairs = len(rows) * (len(rows) - 1)
        return rows / lengths, lengths, self.factor / pairs if pairs else math.nan

    def __call__(self, x: np.ndarray) -> float:
        unit, _, factor = self._unit_rows(x)
        cosines = unit @ unit.T
        np.fill_diagonal(cosines, 0.0)
        return float(factor * np.abs(cosines).sum())

    def gradient(self, x: np.ndarray) -> np.ndarray:
        unit, lengths, factor = self._unit_rows(x)
        signs = np.sign(unit @ unit.T)
        np.fill_diagonal(signs, 0.0)
        dunit = 2 * factor * (signs @ unit)  # every pair is counted twice
        # A change along a row does not change its direction, so that component is removed.
        drows = (dunit - unit * (unit * dunit).sum(axis=1, keepdims=True)) / lengths
        return drows if self.mode == "rows" else drows.T

    def get_config(self) -> dict[str, Any]:
        return {"factor": self.factor, "mode": self.mode}


# Keras's other names
l1 = L1
l2 = L2
l1_l2 = L1L2
orthogonal_regularizer = OrthogonalRegularizer


class FunctionRegularizer(Regularizer):
    """A function of an array as a penalty."""

    has_gradient = False

    def __init__(self, function: Callable[[Any], Any]):
        self.wrapped_function = function

    def __call__(self, x: np.ndarray) -> float:
        return self.wrapped_function(x)


serialize: Callable[..., Any]
deserialize: Callable[..., Any]
serialize, deserialize = serializers("regularizers")
CLASSES = {cls.__name__: cls for cls in (L1, L2, L1L2, OrthogonalRegularizer)}


def get(identifier: Any) -> Regularizer | None:
    """Return the regularizer for None, a name ("l2"), a regularizer, its class or a serialized
    configuration.

    A function of an array, in `fastconv.ops`, is a penalty, too.

    Raises ValueError for an unknown name (the message lists all), TypeError for anything else.
    """
    identifier = named_object(identifier)
    if identifier == "l1_l2":  # Keras's two defaults of one class
        return L1L2(0.01, 0.01)
    if callable(identifier) and not isinstance(identifier, (Regularizer, type)):
        return FunctionRegularizer(identifier)
    return find(identifier, "regularizers", Regularizer, optional=True)


def _factor(value: Any, name: str, default: float) -> float:
    return number(default if value is None else value, name, 0)
