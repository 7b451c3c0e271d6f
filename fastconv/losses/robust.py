"""Losses against wrong labels and rare classes, in NumPy.

    CategoricalGeneralizedCrossEntropy   (1 - p^q) / q for the probability p of the label
    Tversky                              1 - t / (t + alpha f + beta g + 1e-7) with
                                         t = sum(y p), f = sum(y (1 - p)), g = sum((1 - y) p)
    Dice                                 1 - 2 t / (sum(y) + sum(p) + 1e-7)

y are the labels and p the predictions; the sums of the last two are over a whole batch.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv import ops
from fastconv.common.arguments import number
from fastconv.common.defaults import EPSILON
from fastconv.common.literals import Reduction
from fastconv.losses.base import Loss
from fastconv.losses.probabilistic import SparseCategoricalCrossentropy
from fastconv.plan import operations


class CategoricalGeneralizedCrossEntropy(SparseCategoricalCrossentropy):
    """(1 - p^q) / q, where p is the probability of the class `y_true`, a class number: between the
    cross-entropy (q near 0) and the absolute error (q near 1), and so less sensitive to wrong
    labels (Zhang & Sabuncu, arXiv 1805.07836).

    Args:
        q: above 0 and below 1.
        reduction, name, dtype: see `Loss`.

    Raises ValueError for a `q` out of range, TypeError if it is not a number.
    """

    settings: tuple[str, ...] = ("q",)

    def __init__(
        self,
        q: float = 0.5,
        reduction: Reduction | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | None = None,
    ):
        super().__init__(reduction=reduction, name=name, dtype=dtype)
        self.q: float = number(q, "q", 0, 1, above=True, below=True)

    def _operation(self, after_softmax, summed):
        return operations.Loss("custom", sparse=True, summed=summed, custom=self)

    def row_values(self, y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
        return (1 - _of_labels(y_true, y_pred) ** self.q) / self.q

    def row_gradients(self, y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
        gradient = np.zeros_like(y_pred)
        probability = np.maximum(_of_labels(y_true, y_pred), EPSILON)  # finite at 0
        gradient[np.arange(len(y_true)), y_true] = -(probability ** (self.q - 1))
        return gradient


def _of_labels(y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
    return y_pred[np.arange(len(y_true)), y_true].astype(np.float64)


class _WholeBatch(Loss):
    """A loss with one number per batch, which is the value of every row; traced for an `axis`, over
    which it takes the sums instead."""

    def __init__(self, axis: Any, reduction: Reduction | None, name: str | None, dtype: str | None):
        super().__init__(reduction, name, dtype)
        self.sum_axes: Any = tuple(axis) if isinstance(axis, list) else axis
        self.has_call = axis is not None

    def _operation(self, after_softmax, summed):
        # The mean and the sum of one number are this number.
        return operations.Loss("custom", custom=self)

    def value_and_gradient(
        self, y_true: Any, y_pred: Any, sample_weight: Any = None
    ) -> tuple[Any, np.ndarray]:
        _, values, gradient = self._compute(y_true, y_pred, sample_weight, mean=True)
        return float(values.flat[0]) if values.size else 0.0, gradient

    def mean_weights(self, weight: np.ndarray, targets: np.ndarray) -> np.ndarray:
        raise ValueError(f"{self.name!r} has one value per batch, so it takes no sample weights")

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"axis": self.sum_axes}


class Tversky(_WholeBatch):
    """1 - t / (t + alpha f + beta g), where t, f and g are sums over the batch: of y_true y_pred,
    of y_true (1 - y_pred), and of (1 - y_true) y_pred (Salehi et al., arXiv 1706.05721).

    Args:
        alpha, beta: weights of what is missing in the predictions, and of what is too much.
        reduction, name, dtype: see `Loss`; all means and sums are the same.
        axis: one axis or several that the sums are over; None for all.

    Without sample weights, unless `axis` leaves the samples apart. Raises TypeError for weights
    that are not numbers.

    >>> from fastconv import losses
    >>> round(losses.Tversky()([[1.0, 1.0, 0.0]], [[1.0, 0.0, 0.0]]), 4)
    0.3333
    """

    settings: tuple[str, ...] = ("alpha", "beta")
    smallest = EPSILON  # added to the divisor
    alpha: float
    beta: float

    def __init__(
        self,
        alpha: float = 0.5,
        beta: float = 0.5,
        reduction: Reduction | None = "sum_over_batch_size",
        name: str | None = None,
        axis: Any = None,
        dtype: str | None = None,
    ):
        super().__init__(axis, reduction, name, dtype)
        self.alpha, self.beta = number(alpha, "alpha"), number(beta, "beta")

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return tversky(y_true, y_pred, self.alpha, self.beta, self.sum_axes)

    def _parts(self, y_true: np.ndarray, y_pred: np.ndarray) -> tuple[float, float]:
        """Return t and the divisor, t + alpha f + beta g + `smallest`."""
        common = float((y_true * y_pred).sum(dtype=np.float64))
        missing = float(y_true.sum(dtype=np.float64)) - common
        excess = float(y_pred.sum(dtype=np.float64)) - common
        return common, common + self.alpha * missing + self.beta * excess + self.smallest

    def row_values(self, y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
        common, whole = self._parts(y_true, y_pred)
        return np.full(len(y_pred), 1 - common / whole)

    def row_gradients(self, y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
        common, whole = self._parts(y_true, y_pred)
        # Derivatives of `common` and of `whole`; the plan divides by the number of rows.
        inner = y_true * (1 - self.alpha) + (1 - y_true) * self.beta
        return (len(y_pred) * (common * inner - whole * y_true) / whole**2).astype(np.float32)


class Dice(Tversky):
    """1 - 2 sum(y_true y_pred) / (sum(y_true) + sum(y_pred)) over the batch: `Tversky` with both
    weights 1/2. Arguments: reduction, name, axis, dtype.
    """

    settings: tuple[str, ...] = ()
    smallest: float = EPSILON / 2

    def __init__(
        self,
        reduction: Reduction | None = "sum_over_batch_size",
        name: str | None = None,
        axis: Any = None,
        dtype: str | None = None,
    ):
        super().__init__(0.5, 0.5, reduction, name, axis, dtype)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return dice(y_true, y_pred, self.sum_axes)


def dice(y_true: Any, y_pred: Any, axis: Any = None) -> Any:
    """1 - 2 sum(y_true y_pred) / (sum(y_true) + sum(y_pred) + 1e-7), with sums over `axis`.

    Args:
        y_true, y_pred: arrays or tensors of one shape.
        axis: one axis or several; None for all, with one number as the result.

    >>> from fastconv import losses
    >>> losses.dice([[1.0, 1.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]], axis=1).round(4)
    array([0.3333, 0.    ], dtype=float32)
    """
    y_pred, y_true = _as_floats(y_pred, y_true)
    whole = ops.sum(y_true, axis) + ops.sum(y_pred, axis) + EPSILON
    return 1 - 2 * ops.sum(y_true * y_pred, axis) / whole


def tversky(
    y_true: Any, y_pred: Any, alpha: float = 0.5, beta: float = 0.5, axis: Any = None
) -> Any:
    """1 - t / (t + alpha f + beta g + 1e-7) with t = sum(y_true y_pred), f = sum(y_true (1 -
    y_pred)) and g = sum((1 - y_true) y_pred) over `axis`; the other arguments are those of `dice`.

    >>> from fastconv import losses
    >>> round(float(losses.tversky([1.0, 1.0, 0.0], [1.0, 0.0, 0.0])), 4)
    0.3333
    """
    y_pred, y_true = _as_floats(y_pred, y_true)
    common = ops.sum(y_true * y_pred, axis)
    missing = ops.sum((1 - y_pred) * y_true, axis)
    excess = ops.sum(y_pred * (1 - y_true), axis)
    return 1 - common / (common + missing * alpha + excess * beta + EPSILON)


def _as_floats(y_pred: Any, y_true: Any) -> tuple[Any, Any]:
    y_pred = ops.convert_to_tensor(y_pred)
    return y_pred, ops.cast(y_true, y_pred.dtype)
