"""Losses as functions of arrays: one value per prediction vector, not reduced.

All take (y_true, y_pred), both (batch, ..., outputs) unless the class of the same name says
otherwise, then the options of that class, and return float32 (batch, ...). `dice` and `tversky`
take sums over any axes instead.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastconv.common.naming import snake_case
from fastconv.losses import hinge as _hinge
from fastconv.losses import probabilistic as _probabilistic
from fastconv.losses import regression as _regression
from fastconv.losses import robust as _robust
from fastconv.losses.base import Loss
from fastconv.losses.robust import dice, tversky

LossFunction = Callable[..., np.ndarray]  # (y_true, y_pred, **options) -> values


def _function(cls: type[Loss], name: str | None = None) -> LossFunction:
    name = name or snake_case(cls.__name__)

    def function(y_true: Any, y_pred: Any, **options: Any) -> np.ndarray:
        return cls(**options).values(y_true, y_pred)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"The values of `{cls.__name__}`, one per prediction vector."
    return function


categorical_crossentropy: LossFunction = _function(_probabilistic.CategoricalCrossentropy)
sparse_categorical_crossentropy: LossFunction = _function(
    _probabilistic.SparseCategoricalCrossentropy
)
binary_crossentropy: LossFunction = _function(_probabilistic.BinaryCrossentropy)
categorical_focal_crossentropy: LossFunction = _function(
    _probabilistic.CategoricalFocalCrossentropy
)
binary_focal_crossentropy: LossFunction = _function(_probabilistic.BinaryFocalCrossentropy)
kl_divergence: LossFunction = _function(_probabilistic.KLDivergence, "kl_divergence")
poisson: LossFunction = _function(_probabilistic.Poisson)
mean_squared_error: LossFunction = _function(_regression.MeanSquaredError)
mean_absolute_error: LossFunction = _function(_regression.MeanAbsoluteError)
mean_absolute_percentage_error: LossFunction = _function(_regression.MeanAbsolutePercentageError)
mean_squared_logarithmic_error: LossFunction = _function(_regression.MeanSquaredLogarithmicError)
cosine_similarity: LossFunction = _function(_regression.CosineSimilarity)
huber: LossFunction = _function(_regression.Huber)
log_cosh: LossFunction = _function(_regression.LogCosh)
hinge: LossFunction = _function(_hinge.Hinge)
squared_hinge: LossFunction = _function(_hinge.SquaredHinge)
categorical_hinge: LossFunction = _function(_hinge.CategoricalHinge)
categorical_generalized_cross_entropy: LossFunction = _function(
    _robust.CategoricalGeneralizedCrossEntropy
)


__all__ = [
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "categorical_generalized_cross_entropy",
    "categorical_hinge",
    "cosine_similarity",
    "dice",
    "hinge",
    "huber",
    "kl_divergence",
    "log_cosh",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
    "poisson",
    "sparse_categorical_crossentropy",
    "squared_hinge",
    "tversky",
]
