"""Metrics as functions of arrays: one value per sample or prediction vector, not reduced.

The functions of `fastconv.losses` are here as well, as in Keras.

>>> from fastconv import metrics
>>> metrics.binary_accuracy([[1.0], [0.0]], [[0.7], [0.6]]).tolist()
[[1.0], [0.0]]
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.losses.functions import (
    binary_crossentropy,
    binary_focal_crossentropy,
    categorical_crossentropy,
    categorical_focal_crossentropy,
    categorical_generalized_cross_entropy,
    categorical_hinge,
    dice,
    hinge,
    huber,
    kl_divergence,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
    poisson,
    sparse_categorical_crossentropy,
    squared_hinge,
    tversky,
)
from fastconv.metrics import accuracy as _accuracy


def _float(values: Any) -> np.ndarray:
    return np.asarray(values, np.float32)


def binary_accuracy(y_true: Any, y_pred: Any, threshold: float = 0.5) -> np.ndarray:
    """1 where the prediction is on the side of `threshold` that the label, 0 or 1, gives, else 0.

    Args:
        y_true, y_pred: (batch, ...), of the same shape.
        threshold: predictions above it count as 1.

    Returns (batch, ...), float32. Raises ValueError for shapes that do not match.
    """
    return _float(_accuracy.BinaryAccuracy(threshold=threshold).values(y_true, y_pred))


def categorical_accuracy(y_true: Any, y_pred: Any) -> np.ndarray:
    """1 where the largest prediction has the index of the 1 in the one-hot label, else 0.

    Args:
        y_true, y_pred: (batch, ..., classes).

    Returns (batch, ...), float32. Raises ValueError for shapes that do not match.
    """
    return _float(_accuracy.CategoricalAccuracy().values(y_true, y_pred))


def sparse_categorical_accuracy(y_true: Any, y_pred: Any) -> np.ndarray:
    """1 where the largest prediction has the index that is the label, else 0.

    Args:
        y_true: (batch, ...) or (batch, ..., 1), class numbers.
        y_pred: (batch, ..., classes).

    Returns (batch, ...), float32. Raises ValueError for shapes that do not match.
    """
    return _float(_accuracy.SparseCategoricalAccuracy().values(y_true, y_pred))


def top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> np.ndarray:
    """1 where the class of the one-hot label is among the `k` largest predictions, else 0.

    Args:
        y_true, y_pred: (batch, ..., classes).
        k: at least 1.

    Returns (batch, ...), float32. Raises ValueError for shapes that do not match.
    """
    return _float(_accuracy.TopKCategoricalAccuracy(k).values(y_true, y_pred))


def sparse_top_k_categorical_accuracy(
    y_true: Any, y_pred: Any, k: int = 5, from_sorted_ids: bool = False
) -> np.ndarray:
    """1 where the label, a class number, is among the `k` largest predictions, else 0.

    Args:
        y_true: (batch, ...) or (batch, ..., 1), class numbers.
        y_pred: (batch, ..., classes); with `from_sorted_ids` class numbers, best first.
        k: at least 1.

    Returns (batch, ...), float32. Raises ValueError for shapes that do not match.
    """
    metric = _accuracy.SparseTopKCategoricalAccuracy(k, from_sorted_ids=from_sorted_ids)
    return _float(metric.values(y_true, y_pred))


__all__ = [
    "binary_accuracy",
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "categorical_accuracy",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "categorical_generalized_cross_entropy",
    "categorical_hinge",
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
    "sparse_categorical_accuracy",
    "sparse_categorical_crossentropy",
    "sparse_top_k_categorical_accuracy",
    "squared_hinge",
    "top_k_categorical_accuracy",
    "tversky",
]
