"""What is reported beside the loss: accuracy, in the three forms that Keras knows.

A metric gathers batches (`update_state`), tells the value so far (`result`) and starts again
(`reset_state`).

>>> from fastconv import metrics
>>> accuracy = metrics.SparseCategoricalAccuracy()
>>> accuracy.update_state([1, 0], [[0.1, 0.9], [0.3, 0.7]])
>>> accuracy.result()
0.5
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from fastconv.losses import spread_weights
from fastconv.naming import snake_case
from fastconv.serialization import deserialize
from fastconv.state import Stateful

_ACCURACY = ("accuracy", "acc")


class Metric(Stateful):
    """Base class: a mean that is gathered piece by piece.

    Args:
        name: the name in logs and histories.
        dtype: must be None or "float32".
    """

    module = "keras.metrics"  # where Keras's files say that the class lives
    direction = "max"  # whether larger ("max") or smaller ("min") is better
    stateful = ("_total", "_count")

    def __init__(self, name: str | None = None, dtype: str | None = None):
        if dtype not in (None, "float32"):
            raise ValueError(f"`dtype` must be None or 'float32', received {dtype!r}")
        self.name = name or snake_case(type(self).__name__)
        self.reset_state()

    def add(self, total: float, count: float) -> None:
        """Take in `count` values whose sum is `total`."""
        self._total += total
        self._count += count

    def result(self) -> float:
        """The mean so far; 0.0 if there is nothing."""
        return self._total / self._count if self._count else 0.0

    def reset_state(self) -> None:
        """Forget everything."""
        self._total = 0.0
        self._count = 0.0

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "dtype": "float32"}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Metric:
        return cls(**config)


class Mean(Metric):
    """A plain mean, such as the one that reports the loss; smaller is better."""

    direction = "min"


class _Accuracy(Metric, ABC):
    """The weighted mean of a value per prediction vector."""

    @abstractmethod
    def values(self, y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
        """The value of every prediction vector; `y_pred` (batch, ..., outputs)."""

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take in a batch; ValueError if labels and predictions do not fit each other."""
        values = self.values(np.asarray(y_true), np.asarray(y_pred))
        if sample_weight is None:
            self.add(float(values.sum()), values.size)
        else:
            weight = spread_weights(np.asarray(sample_weight, np.float64), values.shape)
            self.add(float((values * weight).sum()), float(weight.sum()))


class CategoricalAccuracy(_Accuracy):
    """How often the largest prediction is where the one-hot label has its 1."""

    def values(self, y_true, y_pred):
        _check_shape(self, y_true, y_pred, y_pred.shape)
        return y_true.argmax(axis=-1) == y_pred.argmax(axis=-1)


class SparseCategoricalAccuracy(_Accuracy):
    """How often the largest prediction is at the class number."""

    def values(self, y_true, y_pred):
        if y_true.ndim == y_pred.ndim and y_true.shape[-1] == 1:
            y_true = y_true[..., 0]
        _check_shape(self, y_true, y_pred, y_pred.shape[:-1])
        return y_true == y_pred.argmax(axis=-1)


class BinaryAccuracy(_Accuracy):
    """How often a prediction is on the side of `threshold` that the label, 0 or 1, says.

    Args:
        name, dtype: see `Metric`.
        threshold: predictions above it count as 1.
    """

    def __init__(
        self,
        name: str | None = None,
        dtype: str | None = None,
        threshold: float = 0.5,
    ):
        super().__init__(name, dtype)
        self.threshold = float(threshold)

    def values(self, y_true, y_pred):
        if y_true.ndim == y_pred.ndim - 1:
            y_true = y_true[..., None]
        _check_shape(self, y_true, y_pred, y_pred.shape)
        return (y_true == (y_pred > self.threshold)).mean(axis=-1)

    def get_config(self):
        return super().get_config() | {"threshold": self.threshold}


CLASSES = {
    cls.__name__: cls for cls in (CategoricalAccuracy, SparseCategoricalAccuracy, BinaryAccuracy)
}


def get(identifier: Any) -> Metric | str:
    """The metric that a name, a metric or a serialized configuration stands for.

    "accuracy" and "acc" come back as they are: which accuracy they mean depends on the shapes
    (`resolve`). Raises ValueError for an unknown name, TypeError for anything else.
    """
    if isinstance(identifier, Metric):
        return identifier
    if isinstance(identifier, dict):
        return deserialize(identifier, "metrics")
    if not isinstance(identifier, str):
        raise TypeError(f"a metric must be a name or a Metric, received {identifier!r}")
    if identifier.lower() in _ACCURACY:
        return identifier
    for name, cls in CLASSES.items():
        if identifier in (name, snake_case(name)):
            return cls(name=identifier)
    names = [*_ACCURACY, *map(snake_case, CLASSES)]
    raise ValueError(f"a metric must be one of {names}, received {identifier!r}")


def resolve(
    metric: Metric | str, y_shape: tuple[int, ...], output_shape: tuple[int | None, ...]
) -> Metric:
    """The metric that "accuracy" means for labels and predictions of these shapes.

    One output: binary. Labels with fewer axes than the predictions, or a last axis of 1 against
    more: class numbers. Otherwise: one-hot. The name stays as typed.
    """
    if isinstance(metric, Metric):
        return metric
    if output_shape[-1] == 1:
        return BinaryAccuracy(name=metric)
    if len(y_shape) < len(output_shape) or y_shape[-1] == 1:
        return SparseCategoricalAccuracy(name=metric)
    return CategoricalAccuracy(name=metric)


def _check_shape(
    metric: Metric, y_true: np.ndarray, y_pred: np.ndarray, wanted: tuple[int, ...]
) -> None:
    if y_true.shape != wanted:
        raise ValueError(
            f"{metric.name} of predictions of shape {y_pred.shape} needs labels of shape {wanted}, "
            f"received {y_true.shape}"
        )
