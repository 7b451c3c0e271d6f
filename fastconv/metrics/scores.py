"""Scores that are not a mean over samples."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from fastconv.common.arguments import normalize_int, number, one_of
from fastconv.common.defaults import EPSILON
from fastconv.losses import spread_weights
from fastconv.metrics.base import Mean, MeanOfPairs, Metric, same_rank
from fastconv.state import real


class RootMeanSquaredError(MeanOfPairs):
    """The root of the mean of (y_pred - y_true)^2."""

    def values(self, y_true: Any, y_pred: Any) -> np.ndarray:
        y_true, y_pred = same_rank(y_true, y_pred)
        if y_true.shape == y_pred.shape[:-1] and y_pred.ndim:
            y_true = y_true[..., None]
        if y_true.shape not in (y_pred.shape, (*y_pred.shape[:-1], 1)):
            raise ValueError(
                f"{self.name} needs labels of the shape of the predictions, {y_pred.shape}, "
                f"received {y_true.shape}"
            )
        return np.square(y_pred.astype(np.float64) - y_true.astype(np.float64))

    def result(self) -> Any:
        return math.sqrt(Mean.result(self))


class _ByClass(Metric):
    """Sums per column of two-dimensional labels and predictions."""

    outputs_axis: int = 0

    def reset_state(self) -> None:
        for name in self.stateful:
            setattr(self, name, 0.0)

    def check_state(self, state: Any) -> None:
        super().check_state(state)
        values = [state[name] for name in self.stateful]
        shapes = {value.shape for value in values if isinstance(value, np.ndarray)}
        for name, value in state.items():
            if not isinstance(value, np.ndarray):
                real(value, f"the state of {self.name}: `{name}`")
            elif len(shapes) > 1 or value.ndim != 1 or value.dtype != np.float64:
                raise ValueError(
                    f"the state of {self.name}: `{name}` must be a number or a float64 array of "
                    f"one axis, as all others, received {value.dtype} of shape {value.shape}"
                )

    def _pair(self, y_true: Any, y_pred: Any, sample_weight: Any) -> tuple[np.ndarray, ...]:
        y_true, y_pred = same_rank(np.asarray(y_true, np.float64), np.asarray(y_pred, np.float64))
        if y_pred.ndim != 2 or y_true.shape != y_pred.shape:
            raise ValueError(
                f"{self.name} needs labels and predictions (samples, outputs), "
                f"received shapes {y_true.shape} and {y_pred.shape}"
            )
        weight = np.ones(()) if sample_weight is None else np.asarray(sample_weight, np.float64)
        return y_true, y_pred, spread_weights(weight, y_pred.shape)


class FBetaScore(_ByClass):
    """(1 + beta^2) precision recall / (beta^2 precision + recall).

    Args:
        average: None for an array of one score per class; "micro" to count all classes together;
            "macro" for the mean over the classes; "weighted" for their mean weighted by how often
            they occur.
        beta: above 1 stresses the recall, below 1 the precision.
        threshold: predictions above it are positive; None: the largest of each sample.
        name, dtype: see `Metric`.
    """

    default_name: str = "fbeta_score"
    settings: tuple[str, ...] = ("average", "beta", "threshold")
    stateful: tuple[str, ...] = (
        "_true_positives",
        "_false_positives",
        "_false_negatives",
        "_occurrences",
    )
    _true_positives: float | np.ndarray
    _false_positives: float | np.ndarray
    _false_negatives: float | np.ndarray
    _occurrences: float | np.ndarray
    average: str | None
    beta: float

    def __init__(
        self,
        average: str | None = None,
        beta: float = 1.0,
        threshold: float | None = None,
        name: str | None = None,
        dtype: str | None = None,
    ):
        one_of(average, "average", (None, "micro", "macro", "weighted"))
        self.average, self.beta = average, number(beta, "beta", 0)
        if not self.beta:
            raise ValueError(f"`beta` must be above 0, received {beta!r}")
        self.threshold: float | None = (
            None if threshold is None else number(threshold, "threshold", 0, 1)
        )
        super().__init__(name, dtype)

    @property
    def scalar(self) -> bool:
        return self.average is not None

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        y_true, y_pred, weight = self._pair(y_true, y_pred, sample_weight)
        if self.threshold is None:
            largest = y_pred.max(axis=-1, keepdims=True)
            positive = (y_pred >= largest) & (np.abs(y_pred) > 1e-9)  # a row of zeros has none
        else:
            positive = y_pred > np.float32(self.threshold)
        axis = None if self.average == "micro" else 0
        for name, values in {
            "_true_positives": positive * y_true,
            "_false_positives": positive * (1 - y_true),
            "_false_negatives": ~positive * y_true,
            "_occurrences": y_true,
        }.items():
            setattr(self, name, getattr(self, name) + (values * weight).sum(axis=axis))

    def result(self) -> Any:
        true = np.asarray(self._true_positives, np.float64)
        precision = true / (true + self._false_positives + EPSILON)
        recall = true / (true + self._false_negatives + EPSILON)
        squared = self.beta**2
        score = (1 + squared) * precision * recall / (squared * precision + recall + EPSILON)
        if self.average is None:
            return score
        if self.average == "weighted":
            shares = self._occurrences / (np.sum(self._occurrences) + EPSILON)
            return float(np.sum(score * shares))
        return float(np.mean(score))


class F1Score(FBetaScore):
    """The harmonic mean of precision and recall: `FBetaScore` with beta 1, other arguments as
    there."""

    default_name: str = "f1_score"
    settings: tuple[str, ...] = ("average", "threshold")

    def __init__(
        self,
        average: str | None = None,
        threshold: float | None = None,
        name: str | None = None,
        dtype: str | None = None,
    ):
        super().__init__(average, 1.0, threshold, name, dtype)


class R2Score(_ByClass):
    """1 - (squared error) / (variance of the labels), predictions (samples, outputs).

    Args:
        class_aggregation: "uniform_average" over the outputs, "variance_weighted_average", or None
            for an array.
        num_regressors: number p of inputs for which the score of n samples is adjusted, to
            1 - (1 - score) (n - 1) / (n - p - 1); 0 for none. Keras takes the number of values,
            samples times outputs, for n.
        name, dtype: see `Metric`.
    """

    default_name: str = "r2_score"
    settings: tuple[str, ...] = ("class_aggregation", "num_regressors")
    stateful: tuple[str, ...] = ("_sum", "_squares", "_residual", "_weight", "_samples")

    def __init__(
        self,
        class_aggregation: str | None = "uniform_average",
        num_regressors: int = 0,
        name: str | None = None,
        dtype: str | None = None,
    ):
        known = (None, "uniform_average", "variance_weighted_average")
        one_of(class_aggregation, "class_aggregation", known)
        self.class_aggregation = class_aggregation
        self.num_regressors: int = normalize_int(num_regressors, "num_regressors", minimum=0)
        super().__init__(name, dtype)

    @property
    def scalar(self) -> bool:
        return self.class_aggregation is not None

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        y_true, y_pred, weight = self._pair(y_true, y_pred, sample_weight)
        self._sum = self._sum + (y_true * weight).sum(axis=0)
        self._squares = self._squares + (y_true**2 * weight).sum(axis=0)
        self._residual = self._residual + ((y_true - y_pred) ** 2 * weight).sum(axis=0)
        self._weight = self._weight + weight.sum(axis=0)
        self._samples += len(y_true)

    def result(self) -> Any:
        if not self._samples:
            return 0.0
        with np.errstate(divide="ignore", invalid="ignore"):
            total = np.atleast_1d(self._squares - self._sum**2 / self._weight)
            scores = 1 - self._residual / total
        scores = np.where(np.isinf(scores), 0.0, scores)
        value = scores
        if self.class_aggregation == "uniform_average":
            value = float(scores.mean())
        elif self.class_aggregation == "variance_weighted_average":
            value = float((total * scores).sum() / total.sum())
        free = self._samples - self.num_regressors - 1
        if self.num_regressors and free <= 0:
            warnings.warn(
                f"{self.name} of {int(self._samples)} samples cannot be adjusted for "
                f"{self.num_regressors} regressors; it is reported as it is",
                stacklevel=2,
            )
        elif self.num_regressors:
            value = 1 - (1 - value) * (self._samples - 1) / free
        return value
