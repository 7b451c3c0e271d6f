"""Losses of probabilities: cross-entropies and divergences.

Cross-entropies take probabilities, or logits with `from_logits`. After a softmax (categorical) or a
sigmoid (binary) at the end of a model they are computed from its input: the same value, but exact
where a probability rounds to 0 or 1. Probabilities are clipped to
[1e-7, 1 - 1e-7], categorical ones divided by their sum first, as in Keras.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from fastconv.common.arguments import normalize_int, number
from fastconv.common.literals import Reduction
from fastconv.losses.base import Loss, axis_number, check_labels, fitting_rank, target_array
from fastconv.plan import operations
from fastconv.shapes import sample_sizes


class KLDivergence(Loss):
    """sum(y_true log(y_true / y_pred)) over the last axis, both clipped to [1e-7, 1].

    Arguments as `Loss`.
    """

    kind = "kl_divergence"
    default_name: str = "kl_divergence"


class Poisson(Loss):
    """mean(y_pred - y_true log(y_pred + 1e-7)) over the last axis: counts y_true at rates y_pred.

    Arguments as `Loss`.
    """

    kind = "poisson"


class _CrossEntropy(Loss):
    """What the cross-entropies with targets of the shape of the predictions have in common."""

    settings: tuple[str, ...] = ("from_logits", "label_smoothing", "axis")
    smoothed_over: int | None = None  # so many outcomes; None for those of the last axis

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: Reduction | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | None = None,
    ):
        super().__init__(reduction, name, dtype)
        self.from_logits: bool = bool(from_logits)
        self.label_smoothing: float = number(label_smoothing, "label_smoothing", 0, 1)
        self.axis: int = axis_number(axis)

    def rows(self, y: np.ndarray, out: np.ndarray) -> None:
        super().rows(y, out)
        if self.label_smoothing:
            out *= 1 - self.label_smoothing
            out += self.label_smoothing / (self.smoothed_over or out.shape[-1])


class _Categorical(_CrossEntropy):
    def check_targets(self, y: Any, output_shape: tuple[int | None, ...]) -> np.ndarray:
        y = fitting_rank(target_array(y), len(output_shape))
        if y.ndim != len(output_shape) or y.shape[1:] != output_shape[1:]:
            raise ValueError(
                f"`y` must have the shape of the predictions, {output_shape}, received {y.shape}; "
                "class numbers need sparse_categorical_crossentropy or utils.to_categorical"
            )
        return y.astype(np.float32, copy=False)


class CategoricalCrossentropy(_Categorical):
    """-sum(y_true * log(probability)) with y_true a distribution over the classes, such as one-hot.

    Args:
        from_logits: the predictions are logits, before a softmax.
        label_smoothing: from 0 to 1; y_true becomes y_true (1 - s) + s / classes.
        axis: that of the classes; the last one in a model.
        reduction, name, dtype: see `Loss`.
    """

    def _operation(self, after_softmax, summed):
        return _cross_entropy(self.from_logits or after_softmax, summed)


class SparseCategoricalCrossentropy(Loss):
    """-log(probability of the class `y_true`), with `y_true` the number of the class.

    Args:
        from_logits: the predictions are logits, before a softmax.
        ignore_class: labels of this number, which may be none of a class, do not count, and the
            mean is over the others.
        axis: that of the classes; the last one in a model.
        reduction, name, dtype: see `Loss`.
    """

    sparse = True
    settings: tuple[str, ...] = ("from_logits", "ignore_class", "axis")

    def __init__(
        self,
        from_logits: bool = False,
        ignore_class: int | None = None,
        reduction: Reduction | None = "sum_over_batch_size",
        axis: int = -1,
        name: str | None = None,
        dtype: str | None = None,
    ):
        super().__init__(reduction, name, dtype)
        self.from_logits: bool = bool(from_logits)
        self.ignore_class = ignore_class
        if ignore_class is not None:
            self.ignore_class = normalize_int(ignore_class, "ignore_class", minimum=-(2**62))
        self.axis: int = axis_number(axis)

    def _operation(self, after_softmax, summed):
        ignore = self.ignore_class
        return _cross_entropy(self.from_logits or after_softmax, summed, sparse=True, ignore=ignore)

    def check_targets(self, y: Any, output_shape: tuple[int | None, ...]) -> np.ndarray:
        y = target_array(y)
        *wanted, classes = sample_sizes(output_shape)
        wanted = tuple(wanted)
        if y.shape[1:] not in (wanted, (*wanted, 1)):
            raise ValueError(
                f"`y` must have shape {(None, *wanted)} for predictions of shape {output_shape}, "
                f"received {y.shape}; one-hot labels need categorical_crossentropy"
            )
        return check_labels(y.reshape(y.shape[:1] + wanted), classes, self.ignore_class)

    def rows(self, y: np.ndarray, out: np.ndarray) -> None:
        np.copyto(out, y.reshape(-1))


def _cross_entropy(stable: bool, summed: bool, **options: Any) -> operations.Loss:
    kind = "softmax_cross_entropy" if stable else "cross_entropy"
    return operations.Loss(kind, summed=summed, **options)


class BinaryCrossentropy(_CrossEntropy):
    """mean(-y_true log(p) - (1 - y_true) log(1 - p)) over the last axis, p = y_pred.

    Args:
        from_logits: the predictions are logits, before a sigmoid.
        label_smoothing: from 0 to 1; y_true becomes y_true (1 - s) + s / 2.
        axis: that of the mean; the last one in a model.
        reduction, name, dtype: see `Loss`.
    """

    smoothed_over: int = 2

    @property
    def kind(self) -> str:
        return "binary_logits" if self.from_logits else "binary"


class BinaryFocalCrossentropy(_CrossEntropy):
    """Binary cross-entropy times (1 - probability of the label)^gamma, mean over the last axis.

    Good predictions have little weight (Lin et al., arXiv 1708.02002).

    Args:
        apply_class_balancing: also multiply by `alpha` for label 1 and 1 - `alpha` for label 0.
        alpha: from 0 to 1.
        gamma: not negative; 0 is the plain cross-entropy.
        from_logits, label_smoothing, axis, reduction, name, dtype: see `BinaryCrossentropy`.
    """

    settings: tuple[str, ...] = ("apply_class_balancing", "alpha", "gamma", *_CrossEntropy.settings)
    smoothed_over: int = 2
    alpha: float
    gamma: float

    def __init__(
        self,
        apply_class_balancing: bool = False,
        alpha: float = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: Reduction | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | None = None,
    ):
        super().__init__(from_logits, label_smoothing, axis, reduction, name, dtype)
        self.apply_class_balancing: bool = bool(apply_class_balancing)
        self.alpha, self.gamma = number(alpha, "alpha", 0, 1), number(gamma, "gamma", 0)

    @property
    def kind(self) -> str:
        return "binary_focal_logits" if self.from_logits else "binary_focal"

    def parameters(self) -> Any:
        return (self.gamma, self.alpha if self.apply_class_balancing else -1.0)


class CategoricalFocalCrossentropy(_Categorical):
    """sum(alpha (1 - p)^gamma * -y_true log(p)) over the classes, p = y_pred / sum(y_pred).

    Args:
        alpha: not negative, one number or one per class.
        gamma: not negative.
        from_logits, label_smoothing, axis, reduction, name, dtype: see `CategoricalCrossentropy`.
    """

    settings: tuple[str, ...] = ("alpha", "gamma", *_CrossEntropy.settings)

    def __init__(
        self,
        alpha: float | Sequence[float] = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: Reduction | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | None = None,
    ):
        super().__init__(from_logits, label_smoothing, axis, reduction, name, dtype)
        self.alpha: list[float] | float = (
            [number(float(each), "alpha", 0) for each in alpha]
            if isinstance(alpha, Iterable)
            and (isinstance(alpha, (list, tuple)) or np.ndim(alpha) == 1)
            else number(alpha, "alpha", 0)
        )
        self.gamma: float = number(gamma, "gamma", 0)

    def check_targets(self, y: Any, output_shape: tuple[int | None, ...]) -> np.ndarray:
        if isinstance(self.alpha, list) and len(self.alpha) != output_shape[-1]:
            raise ValueError(
                f"`alpha` must be one number or one per class, {output_shape[-1]}, "
                f"received {len(self.alpha)}"
            )
        return super().check_targets(y, output_shape)

    def rows(self, y: np.ndarray, out: np.ndarray) -> None:
        super().rows(y, out)
        if isinstance(self.alpha, list):  # the loss is linear in the labels
            out *= np.asarray(self.alpha, np.float32)

    @property
    def kind(self) -> str:
        return "categorical_focal_logits" if self.from_logits else "categorical_focal"

    def parameters(self) -> Any:
        return (self.gamma, 1.0 if isinstance(self.alpha, list) else self.alpha)
