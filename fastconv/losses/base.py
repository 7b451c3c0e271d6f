"""What every loss is: values per prediction vector, their reduction, and targets that fit."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np

from fastconv.common.arguments import as_integer, name_or, one_of
from fastconv.common.arrays import real_array
from fastconv.common.changeable import Changeable
from fastconv.common.keywords import NamedArguments
from fastconv.common.literals import Reduction
from fastconv.common.naming import snake_case
from fastconv.common.overriding import Overridable, definer
from fastconv.losses.symbolic import loss_values, reduced
from fastconv.ops._function import find_symbolic
from fastconv.plan import operations
from fastconv.plan.lowering import loss_op
from fastconv.shapes import sample_sizes

_WEIGHTED_MEAN = "mean_with_sample_weight"
_MEANS = ("sum_over_batch_size", "mean", _WEIGHTED_MEAN)
_REDUCTIONS = (*_MEANS, "sum", "none", None)


_CUSTOM = "subclass fastconv.losses.CustomLoss, with `row_values` and `row_gradients`"


class Loss(Changeable, NamedArguments, Overridable):
    """Base class.

    Args:
        reduction: "sum_over_batch_size" or "mean", the mean described in `fastconv.losses`;
            "mean_with_sample_weight", the weighted sum divided by the sum of the weights (0 if that
            is 0); "sum", the weighted sum; "none" or None, one value per prediction vector, which
            is only for calls, as training needs one number.
        name: the name in configurations.
        dtype: must be None or "float32".

    Raises ValueError for an unsupported argument.
    """

    module = "keras.losses"  # where Keras's files say that the class lives
    unused_hooks: ClassVar[Mapping[str, str]] = MappingProxyType(
        dict.fromkeys(
            (
                "__call__",
                "values",
                "value_and_gradient",
                "row_values",
                "row_gradients",
            ),
            _CUSTOM,
        )
    )
    has_call = False  # whether `call` of the class defines it
    kind = ""  # the operation in the compiled core
    sparse = False  # whether targets are class numbers
    default_name: str | None = None
    settings: tuple[str, ...] = ()  # the arguments that the class has of its own
    axis = -1  # that of the prediction vectors
    dtype = "float32"

    def __init__(
        self,
        reduction: Reduction | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | None = None,
    ):
        one_of(reduction, "reduction", _REDUCTIONS)
        if dtype not in (None, "float32"):
            raise ValueError(f"`dtype` must be None or 'float32', received {dtype!r}")
        self.reduction: Reduction | None = reduction
        self.name: str = name_or(name, self.default_name or snake_case(type(self).__name__))

    # In a plan ------------------------------------------------------------------------------------

    def operation(self, after_softmax: bool) -> operations.Loss:
        """Return the operation in a plan; `after_softmax`: whether the network ends in a softmax.

        Raises ValueError if the loss is not one number.
        """
        if self.reduction not in (*_MEANS, "sum"):
            raise ValueError(
                f"`reduction` of {self.name!r} must be one of {(*_MEANS, 'sum')} in a model, "
                f"received {self.reduction!r}"
            )
        self.is_read_by_plans()
        return self._operation(after_softmax, self.reduction == "sum")

    def _operation(self, after_softmax: bool, summed: bool) -> operations.Loss:
        return operations.Loss(self.kind, self.sparse, self.parameters(), summed)

    def parameters(self) -> tuple[float, ...]:
        """The numbers that the operation needs, at most two."""
        return ()

    def check_targets(self, y: Any, output_shape: tuple[int | None, ...]) -> np.ndarray:
        """`y` as an array that `rows` accepts; `output_shape` (None, ...) is the network's.

        One target per vector, of shape (batch,) or (..., 1), is compared with every element of it.
        Raises ValueError if shapes or labels do not fit, TypeError if `y` holds no numbers.
        """
        y = fitting_rank(target_array(y), len(output_shape))
        inner, outputs = output_shape[1:-1], output_shape[-1]
        if y.shape[1:] == inner:
            y = y[..., None]
        if y.shape[1:] not in ((*inner, outputs), (*inner, 1)):
            raise ValueError(
                f"`y` must have the shape of the predictions, {output_shape}, received {y.shape}"
            )
        return y.astype(np.float32, copy=False)

    def check_axis(self, rank: int) -> None:
        """ValueError if the loss is not over the last axis of the outputs of a model."""
        if self.axis not in (-1, rank - 1):
            raise ValueError(
                f"`axis` of {self.name!r} must be -1 or {rank - 1}, the last axis of the outputs, "
                f"in a model, received {self.axis}; put a Permute layer before the output"
            )

    def rows(self, y: np.ndarray, out: np.ndarray) -> None:
        """Write checked targets into `out`, a plan's targets: one row per prediction vector."""
        np.copyto(out, y.reshape(-1, y.shape[-1]))  # broadcasts one target to all outputs

    def rows_shape(self, count: int, output_shape: tuple[int | None, ...]) -> tuple[int, ...]:
        """The shape of sample weights for `count` samples: one per value of the loss."""
        return (count, *sample_sizes(output_shape)[:-1])

    def mean_weights(self, weight: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """The weights, one per row, with which the mean over the rows of `targets`, a plan's, is
        what `reduction` says."""
        if self.reduction != _WEIGHTED_MEAN:
            return weight
        ignore = self._operation(False, False).ignore
        counted = np.ones(len(targets), bool) if ignore is None else targets != ignore
        total = weight[counted].sum(dtype=np.float64)
        return weight * np.float32(np.count_nonzero(counted) / total if total else 0)

    # On arrays ------------------------------------------------------------------------------------

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """The loss of a batch of predictions (batch, ..., outputs): a float, or an array of one
        weighted value per prediction vector without reduction. Predictions of one axis are one
        vector; with `y_true` (n, 1) they are a batch of n.

        `sample_weight` has one weight per sample or per vector; axes of size 1 are repeated.

        Raises ValueError or TypeError for arrays that do not fit each other.
        """
        if find_symbolic((y_true, y_pred)) is not None:
            return reduced(self.call(y_true, y_pred), sample_weight, self.reduction)
        if self.has_call:
            return self._reduced(y_true, y_pred, sample_weight)
        return self.value_and_gradient(y_true, y_pred, sample_weight)[0]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.has_call: bool = definer(cls, "call") is not Loss

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The values of the loss, unreduced. A class may define it, in functions of
        `fastconv.ops`: see `fastconv.losses.traced`."""
        return self.values(y_true, y_pred)

    def _reduced(self, y_true: Any, y_pred: Any, sample_weight: Any) -> Any:
        """What `reduction` makes of the values of `call`."""
        y_true, y_pred = (
            real_array(np.asarray(y), name).astype(np.float32)
            for y, name in ((target_array(y_true), "`y_true`"), (y_pred, "`y_pred`"))
        )
        values = np.asarray(self.call(y_true, y_pred), np.float32)
        weight = np.ones_like(values)
        if sample_weight is not None:
            given = real_array(sample_weight, "`sample_weight`")
            weight = spread_weights(given, values.shape).astype(np.float32)
        if self.reduction in ("none", None):
            return values * weight
        total = float(np.sum(values * weight, dtype=np.float64))
        if self.reduction == "sum":
            return total
        count = weight.sum() if self.reduction == _WEIGHTED_MEAN else values.size
        return total / float(count) if count else 0.0

    def values(self, y_true: Any, y_pred: Any) -> np.ndarray:
        """One value per prediction vector, float32 (batch, ...)."""
        if find_symbolic((y_true, y_pred)) is not None:
            return loss_values(y_true, y_pred, self)
        _, values, _ = self._compute(y_true, y_pred, None, mean=False)
        return values.astype(np.float32)

    def value_and_gradient(
        self, y_true: Any, y_pred: Any, sample_weight: Any = None
    ) -> tuple[Any, np.ndarray]:
        """What a call returns, and the gradient of its sum with respect to `y_pred`, float32."""
        mean = self.reduction in _MEANS
        weight, values, gradient = self._compute(y_true, y_pred, sample_weight, mean)
        weighted = values if weight is None else values * weight
        if mean:
            return float(np.mean(weighted)) if np.size(weighted) else 0.0, gradient
        gradient *= np.float32(max(1, values.size))
        if self.reduction == "sum":
            return float(np.sum(weighted)), gradient
        return np.asarray(weighted, np.float32), gradient

    def _compute(
        self, y_true: Any, y_pred: Any, sample_weight: Any, mean: bool
    ) -> tuple[np.ndarray | None, np.ndarray, np.ndarray]:
        """(weights, values, gradient of the weighted mean), the first two per prediction vector.

        The mean over vectors of which some do not count is made by larger values of the others;
        unless `mean`, the values are as they are.
        """
        y_pred = real_array(y_pred, "`y_pred`").astype(np.float32)
        if y_pred.ndim < 1:
            raise ValueError(f"`y_pred` must have at least one axis, received shape {y_pred.shape}")
        y_true, batch, shape = self._batch(target_array(y_true), y_pred)
        if batch.shape[-1] == 0:
            raise ValueError(f"`y_pred` must hold at least one output, received {y_pred.shape}")
        y_true = self.check_targets(y_true, (None, *batch.shape[1:]))
        if len(y_true) != len(batch):
            raise ValueError(
                f"`y_true` and `y_pred` must have one length, "
                f"received {len(y_true)} and {len(batch)}"
            )
        prediction = np.ascontiguousarray(batch.reshape(-1, batch.shape[-1]))
        operation = self._operation(False, False)
        targets = (
            np.empty(len(prediction), np.int64) if operation.sparse else np.empty_like(prediction)
        )
        self.rows(y_true, targets)
        weight = None
        if sample_weight is not None:
            weight = spread_weights(real_array(sample_weight, "`sample_weight`"), shape)
            weight = np.ascontiguousarray(weight.reshape(-1), np.float32)
            weight = self.mean_weights(weight, targets)
        values, gradient = np.zeros(len(prediction)), np.zeros_like(prediction)
        if len(prediction):
            op = loss_op(operation, prediction, targets, gradient, values, weight)
            op.run_python() if hasattr(op, "run_python") else op.run(1)
        if operation.ignore is not None and not mean:
            counted = np.count_nonzero(targets != operation.ignore) / max(1, len(targets))
            values, gradient = values * counted, gradient * np.float32(counted)
        gradient = gradient.reshape(batch.shape)
        if batch.ndim == y_pred.ndim:
            gradient = np.moveaxis(gradient, -1, self.axis)
        return (
            None if weight is None else weight.reshape(shape),
            values.reshape(shape),
            np.ascontiguousarray(gradient.reshape(y_pred.shape)),
        )

    def _batch(
        self, y_true: np.ndarray, y_pred: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, tuple[int, ...]]:
        """(labels, predictions (batch, ..., outputs), shape of the values)."""
        rank = y_pred.ndim
        if not -rank <= self.axis < rank:
            raise ValueError(
                f"`axis` of {self.name!r} must be one of predictions of shape {y_pred.shape}, "
                f"received {self.axis}"
            )
        if rank == 1 and y_true.shape == (len(y_pred), 1):
            return y_true, y_pred[:, None], y_pred.shape
        if rank == 1:
            return y_true[None], y_pred[None], ()
        y_true = fitting_rank(y_true, rank)
        if y_true.ndim == rank and not self.sparse:
            y_true = np.moveaxis(y_true, self.axis, -1)
        y_pred = np.moveaxis(y_pred, self.axis, -1)
        return y_true, y_pred, y_pred.shape[:-1]

    # Configuration --------------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        config = {"name": self.name, "reduction": self.reduction}
        return config | {name: getattr(self, name) for name in self.settings}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Loss:
        return cls(**config)


def axis_number(axis: Any) -> int:
    """`axis` as an int of either sign; TypeError for anything else."""
    number = as_integer(axis)
    if number is None:
        raise TypeError(f"`axis` must be an integer, received {axis!r}")
    return number


def check_labels(y: np.ndarray, classes: int, ignore: int | None = None) -> np.ndarray:
    """`y` as int64 class numbers or `ignore`; ValueError with the index of one that is neither."""
    with np.errstate(invalid="ignore"):  # NaN and numbers that are too large are found below
        labels = y.astype(np.int64)
    bad = (labels < 0) | (labels >= classes)
    if ignore is not None:
        bad &= labels != ignore
    if y.dtype.kind == "f":
        bad |= labels != y
    elif y.dtype.kind == "u":  # of which the largest would be negative as int64
        bad |= (y >= classes) & (labels != ignore)
    if bad.any():
        index = tuple(int(i) for i in np.argwhere(bad)[0])
        where = index[0] if len(index) == 1 else index
        raise ValueError(
            f"labels must be whole numbers from 0 to {classes - 1}, received {y[index]} "
            f"at index {where}"
        )
    return labels


def spread_weights(weight: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Sample weights for values of `shape` (batch, ...): one for all, one per sample, or one per
    element of the first axes; an axis of size 1 is repeated. Further axes of size 1 may follow.

    Raises ValueError for any other shape, and for what could be meant for the last axes instead.
    """
    fitted = weight
    while fitted.ndim > len(shape) and fitted.shape[-1] == 1:
        fitted = fitted[..., 0]
    missing = len(shape) - fitted.ndim
    pairs = zip(fitted.shape, shape, strict=False)
    ambiguous = missing > 0 and fitted.size > 1 and fitted.shape[0] != shape[0]
    if missing < 0 or ambiguous or any(size not in (1, wanted) for size, wanted in pairs):
        raise ValueError(
            f"`sample_weight` must have shape {shape[:1]} or {shape}, received {weight.shape}"
        )
    return np.broadcast_to(fitted.reshape(fitted.shape + (1,) * missing), shape)


def fitting_rank(y: np.ndarray, rank: int) -> np.ndarray:
    """`y` without its last axis, if that has size 1 and is one more than `rank`."""
    return y[..., 0] if y.ndim == rank + 1 and y.shape[-1] == 1 else y


def target_array(y: Any) -> np.ndarray:
    """`y` as an array of numbers, booleans as 0 and 1; TypeError otherwise."""
    y = np.asarray(y)
    if y.dtype == bool:
        y = y.astype(np.uint8)
    return real_array(y, "`y`")
