"""Intersection over union, the metric of segmentation.

For one class it is

    true positives / (true positives + false positives + false negatives)

over all pixels; several classes have the mean over those that occur in labels or predictions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastconv.common.arguments import normalize_int, number
from fastconv.common.arrays import real_array
from fastconv.losses import spread_weights
from fastconv.metrics.base import Metric
from fastconv.state import array_of

_DTYPES = (None, "float32", "int", "int32", "int64")


class IoU(Metric):
    """The mean intersection over union of some classes.

    Args:
        num_classes: number of classes.
        target_class_ids: the classes whose mean is the result.
        name: see `Metric`.
        dtype: None, "float32" or an integer type, which all mean the same: weights are not rounded.
        ignore_class: label of elements that do not count; None for none.
        sparse_y_true, sparse_y_pred: whether labels and predictions are class numbers; otherwise
            the class is the index of the largest value along `axis`.
        axis: see above.

    Elements with a label or a prediction that is not one of the classes do not count. Labels and
    predictions have equal shapes, apart from `axis`.

    Raises ValueError for a class that does not exist, TypeError for what is not an integer.

    >>> from fastconv import metrics
    >>> metric = metrics.IoU(num_classes=2, target_class_ids=[0])
    >>> metric.update_state([0, 0, 1, 1], [0, 1, 0, 1])
    >>> round(metric.result(), 4)
    0.3333
    """

    settings: tuple[str, ...] = (
        "num_classes", "target_class_ids", "ignore_class", "sparse_y_true", "sparse_y_pred", "axis"
    )  # fmt: skip
    stateful: tuple[str, ...] = ("_matrix",)
    sparse_y_true: bool
    sparse_y_pred: bool

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str | None = None,
        dtype: str | None = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ):
        if dtype not in _DTYPES:
            raise ValueError(f"`dtype` must be one of {_DTYPES}, received {dtype!r}")
        self.num_classes: int = normalize_int(num_classes, "num_classes")
        self.target_class_ids: list[int] = [
            normalize_int(each, "target_class_ids", minimum=0) for each in target_class_ids
        ]
        if not self.target_class_ids or max(self.target_class_ids) >= self.num_classes:
            raise ValueError(
                f"`target_class_ids` must be from 0 to {self.num_classes - 1}, at least one, "
                f"received {list(target_class_ids)}"
            )
        self.ignore_class: int | None = None
        if ignore_class is not None:
            self.ignore_class = normalize_int(ignore_class, "ignore_class", minimum=-(2**62))
        self.sparse_y_true, self.sparse_y_pred = bool(sparse_y_true), bool(sparse_y_pred)
        self.axis: int = normalize_int(axis, "axis", minimum=-64)
        super().__init__(name)

    @property
    def _targets(self) -> Any:
        """The index of the classes whose mean is the result."""
        return self.target_class_ids

    def reset_state(self) -> None:
        self._matrix = np.zeros((self.num_classes, self.num_classes))

    def check_state(self, state: Any) -> None:
        super().check_state(state)
        matrix = array_of((self.num_classes, self.num_classes), np.float64)
        matrix(state["_matrix"], f"the state of {self.name}: `_matrix`")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        labels = self._classes(real_array(y_true, "`y_true`"), self.sparse_y_true)
        found = self._classes(real_array(y_pred, "`y_pred`"), self.sparse_y_pred)
        if labels.size != found.size:
            raise ValueError(
                f"{self.name} needs as many labels as predictions, received shapes "
                f"{np.shape(y_true)} and {np.shape(y_pred)}"
            )
        weights = np.ones(labels.shape)
        if sample_weight is not None:
            weights = spread_weights(np.asarray(sample_weight, np.float64), labels.shape)
        labels, found, weights = (each.reshape(-1) for each in (labels, found, weights))
        counts = (labels >= 0) & (labels < self.num_classes)
        counts &= (found >= 0) & (found < self.num_classes)
        if self.ignore_class is not None:
            counts &= labels != self.ignore_class
        pairs = labels[counts] * self.num_classes + found[counts]
        sums = np.bincount(pairs, weights[counts], self.num_classes**2)
        self._matrix += sums.reshape(self._matrix.shape)

    def _classes(self, values: np.ndarray, sparse: bool) -> np.ndarray:
        if sparse:
            return values.astype(np.int64)
        if not -values.ndim <= self.axis < values.ndim:
            raise ValueError(
                f"{self.name} needs an axis {self.axis} of classes, received shape {values.shape}"
            )
        return values.argmax(axis=self.axis)

    def result(self) -> float:
        hits = np.diag(self._matrix)
        union = self._matrix.sum(axis=0) + self._matrix.sum(axis=1) - hits
        hits, union = hits[self._targets], union[self._targets]
        occur = union > 0
        return float((hits[occur] / union[occur]).mean()) if occur.any() else 0.0


class MeanIoU(IoU):
    """The mean intersection over union of all classes; otherwise as `IoU`.

    >>> from fastconv import metrics
    >>> metric = metrics.MeanIoU(num_classes=2)
    >>> metric.update_state([0, 0, 1, 1], [0, 1, 0, 1])
    >>> round(metric.result(), 4)
    0.3333
    """

    default_name: str = "mean_io_u"
    settings: tuple[str, ...] = (
        "num_classes",
        "ignore_class",
        "sparse_y_true",
        "sparse_y_pred",
        "axis",
    )

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: str | None = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ):
        super().__init__(
            num_classes, [0], name, dtype, ignore_class, sparse_y_true, sparse_y_pred, axis
        )

    @property
    def _targets(self):
        return slice(None)


class BinaryIoU(IoU):
    """The intersection over union of two classes, of which predictions are the probability of 1.

    Args:
        target_class_ids: [0], [1] or both.
        threshold: predictions of at least this are class 1.
        name, dtype: see `IoU`.

    >>> from fastconv import metrics
    >>> metric = metrics.BinaryIoU(target_class_ids=[0, 1], threshold=0.3)
    >>> metric.update_state([0, 1, 0, 1], [0.1, 0.2, 0.4, 0.7])
    >>> round(metric.result(), 4)
    0.3333
    """

    default_name: str = "binary_io_u"
    settings: tuple[str, ...] = ("target_class_ids", "threshold")

    def __init__(
        self,
        target_class_ids: Sequence[int] = (0, 1),
        threshold: float = 0.5,
        name: str | None = None,
        dtype: str | None = None,
    ):
        self.threshold: float = number(threshold, "threshold")
        super().__init__(2, target_class_ids, name, dtype)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        above = real_array(y_pred, "`y_pred`") >= self.threshold
        super().update_state(y_true, above.astype(np.int64), sample_weight)


class OneHotIoU(IoU):
    """The mean intersection over union of some classes for one-hot labels; as `IoU`.

    `sparse_y_pred`: whether predictions are class numbers; by default they are scores.
    """

    default_name: str = "one_hot_io_u"
    settings: tuple[str, ...] = (
        "num_classes",
        "target_class_ids",
        "ignore_class",
        "sparse_y_pred",
        "axis",
    )

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str | None = None,
        dtype: str | None = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ):
        super().__init__(
            num_classes, target_class_ids, name, dtype, ignore_class, False, sparse_y_pred, axis
        )


class OneHotMeanIoU(MeanIoU):
    """The mean intersection over union of all classes for one-hot labels; as `OneHotIoU`."""

    default_name: str = "one_hot_mean_io_u"
    settings: tuple[str, ...] = ("num_classes", "ignore_class", "sparse_y_pred", "axis")

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: str | None = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ):
        super().__init__(num_classes, name, dtype, ignore_class, False, sparse_y_pred, axis)
