"""What every metric is, and the means that most of them are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np

from fastconv import initializers
from fastconv.common.arguments import name_or
from fastconv.common.arrays import real_array
from fastconv.common.keywords import NamedArguments
from fastconv.common.naming import is_builtin, snake_case
from fastconv.common.overriding import Overridable, definer
from fastconv.common.state_variable import StateVariable
from fastconv.losses import spread_weights
from fastconv.parameters import Variable
from fastconv.serialization import describe_function, get, named_object
from fastconv.state import Kind, Stateful, arrays_of, real


class Metric(NamedArguments, Overridable, Stateful, ABC):
    """Base class.

    Args:
        name: the name in logs and histories.
        dtype: must be None or "float32".

    The state of a metric is in the attributes named in `stateful`, which `reset_state` creates.
    """

    module = "keras.metrics"  # where Keras's files say that the class lives
    unused_hooks: ClassVar[Mapping[str, str]] = MappingProxyType(
        dict.fromkeys(
            (
                "stateless_update_state",
                "stateless_result",
                "stateless_reset_state",
            ),
            "keep what is gathered in attributes, and name them in `stateful`",
        )
        | {"reset_states": "define `reset_state`"}
    )
    dtype = "float32"
    direction = "max"  # whether larger ("max") or smaller ("min") is better
    default_name: str | None = None
    settings: tuple[str, ...] = ()  # the arguments that the class has of its own
    outputs_axis: int | None = None  # of arrays in the state, the axis with one entry per output

    def __init__(self, name: str | None = None, dtype: str | None = None):
        if dtype not in (None, "float32"):
            raise ValueError(f"`dtype` must be None or 'float32', received {dtype!r}")
        self.name: str = name_or(name, self.default_name or snake_case(type(self).__name__))
        self._variables: list[Variable] = []
        if is_builtin(definer(type(self), "reset_state")):  # a user's needs its own attributes
            self.reset_state()

    @property
    def scalar(self) -> bool:
        """Whether the result is one number."""
        return True

    @abstractmethod
    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take in a batch; ValueError if labels and predictions do not fit each other."""

    @abstractmethod
    def result(self) -> Any:
        """The value so far, a float (or an array, if not `scalar`)."""

    def reset_state(self) -> None:
        """Set what `add_weight` has made to zero. Metrics without such weights extend it."""
        for variable in self._variables:
            variable.assign(np.zeros(variable.shape))

    def add_weight(
        self,
        shape: Any = (),
        initializer: Any = None,
        dtype: Any = None,
        name: str | None = None,
    ) -> Variable:
        """Return a new part of the state, with `assign` and `assign_add`; zeros by default.

        `shape` is () for one number; `dtype` must be None or "float32".
        """
        if dtype not in (None, "float32"):
            raise ValueError(f"`dtype` must be None or 'float32', received {dtype!r}")
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
        made = initializers.get("zeros" if initializer is None else initializer)
        variable = Variable(made, shape, trainable=False, name=name, owner=self.name)
        variable.initialize()
        self._variables.append(variable)
        return variable

    add_variable = add_weight

    @property
    def values_of_variables(self) -> list[np.ndarray]:
        """The values of what `add_weight` has made, which are part of the state."""
        return [variable.numpy() for variable in self._variables]

    @values_of_variables.setter
    def values_of_variables(self, values: list[np.ndarray]) -> None:
        for variable, value in zip(self._variables, values, strict=True):
            variable.assign(value)

    def kinds_of_state(self) -> Mapping[str, Kind]:
        if not self._variables:
            return super().kinds_of_state()
        kind = arrays_of([variable.shape for variable in self._variables])
        return {**super().kinds_of_state(), "values_of_variables": kind}

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """`update_state`, then `result`."""
        self.update_state(*arguments, **options)
        return self.result()

    @property
    def variables(self) -> list[StateVariable | Variable]:
        """The numbers and arrays that batches change, as far as they exist."""
        present = [name for name in self.stateful if getattr(self, name) is not None]
        return [*self._variables, *(self._variable(name) for name in present)]

    def _variable(self, attribute: str) -> StateVariable:
        name = attribute.lstrip("_")

        def write(value: np.ndarray) -> None:
            present = getattr(self, attribute)
            scalar = not isinstance(present, np.ndarray)
            setattr(
                self, attribute, type(present)(value) if scalar else value.astype(present.dtype)
            )

        return StateVariable(name, f"{self.name}/{name}", lambda: getattr(self, attribute), write)

    def get_config(self) -> dict[str, Any]:
        own = {name: getattr(self, name) for name in self.settings}
        return {"name": self.name, "dtype": "float32"} | own

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Metric:
        return cls(**config)


