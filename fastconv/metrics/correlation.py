"""Correlations of labels and predictions along an axis, the mean over all others."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.common.defaults import EPSILON
from fastconv.losses.base import axis_number
from fastconv.metrics.base import MeanOfPairs, same_rank


def pearson_correlation(y_true: Any, y_pred: Any, axis: int = -1) -> np.ndarray:
    """The covariance along `axis`, divided by both standard deviations; NaN if one is 0.

    Args:
        y_true, y_pred: (batch, ..., values), of the same shape.
        axis: that of the values.

    Returns float32, without that axis. Raises ValueError for shapes that do not match.

    >>> from fastconv import metrics
    >>> metrics.pearson_correlation([[0.0, 1, 2]], [[3.0, 2, 1]]).round(4)
    array([-1.], dtype=float32)
    """
    y_true, y_pred = _centred(y_true, y_pred, axis)[:2]
    with np.errstate(invalid="ignore", divide="ignore"):
        found = (y_true * y_pred).mean(axis) / (y_true.std(axis) * y_pred.std(axis))
    return found.astype(np.float32)


def concordance_correlation(y_true: Any, y_pred: Any, axis: int = -1) -> np.ndarray:
    """Twice the covariance along `axis`, divided by the sum of both variances and of the square of
    the difference of both means; arguments as `pearson_correlation`.

    As in Keras, 1e-7 is added to the divisor.
    """
    y_true, y_pred, difference = _centred(y_true, y_pred, axis)
    norm = (y_true**2 + y_pred**2).mean(axis) + np.squeeze(difference, axis) ** 2
    return (2 * (y_true * y_pred).mean(axis) / (norm + EPSILON)).astype(np.float32)


def _centred(y_true: Any, y_pred: Any, axis: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Both without their means along `axis`, and the difference of the means."""
    y_true, y_pred = same_rank(np.asarray(y_true, np.float64), np.asarray(y_pred, np.float64))
    if y_true.shape != y_pred.shape or not y_true.ndim:
        raise ValueError(
            f"`y_true` and `y_pred` must have the same shape, received {y_true.shape} and "
            f"{y_pred.shape}"
        )
    if not -y_pred.ndim <= axis < y_pred.ndim:
        raise ValueError(f"`axis` must be one of shape {y_pred.shape}, received {axis}")
    means = [values.mean(axis, keepdims=True) for values in (y_true, y_pred)]
    return y_true - means[0], y_pred - means[1], means[0] - means[1]


class _Correlation(MeanOfPairs):
    direction = "max"
    settings: tuple[str, ...] = ("axis",)

    def __init__(self, name: str | None = None, dtype: str | None = None, axis: int = -1):
        self.axis: int = axis_number(axis)
        super().__init__(name, dtype)


class PearsonCorrelation(_Correlation):
    """The mean of `metrics.pearson_correlation`. Arguments: name, dtype, axis (of the values)."""

    def values(self, y_true: Any, y_pred: Any) -> np.ndarray:
        return pearson_correlation(y_true, y_pred, self.axis)


class ConcordanceCorrelation(_Correlation):
    """The mean of `metrics.concordance_correlation`; arguments as `PearsonCorrelation`."""

    def values(self, y_true: Any, y_pred: Any) -> np.ndarray:
        return concordance_correlation(y_true, y_pred, self.axis)
