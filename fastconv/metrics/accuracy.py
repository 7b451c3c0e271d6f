"""How often predictions are right."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.common.arguments import normalize_int
from fastconv.losses.base import fitting_rank
from fastconv.metrics.base import MeanOfPairs, same_rank


class _Accuracy(MeanOfPairs):
    direction = "max"

    def _check(self, y_true: np.ndarray, y_pred: np.ndarray, wanted: tuple[int, ...]) -> None:
        if y_true.shape != wanted:
            raise ValueError(
                f"{self.name} of predictions of shape {y_pred.shape} needs labels of shape "
                f"{wanted}, received {y_true.shape}"
            )


class Accuracy(_Accuracy):
    """How often a prediction equals its label."""

    def values(self, y_true: Any, y_pred: Any) -> np.ndarray:
        y_true, y_pred = same_rank(y_true, y_pred)
        self._check(y_true, y_pred, y_pred.shape)
        return y_true == y_pred


class BinaryAccuracy(_Accuracy):
    """How often a prediction is on the side of `threshold` that the label, 0 or 1, says.

    Args:
        name, dtype: see `Metric`.
        threshold: predictions above it count as 1.
    """

    settings: tuple[str, ...] = ("threshold",)

    def __init__(self, name: str | None = None, dtype: str | None = None, threshold: float = 0.5):
        super().__init__(name, dtype)
        self.threshold: float = float(threshold)

    def values(self, y_true: Any, y_pred: Any) -> np.ndarray:
        y_true, y_pred = same_rank(y_true, y_pred)
        self._check(y_true, y_pred, y_pred.shape)
        return y_true == (y_pred > self.threshold)


class CategoricalAccuracy(_Accuracy):
    """How often the largest prediction is where the one-hot label has its 1."""

    def values(self, y_true: Any, y_pred: Any) -> np.ndarray:
        y_true, y_pred = _one_hot(y_true, y_pred)
        self._check(y_true, y_pred, y_pred.shape)
        return y_true.argmax(axis=-1) == y_pred.argmax(axis=-1)


class SparseCategoricalAccuracy(_Accuracy):
    """How often the largest prediction is at the class number."""

    def values(self, y_true: Any, y_pred: Any) -> np.ndarray:
        y_true, y_pred = _labels(y_true, y_pred)
        self._check(y_true, y_pred, y_pred.shape[:-1])
        return y_true == y_pred.argmax(axis=-1)


class TopKCategoricalAccuracy(_Accuracy):
    """How often the class of the one-hot label is among the `k` largest predictions.

    Predictions that are equal are all among them; none is, if one is not finite.

    Args:
        k: at least 1.
        name, dtype: see `Metric`.
    """

    settings: tuple[str, ...] = ("k",)

    def __init__(self, k: int = 5, name: str | None = None, dtype: str | None = None):
        self.k: int = normalize_int(k, "k")
        super().__init__(name, dtype)

    def values(self, y_true: Any, y_pred: Any) -> np.ndarray:
        y_true, y_pred = _one_hot(y_true, y_pred)
        self._check(y_true, y_pred, y_pred.shape)
        return _in_top_k(y_true.argmax(axis=-1), y_pred, self.k)


class SparseTopKCategoricalAccuracy(TopKCategoricalAccuracy):
    """How often the class number is among the `k` largest predictions, as above.

    Args:
        k, name, dtype: see `TopKCategoricalAccuracy`.
        from_sorted_ids: predictions are class numbers, best first, instead of scores.
    """

    def __init__(
        self,
        k: int = 5,
        name: str | None = None,
        dtype: str | None = None,
        from_sorted_ids: bool = False,
    ):
        super().__init__(k, name, dtype)
        self.from_sorted_ids: bool = bool(from_sorted_ids)

    def values(self, y_true: Any, y_pred: Any) -> np.ndarray:
        y_true, y_pred = _labels(y_true, y_pred)
        self._check(y_true, y_pred, y_pred.shape[:-1])
        if self.from_sorted_ids:
            return (y_pred[..., : self.k] == y_true[..., None]).any(axis=-1)
        return _in_top_k(y_true.astype(np.int64), y_pred, self.k)

    def get_config(self) -> dict[str, Any]:
        sorted_ids = {"from_sorted_ids": True} if self.from_sorted_ids else {}
        return super().get_config() | sorted_ids


def _one_hot(y_true: Any, y_pred: Any) -> tuple[np.ndarray, np.ndarray]:
    """Labels and predictions as arrays; ValueError for a single number."""
    y_true, y_pred = np.asarray(y_true), np.asarray(y_pred)
    if not y_pred.ndim:
        raise ValueError(f"predictions must have at least one axis, received shape {y_pred.shape}")
    return fitting_rank(y_true, y_pred.ndim), y_pred


def _labels(y_true: Any, y_pred: Any) -> tuple[np.ndarray, np.ndarray]:
    """Class numbers without a last axis of 1, and the predictions."""
    y_true, y_pred = _one_hot(y_true, y_pred)
    if y_true.ndim == y_pred.ndim and y_true.shape[-1] == 1:
        y_true = y_true[..., 0]
    return y_true, y_pred


def _in_top_k(labels: np.ndarray, y_pred: np.ndarray, k: int) -> np.ndarray:
    valid = (labels >= 0) & (labels < y_pred.shape[-1])
    own = np.take_along_axis(y_pred, np.where(valid, labels, 0)[..., None], axis=-1)
    more = (y_pred > own).sum(axis=-1)
    return valid & (more < k) & np.isfinite(y_pred).all(axis=-1)
