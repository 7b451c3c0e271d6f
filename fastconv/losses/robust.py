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

from fastconv.common.arguments import number
from fastconv.common.defaults import EPSILON
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
        reduction: str | None = "sum_over_batch_size",
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
    """A loss with one number per batch, which is the value of every row."""

    def __init__(self, axis: None, reduction: str | None, name: str | None, dtype: str | None):
        super().__init__(reduction, name, dtype)
        if axis is not None:
            raise ValueError(
                f"`axis` of {type(self).__name__} must be None, the whole batch, received {axis!r}"
            )

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
        return super().get_config() | {"axis": None}


class Tversky(_WholeBatch):
    """1 - t / (t + alpha f + beta g), where t, f and g are sums over the batch: of y_true y_pred,
    of y_true (1 - y_pred), and of (1 - y_true) y_pred (Salehi et al., arXiv 1706.05721).

    Args:
        alpha, beta: weights of what is missing in the predictions, and of what is too much.
        reduction, name, dtype: see `Loss`; all means and sums are the same.
        axis: must be None.

    Without sample weights. Raises ValueError for an `axis`, TypeError for weights that are not
    numbers.

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
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        axis: None = None,
        dtype: str | None = None,
    ):
        super().__init__(axis, reduction, name, dtype)
        self.alpha, self.beta = number(alpha, "alpha"), number(beta, "beta")

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
    weights 1/2. Arguments: reduction, name, axis (None), dtype.
    """

    settings: tuple[str, ...] = ()
    smallest: float = EPSILON / 2

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        axis: None = None,
        dtype: str | None = None,
    ):
        super().__init__(0.5, 0.5, reduction, name, axis, dtype)
