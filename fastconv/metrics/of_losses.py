"""Losses as metrics: the mean of the same values, not of the batches' losses."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv import losses
from fastconv.metrics.base import MeanOfPairs


class _OfLoss(MeanOfPairs):
    """Arguments are `name`, `dtype` and then those of the loss of the same name."""

    loss: type[losses.Loss]
    takes_any_keyword = True  # the loss explains those that it does not have

    def __init__(self, name: str | None = None, dtype: str | None = None, **options: Any):
        super().__init__(name, dtype)
        self._loss = self.loss(**options)

    def values(self, y_true: Any, y_pred: Any) -> np.ndarray:
        return self._loss.values(y_true, y_pred)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {n: getattr(self._loss, n) for n in self._loss.settings}


def _of(
    loss: type[losses.Loss], class_name: str | None = None, name: str | None = None
) -> type[_OfLoss]:
    class_name = class_name or loss.__name__
    attributes = {
        "__doc__": f"The mean of `losses.{loss.__name__}`; see there for its formula and options.",
        "__module__": __name__,
        "loss": loss,
        "default_name": name,
    }
    return type(class_name, (_OfLoss,), attributes)


MeanSquaredError: type[_OfLoss] = _of(losses.MeanSquaredError)
MeanAbsoluteError: type[_OfLoss] = _of(losses.MeanAbsoluteError)
MeanAbsolutePercentageError: type[_OfLoss] = _of(losses.MeanAbsolutePercentageError)
MeanSquaredLogarithmicError: type[_OfLoss] = _of(losses.MeanSquaredLogarithmicError)
LogCoshError: type[_OfLoss] = _of(losses.LogCosh, "LogCoshError", "logcosh")
Huber: type[_OfLoss] = _of(losses.Huber)
Hinge: type[_OfLoss] = _of(losses.Hinge)
SquaredHinge: type[_OfLoss] = _of(losses.SquaredHinge)
CategoricalHinge: type[_OfLoss] = _of(losses.CategoricalHinge)
KLDivergence: type[_OfLoss] = _of(losses.KLDivergence, name="kl_divergence")
Poisson: type[_OfLoss] = _of(losses.Poisson)
BinaryCrossentropy: type[_OfLoss] = _of(losses.BinaryCrossentropy)
CategoricalCrossentropy: type[_OfLoss] = _of(losses.CategoricalCrossentropy)


class SparseCategoricalCrossentropy(_OfLoss):
    """The mean of `losses.SparseCategoricalCrossentropy`; see there for its formula and options.

    As in Keras, labels of `ignore_class` count as zeros, but not at all where there are weights.
    """

    loss: type[losses.Loss] = losses.SparseCategoricalCrossentropy
    _loss: losses.SparseCategoricalCrossentropy

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        if sample_weight is not None and self._loss.ignore_class is not None:
            labels = np.asarray(y_true).reshape(np.shape(y_pred)[:-1])
            counts = labels != self._loss.ignore_class
            sample_weight = losses.spread_weights(np.asarray(sample_weight), labels.shape) * counts
        super().update_state(y_true, y_pred, sample_weight)


class CosineSimilarity(_OfLoss):
    """The mean cosine of the angle between y_true and y_pred: minus the loss of the same name."""

    loss = losses.CosineSimilarity
    direction = "max"

    def values(self, y_true: Any, y_pred: Any) -> np.ndarray:
        return -super().values(y_true, y_pred)

    def get_config(self) -> dict[str, Any]:
        axis = self._loss.axis  # which Keras does not write
        config = {"name": self.name, "dtype": "float32"}
        return config if axis == -1 else config | {"axis": axis}
