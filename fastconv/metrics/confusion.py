"""Metrics made of true and false positives and negatives at one or many thresholds.

A prediction is positive at a threshold if it is above it. One pass over a batch finds for every
prediction how many thresholds it exceeds; sums over these numbers, added up from the top, are the
positives at each threshold. So 200 thresholds cost no more than one.

Evenly spaced thresholds from 0 to 1, such as those of `AUC`, are found by multiplication and
rounding up in float32, as Keras does: at the thresholds themselves the two ways can differ.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastconv.common.arguments import normalize_int, one_of
from fastconv.common.defaults import EPSILON
from fastconv.losses import spread_weights
from fastconv.metrics.base import Metric, same_rank
from fastconv.state import array_of, real

_MOST_THRESHOLDS = 2**24
_NOT_IN_TOP_K = np.float32(-1e10)


class _Thresholds:
    """Counts at `thresholds`; `even` if they are i / (n - 1), the outer ones perhaps moved out."""

    def __init__(self, thresholds: Sequence[float], even: bool | None = None):
        self.values = np.asarray(thresholds, np.float32)
        count = len(self.values)
        if even is None:
            spaced = np.arange(count, dtype=np.float32) / max(1, count - 1)
            even = count >= 3 and np.allclose(self.values, spaced, atol=EPSILON)
        self._even = even
        self._order = np.argsort(self.values, kind="stable")

    def exceeded(self, y_pred: np.ndarray) -> np.ndarray:
        """How many of the sorted thresholds each prediction is above."""
        count = len(self.values)
        if not self._even:
            return np.searchsorted(self.values[self._order], y_pred, side="left")
        clipped = np.clip(y_pred, np.float32(0), np.float32(1))
        above = np.ceil(clipped * np.float32(count - 1)).astype(np.int64)
        return np.maximum(above, 1) if self.values[0] < 0 or self.values[-1] > 1 else above

    def positives(self, exceeded: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """The sums of `weight` over the predictions above each threshold."""
        sums = np.bincount(exceeded, weight, minlength=len(self.values) + 1)
        above = np.cumsum(sums[:0:-1])[::-1]
        unsorted = np.empty_like(above)
        unsorted[self._order] = above
        return unsorted


class _Counts(Metric):
    """What all of them gather: `_true` and `_false` positives, and all of either kind."""

    stateful: tuple[str, ...] = ("_true_positives", "_false_positives", "_positives", "_negatives")

    def _prepare(self, thresholds: _Thresholds) -> None:
        self._at = thresholds

    def reset_state(self) -> None:
        self._true_positives = self._false_positives = 0.0
        self._positives = self._negatives = 0.0

    def _by_threshold(self, count: Any) -> np.ndarray:
        shape = (len(self._at.values), *np.shape(self._positives))
        return np.broadcast_to(np.asarray(count, np.float32), shape).copy()

    @property
    def true_positives(self) -> np.ndarray:
        """How much label 1 is above each threshold so far, float32 (thresholds,); with
        `multi_label` (thresholds, labels)."""
        return self._by_threshold(self._true_positives)

    @property
    def false_positives(self) -> np.ndarray:
        """How much label 0 is above each threshold so far; see `true_positives`."""
        return self._by_threshold(self._false_positives)

    @property
    def true_negatives(self) -> np.ndarray:
        """How much label 0 is not above each threshold so far; see `true_positives`."""
        return self._by_threshold(self._negatives - self._false_positives)

    @property
    def false_negatives(self) -> np.ndarray:
        """How much label 1 is not above each threshold so far; see `true_positives`."""
        return self._by_threshold(self._positives - self._true_positives)

    outputs_axis: int = 1  # with `multi_label`

    def check_state(self, state: Any) -> None:
        super().check_state(state)
        what = f"the state of {self.name}"
        first = state["_true_positives"]
        if not isinstance(first, np.ndarray):  # nothing is counted yet
            for name, value in state.items():
                real(value, f"{what}: `{name}`")
            return
        labels = first.shape[1:]
        by_threshold = array_of((len(self._at.values), *labels[:1]), np.float64)
        for name in ("_true_positives", "_false_positives"):
            by_threshold(state[name], f"{what}: `{name}`")
        for name in ("_positives", "_negatives"):
            (array_of(labels, np.float64) if labels else real)(state[name], f"{what}: `{name}`")

    def _count(self, y_true: np.ndarray, y_pred: np.ndarray, weight: np.ndarray) -> None:
        exceeded = self._at.exceeded(y_pred)
        true = y_true.astype(bool)
        of_true, of_false = np.where(true, weight, 0.0), np.where(true, 0.0, weight)
        self._true_positives = self._true_positives + self._at.positives(exceeded, of_true)
        self._false_positives = self._false_positives + self._at.positives(exceeded, of_false)
        self._positives = self._positives + of_true.sum()
        self._negatives = self._negatives + of_false.sum()

    def _batch(
        self, y_true: Any, y_pred: Any, sample_weight: Any, top_k: int | None, class_id: int | None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Labels, predictions and weights of one shape, float32 predictions."""
        y_true, y_pred = same_rank(y_true, np.asarray(y_pred, np.float32))
        if y_true.shape != y_pred.shape:
            raise ValueError(
                f"{self.name} needs labels of the shape of the predictions, {y_pred.shape}, "
                f"received {y_true.shape}"
            )
        weight = _spread(sample_weight, y_pred.shape)
        if top_k is not None:
            best = np.argsort(-y_pred, axis=-1, kind="stable")[..., :top_k]
            kept = np.full_like(y_pred, _NOT_IN_TOP_K)
            np.put_along_axis(kept, best, np.take_along_axis(y_pred, best, -1), -1)
            y_pred = kept
        if class_id is not None:
            if y_pred.ndim < 2 or class_id >= y_pred.shape[-1]:
                raise ValueError(
                    f"`class_id` {class_id} needs predictions of more classes, "
                    f"received shape {y_pred.shape}"
                )
            y_true, y_pred, weight = (a[..., class_id] for a in (y_true, y_pred, weight))
        return y_true, y_pred, weight