class Mean(Metric):
    """The weighted mean of values, over all axes; 0.0 if there is nothing.

    As the base of others it is the mean of `values(y_true, y_pred)`.
    """

    direction = "min"
    stateful: ClassVar[Mapping[str, Kind]] = MappingProxyType({"_total": real, "_count": real})

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        """Take in `values`, one per sample or (samples, ...), each of weight 1 or as given."""
        self.add(*weighted_sum(real_array(values, "`values`"), sample_weight))

    def add(self, total: float, count: float) -> None:
        """Take in `count` values whose sum is `total`."""
        self._total += total
        self._count += count

    def result(self) -> float:
        return self._total / self._count if self._count else 0.0

    def reset_state(self) -> None:
        self._total = 0.0
        self._count = 0.0


class Sum(Metric):
    """The weighted sum of values, over all axes."""

    stateful: ClassVar[Mapping[str, Kind]] = MappingProxyType({"_total": real})

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        """Take in `values`, each of weight 1 or as given."""
        values = real_array(values, "`values`").astype(np.float64)
        if sample_weight is not None:
            weight = np.asarray(sample_weight, np.float64)
            values = values * weight.reshape(weight.shape + (1,) * (values.ndim - weight.ndim))
        self._total += float(values.sum())

    def result(self) -> float:
        return self._total

    def reset_state(self) -> None:
        self._total = 0.0


class MeanOfPairs(Mean):
    """A `Mean` of what labels and predictions give together."""

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take in a batch; ValueError if labels and predictions do not fit each other."""
        self.add(*weighted_sum(self.values(y_true, y_pred), sample_weight))

    @abstractmethod
    def values(self, y_true: Any, y_pred: Any) -> np.ndarray:
        """The values whose mean is the metric, (batch, ...)."""


class MeanMetricWrapper(MeanOfPairs):
    """The mean of the values of a NumPy function of (y_true, y_pred), one per sample.

    Args:
        fn: the function.
        name: by default the name of the function.
        dtype: see `Metric`.
        options: more arguments for the function.
    """

    takes_any_keyword = True
    function: Callable[..., Any]

    def __init__(
        self, fn: Callable, name: str | None = None, dtype: str | None = None, **options: Any
    ):
        super().__init__(name or getattr(fn, "__name__", None), dtype)
        self.function, self._options = fn, options

    def values(self, y_true: Any, y_pred: Any) -> np.ndarray:
        return np.asarray(self.function(np.asarray(y_true), np.asarray(y_pred), **self._options))

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"fn": describe_function(self.function)} | self._options

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The metric that `get_config` describes: `fn` is a function, or the name or description of
        one that fastconv has, was registered, or is among the `custom_objects`."""
        function = named_object(config.get("fn"))
        if not isinstance(function, str) and not callable(function):
            raise ValueError(f"`fn` must be a function or its name, received {function!r:.100}")
        if not isinstance(function, str):
            arguments: dict[str, Any] = config | {"fn": function}
            return cls(**arguments)
        known = get(function, "metrics")
        if isinstance(known, Metric):
            known.name = config.get("name") or known.name
        return known


def weighted_sum(values: np.ndarray, sample_weight: Any = None) -> tuple[float, float]:
    """(sum, count) of samples, each the mean of its values, weighted as Keras does.

    Weights are per sample, or per value of the first axes; the count is the sum of the weights,
    each sample's the mean of its own. ValueError if they do not fit.
    """
    values = np.asarray(values)
    if values.ndim == 0:
        values = values[None]
    if values.size == 0:
        return 0.0, 0.0
    if sample_weight is None:
        return float(values.sum(dtype=np.float64)) * len(values) / values.size, float(len(values))
    weight = np.asarray(sample_weight, np.float64)
    spread = spread_weights(weight, values.shape)  # raises if they do not fit
    while weight.ndim > values.ndim:
        weight = weight[..., 0]
    if weight.ndim == 0 or weight.shape[0] != len(values):
        weight = spread
    values = values.mean(axis=tuple(range(weight.ndim, values.ndim)), dtype=np.float64)
    weight = np.broadcast_to(weight, values.shape)
    share = len(values) / values.size
    return float((values * weight).sum()) * share, float(weight.sum()) * share


def same_rank(y_true: Any, y_pred: Any) -> tuple[np.ndarray, np.ndarray]:
    """Both as arrays; where one has a last axis of 1 more than the other, that is dropped, or, if
    the other has one axis, added to it."""
    y_true, y_pred = np.asarray(y_true), np.asarray(y_pred)
    if y_true.ndim == y_pred.ndim + 1 and y_true.shape[-1] == 1:
        if y_pred.ndim == 1:
            return y_true, y_pred[:, None]
        return y_true[..., 0], y_pred
    if y_pred.ndim == y_true.ndim + 1 and y_pred.shape[-1] == 1:
        if y_true.ndim == 1:
            return y_true[:, None], y_pred
        return y_true, y_pred[..., 0]
    return y_true, y_pred
