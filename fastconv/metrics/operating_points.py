"""The best value of one rate at the thresholds where another one is large enough.

sensitivity (recall)  true positives / positives
specificity           true negatives / negatives
precision             true positives / predicted positives
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.common.arguments import normalize_int, number
from fastconv.metrics.confusion import _MOST_THRESHOLDS, _Counts, _ratio, _Thresholds


class _AtLeast(_Counts):
    """The largest `aim` at the thresholds where `limited` is at least a number; 0 if nowhere.

    Both are names of rates; the number is the argument that is called like `limited`.
    """

    aim = limited = ""

    def _start(
        self,
        value: float,
        num_thresholds: int,
        class_id: int | None,
        name: str | None,
        dtype: str | None,
    ) -> None:
        self._limit = number(value, self.limited, 0, 1)
        count = normalize_int(num_thresholds, "num_thresholds")
        if count > _MOST_THRESHOLDS:
            raise ValueError(
                f"`num_thresholds` must be at most {_MOST_THRESHOLDS}, received {num_thresholds!r}"
            )
        self.num_thresholds = count
        self.class_id: int | None = (
            None if class_id is None else normalize_int(class_id, "class_id", minimum=0)
        )
        even = [0.5] if count == 1 else (np.arange(count) / (count - 1)).tolist()
        self._prepare(_Thresholds(even))
        super().__init__(name, dtype)

    @property
    def thresholds(self) -> list[float]:
        return self._at.values.tolist()

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        batch = self._batch(y_true, y_pred, sample_weight, None, self.class_id)
        self._count(*(array.reshape(-1) for array in batch))

    def result(self) -> Any:
        feasible = self._rate(self.limited) >= self._limit
        return float(np.max(np.where(feasible, self._rate(self.aim), 0.0)))

    def _rate(self, name: str) -> np.ndarray:
        true, false = np.asarray(self._true_positives), np.asarray(self._false_positives)
        if name in ("sensitivity", "recall"):
            return _ratio(true, self._positives)
        if name == "specificity":
            return _ratio(self._negatives - false, self._negatives)
        return _ratio(true, true + false)


class SensitivityAtSpecificity(_AtLeast):
    """The largest sensitivity with at least a specificity.

    Args:
        specificity: the smallest one, from 0 to 1.
        num_thresholds: number of evenly spaced thresholds to look at.
        class_id: look at this class only.
        name, dtype: see `Metric`.

    Raises ValueError for numbers out of range.

    >>> from fastconv import metrics
    >>> metric = metrics.SensitivityAtSpecificity(0.5)
    >>> metric([0, 0, 0, 1, 1], [0.0, 0.3, 0.8, 0.3, 0.8])
    0.5
    """

    aim: str
    limited: str
    aim, limited = "sensitivity", "specificity"
    settings: tuple[str, ...] = ("specificity", "num_thresholds", "class_id")

    def __init__(
        self,
        specificity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: str | None = None,
    ):
        self._start(specificity, num_thresholds, class_id, name, dtype)
        self.specificity: float = self._limit


class SpecificityAtSensitivity(_AtLeast):
    """The largest specificity with at least a `sensitivity`; else as `SensitivityAtSpecificity`."""

    aim: str
    limited: str
    aim, limited = "specificity", "sensitivity"
    settings: tuple[str, ...] = ("sensitivity", "num_thresholds", "class_id")

    def __init__(
        self,
        sensitivity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: str | None = None,
    ):
        self._start(sensitivity, num_thresholds, class_id, name, dtype)
        self.sensitivity: float = self._limit


class PrecisionAtRecall(_AtLeast):
    """The largest precision with at least a `recall`; else as `SensitivityAtSpecificity`."""

    aim: str
    limited: str
    aim, limited = "precision", "recall"
    settings: tuple[str, ...] = ("recall", "num_thresholds", "class_id")

    def __init__(
        self,
        recall: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: str | None = None,
    ):
        self._start(recall, num_thresholds, class_id, name, dtype)
        self.recall: float = self._limit


class RecallAtPrecision(_AtLeast):
    """The largest recall with at least a `precision`; else as `SensitivityAtSpecificity`."""

    aim: str
    limited: str
    aim, limited = "recall", "precision"
    settings: tuple[str, ...] = ("precision", "num_thresholds", "class_id")

    def __init__(
        self,
        precision: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: str | None = None,
    ):
        self._start(precision, num_thresholds, class_id, name, dtype)
        self.precision: float = self._limit