class _Thresholded(_Counts):
    """The metrics with Keras's `thresholds` argument: one number, a list, or None for .5."""

    settings: tuple[str, ...] = ("thresholds",)
    top_k: int | None = None
    class_id: int | None = None

    def __init__(self, thresholds: Any, name: str | None, dtype: str | None):
        self.thresholds = thresholds
        default = float(_NOT_IN_TOP_K) if self.top_k is not None else 0.5
        several = default if thresholds is None else thresholds
        several = list(several) if isinstance(several, (list, tuple)) else [several]
        if thresholds is not None and not all(0 <= threshold <= 1 for threshold in several):
            raise ValueError(f"`thresholds` must be from 0 to 1, received {thresholds!r}")
        self._prepare(_Thresholds(several))
        super().__init__(name, dtype)

    @property
    def scalar(self) -> bool:
        return len(self._at.values) == 1

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        batch = self._batch(y_true, y_pred, sample_weight, self.top_k, self.class_id)
        self._count(*(array.reshape(-1) for array in batch))

    def result(self) -> Any:
        value = np.broadcast_to(self._value(), self._at.values.shape)
        return float(value[0]) if self.scalar else value.copy()

    @abstractmethod
    def _value(self) -> Any:
        """A number per threshold, or one for all."""


class TruePositives(_Thresholded):
    """How much label 1 is predicted as 1. Arguments: thresholds, name, dtype."""

    def __init__(self, thresholds: Any = None, name: str | None = None, dtype: str | None = None):
        super().__init__(thresholds, name, dtype)

    def _value(self):
        return self._true_positives


class FalsePositives(TruePositives):
    """How much label 0 is predicted as 1. Arguments: thresholds, name, dtype."""

    def _value(self):
        return self._false_positives


class TrueNegatives(TruePositives):
    """How much label 0 is predicted as 0. Arguments: thresholds, name, dtype."""

    def _value(self):
        return self._negatives - self._false_positives


class FalseNegatives(TruePositives):
    """How much label 1 is predicted as 0. Arguments: thresholds, name, dtype."""

    def _value(self):
        return self._positives - self._true_positives


class Precision(_Thresholded):
    """The fraction of predictions of 1 whose label is 1.

    Args:
        thresholds: one number or a list, from 0 to 1; a list gives an array.
        top_k: of the predictions of a sample only the `top_k` largest can be positive.
        class_id: look at this class only.
        name, dtype: see `Metric`.
    """

    settings: tuple[str, ...] = ("thresholds", "top_k", "class_id")

    def __init__(
        self,
        thresholds: Any = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str | None = None,
        dtype: str | None = None,
    ):
        self.top_k: int | None = None if top_k is None else normalize_int(top_k, "top_k")
        self.class_id: int | None = (
            None if class_id is None else normalize_int(class_id, "class_id", minimum=0)
        )
        super().__init__(thresholds, name, dtype)

    def _value(self):
        return _ratio(self._true_positives, self._true_positives + self._false_positives)


class Recall(Precision):
    """The fraction of labels of 1 that are predicted as 1; arguments as `Precision`."""

    def _value(self):
        return _ratio(self._true_positives, self._positives)


class AUC(_Counts):
    """The area under the curve of true against false positives, or of precision against recall.

    Args:
        num_thresholds: how many thresholds the curve is made of, evenly spaced; at most 2^24.
        curve: "ROC"; "PR" for precision and recall; "PRGAIN" for their gains over a classifier
            that always predicts 1 (Flach & Kull, NeurIPS 2015).
        summation_method: "interpolation", or rectangles of the smaller ("minoring") or larger
            ("majoring") height. For "PR" the interpolation is that of Davis & Goadrich, ICML 2006.
        name, dtype: see `Metric`.
        thresholds: to use instead, without the two ends.
        multi_label: the mean of one area per label, predictions (samples, labels).
        num_labels: not needed; must fit if given with `multi_label`.
        label_weights: with `multi_label` a weight per area, otherwise per prediction.
        from_logits: apply a sigmoid to the predictions first.
    """

    settings: tuple[str, ...] = (
        "num_thresholds", "curve", "summation_method", "multi_label", "num_labels",
        "label_weights", "from_logits",
    )  # fmt: skip
    curve: str
    summation_method: str
    multi_label: bool
    num_labels: int | None

    def __init__(
        self,
        num_thresholds: int = 200,
        curve: str = "ROC",
        summation_method: str = "interpolation",
        name: str | None = None,
        dtype: str | None = None,
        thresholds: Sequence[float] | None = None,
        multi_label: bool = False,
        num_labels: int | None = None,
        label_weights: Sequence[float] | None = None,
        from_logits: bool = False,
    ):
        one_of(str(curve).upper(), "curve", ("ROC", "PR", "PRGAIN"))
        one_of(summation_method, "summation_method", ("interpolation", "minoring", "majoring"))
        if num_labels is not None and not multi_label:
            raise ValueError("`num_labels` is for `multi_label` only")
        self.curve, self.summation_method = str(curve).upper(), summation_method
        self._inner, even = thresholds, None
        if thresholds is None:
            count = normalize_int(num_thresholds, "num_thresholds", minimum=2)
            if count > _MOST_THRESHOLDS:
                raise ValueError(
                    f"`num_thresholds` must be at most {_MOST_THRESHOLDS}, beyond which they are "
                    f"closer than numbers of float32, received {num_thresholds!r}"
                )
            inner, even = [(i + 1) / (count - 1) for i in range(count - 2)], True
        else:
            inner = sorted(thresholds)
            if any(not 0 <= threshold <= 1 for threshold in inner):
                raise ValueError(f"`thresholds` must be from 0 to 1, received {thresholds!r}")
            spaced = np.arange(len(inner) + 2) / (len(inner) + 1)
            even = bool(inner) and np.allclose([0, *inner, 1], spaced, atol=EPSILON)
        self._prepare(_Thresholds([-EPSILON, *inner, 1 + EPSILON], even))
        self.num_thresholds: int = len(inner) + 2
        self.multi_label, self.num_labels = bool(multi_label), num_labels
        self.label_weights: list[float] | None = (
            None if label_weights is None else [float(w) for w in label_weights]
        )
        self.from_logits: bool = bool(from_logits)
        super().__init__(name, dtype)

    @property
    def thresholds(self) -> list[float]:
        """The thresholds of the curve, with both ends."""
        return self._at.values.tolist()

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        if self.from_logits:
            y_pred = 1 / (1 + np.exp(-np.asarray(y_pred, np.float32)))
        y_true, y_pred, weight = self._batch(y_true, y_pred, sample_weight, None, None)
        if not self.multi_label:
            if self.label_weights is not None:
                weight = weight * np.asarray(self.label_weights)
            self._count(y_true.reshape(-1), y_pred.reshape(-1), weight.reshape(-1))
            return
        if y_pred.ndim != 2 or self.num_labels not in (None, y_pred.shape[-1]):
            raise ValueError(
                f"`multi_label` needs predictions (samples, {self.num_labels or 'labels'}), "
                f"received shape {y_pred.shape}"
            )
        before = [getattr(self, name) for name in self.stateful]
        columns = []
        for label in range(y_pred.shape[-1]):
            self.reset_state()
            self._count(y_true[:, label], y_pred[:, label], weight[:, label])
            columns.append([getattr(self, name) for name in self.stateful])
        for name, old, parts in zip(self.stateful, before, zip(*columns, strict=True), strict=True):
            setattr(self, name, old + np.stack(parts, axis=-1))

    def result(self) -> Any:
        if np.ndim(self._true_positives) == 0:
            return 0.0
        areas = self._areas().sum(axis=0)
        if not self.multi_label:
            return float(areas)
        return float(np.average(areas, weights=self.label_weights))

    def _areas(self) -> np.ndarray:
        """The area between each pair of neighbouring thresholds."""
        true, false = np.asarray(self._true_positives), np.asarray(self._false_positives)
        recall = _ratio(true, self._positives)
        if self.curve == "PR" and self.summation_method == "interpolation":
            return self._interpolated_precision(true, true + false)
        x, y = _ratio(false, self._negatives), recall
        if self.curve == "PR":
            x, y = recall, _ratio(true, true + false)
        elif self.curve == "PRGAIN":
            x, y = self._gains(true, false)
        heights = {
            "interpolation": (y[:-1] + y[1:]) / 2,
            "minoring": np.minimum(y[:-1], y[1:]),
            "majoring": np.maximum(y[:-1], y[1:]),
        }
        return (x[:-1] - x[1:]) * heights[self.summation_method]

    def _gains(self, true: np.ndarray, false: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The gains of recall, at least 0, and of precision; 0 and 1 without true positives."""
        odds = _ratio(self._positives, self._negatives)
        of_recall = 1 - odds * _ratio(np.asarray(self._positives) - true, true)
        of_precision = 1 - odds * _ratio(false, true)
        return np.maximum(np.where(true == 0, 0, of_recall), 0), np.where(
            true == 0, 1, of_precision
        )

    def _interpolated_precision(self, true: np.ndarray, positive: np.ndarray) -> np.ndarray:
        """Between two points true positives are linear in all positives; precision is not."""
        steps = true[:-1] - true[1:]
        slope = _ratio(steps, np.maximum(positive[:-1] - positive[1:], 0))
        intercept = true[1:] - slope * positive[1:]
        both = (positive[:-1] > 0) & (positive[1:] > 0)
        growth = np.where(both, _ratio(positive[:-1], positive[1:]), 1.0)
        return _ratio(slope * (steps + intercept * np.log(growth)), self._positives)

    def get_config(self) -> dict[str, Any]:
        thresholds = {} if self._inner is None else {"thresholds": [*self._inner]}
        return super().get_config() | thresholds


class ConfusionMatrix(Metric):
    """How often each class (row) is predicted as each class (column); beyond Keras.

    Args:
        num_classes: at least 2.
        name, dtype: see `Metric`.

    Labels are class numbers or one-hot, predictions (samples, ..., classes) are scores. The result
    is an array, so a model cannot report it.

    >>> from fastconv import metrics
    >>> matrix = metrics.ConfusionMatrix(2)
    >>> matrix.update_state([0, 0, 1], [[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]])
    >>> matrix.result()
    array([[1., 1.],
           [0., 1.]])
    """

    settings: tuple[str, ...] = ("num_classes",)
    stateful: tuple[str, ...] = ("_matrix",)

    def __init__(self, num_classes: int, name: str | None = None, dtype: str | None = None):
        self.num_classes: int = normalize_int(num_classes, "num_classes", minimum=2)
        super().__init__(name, dtype)

    @property
    def scalar(self) -> bool:
        return False

    def reset_state(self) -> None:
        self._matrix = np.zeros((self.num_classes, self.num_classes))

    def check_state(self, state: Any) -> None:
        super().check_state(state)
        matrix = array_of((self.num_classes, self.num_classes), np.float64)
        matrix(state["_matrix"], f"the state of {self.name}: `_matrix`")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        y_true, y_pred = np.asarray(y_true), np.asarray(y_pred)
        if y_pred.ndim < 2 or y_pred.shape[-1] != self.num_classes:
            raise ValueError(
                f"{self.name} needs predictions (samples, {self.num_classes}), "
                f"received shape {y_pred.shape}"
            )
        if y_true.ndim == y_pred.ndim:
            y_true = y_true.argmax(axis=-1) if y_true.shape[-1] > 1 else y_true[..., 0]
        if y_true.shape != y_pred.shape[:-1]:
            raise ValueError(
                f"{self.name} of predictions of shape {y_pred.shape} needs labels of shape "
                f"{y_pred.shape[:-1]}, received {y_true.shape}"
            )
        if y_true.size and not 0 <= y_true.min() <= y_true.max() < self.num_classes:
            raise ValueError(f"labels must be from 0 to {self.num_classes - 1}")
        weight = _spread(sample_weight, y_true.shape)
        where = (y_true.reshape(-1).astype(np.int64), y_pred.argmax(axis=-1).reshape(-1))
        np.add.at(self._matrix, where, weight.reshape(-1))

    def result(self) -> Any:
        return self._matrix.copy()


def _spread(sample_weight: Any, shape: tuple[int, ...]) -> np.ndarray:
    """One float64 weight per element of `shape`, 1 for None."""
    if sample_weight is None:
        return np.ones(shape)
    return spread_weights(np.asarray(sample_weight, np.float64), shape)


def _ratio(part: Any, whole: Any) -> np.ndarray:
    """part / whole, 0 where that is 0 / 0 or x / 0."""
    part, whole = np.broadcast_arrays(np.asarray(part, np.float64), whole)
    return np.divide(part, whole, out=np.zeros(part.shape), where=whole != 0)
