"""What training makes small: cross-entropies and the mean squared error, as Keras defines them.

A loss has one value per prediction vector (the last axis); the loss of a batch is

    sum over all prediction vectors of weight * value / number of prediction vectors

(not divided by the sum of the weights). Inside a model the compiled core computes values and
gradients; calling a loss computes the same by the formulas of `fastconv.reference`, in float64.

>>> import numpy as np
>>> from fastconv import losses
>>> float(losses.MeanSquaredError()(np.zeros((2, 4)), np.full((2, 4), 3.0)))
9.0
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from fastconv import reference
from fastconv.naming import snake_case
from fastconv.parameters import real_array
from fastconv.plan import nodes
from fastconv.serialization import deserialize


class Loss(ABC):
    """Base class.

    Args:
        reduction: must be "sum_over_batch_size", the mean described at the top of this module.
        name: the name in configurations.
        dtype: must be None or "float32".

    Raises ValueError for what is not supported.
    """

    module = "keras.losses"  # where Keras's files say that the class lives

    def __init__(
        self,
        reduction: str = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | None = None,
    ):
        if reduction != "sum_over_batch_size":
            raise ValueError(f"`reduction` must be 'sum_over_batch_size', received {reduction!r}")
        if dtype not in (None, "float32"):
            raise ValueError(f"`dtype` must be None or 'float32', received {dtype!r}")
        self.name = name or snake_case(type(self).__name__)

    @abstractmethod
    def node(self, after_softmax: bool) -> nodes.Loss:
        """The operation in a plan; `after_softmax` tells whether the network ends in a softmax."""

    @abstractmethod
    def check_targets(self, y: Any, output_shape: tuple[int | None, ...]) -> np.ndarray:
        """`y` as an array that `rows` accepts; `output_shape` (None, ...) is the network's.

        Raises ValueError if shapes or labels do not fit, TypeError if `y` holds no numbers.
        """

    def rows(self, y: np.ndarray, out: np.ndarray) -> None:
        """Write checked targets into `out`, a plan's targets: one row per prediction vector."""
        np.copyto(out, y.reshape(out.shape))

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> float:
        """The loss of a batch of predictions (batch, ..., outputs)."""
        y_pred = real_array(y_pred, "`y_pred`")
        y_true = self.check_targets(y_true, (None, *y_pred.shape[1:]))
        if len(y_true) != len(y_pred):
            raise ValueError(
                f"`y_true` and `y_pred` must have one length, "
                f"received {len(y_true)} and {len(y_pred)}"
            )
        node = self.node(after_softmax=False)
        prediction = y_pred.reshape(-1, y_pred.shape[-1])
        targets = np.empty(len(prediction), np.int64) if node.sparse else np.empty(prediction.shape)
        self.rows(y_true, targets)
        if sample_weight is not None:
            weight = real_array(sample_weight, "`sample_weight`")
            sample_weight = spread_weights(weight, y_pred.shape[:-1]).reshape(-1)
        formula = getattr(reference, node.kind)
        return formula(prediction, targets, sample_weight=sample_weight)[0]

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "reduction": "sum_over_batch_size"}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Loss:
        return cls(**config)


class _CrossEntropy(Loss):
    """Both cross-entropies.

    Args:
        from_logits: the predictions have not been through a softmax.
        axis: must be -1.

    After a softmax layer the loss is computed from what went into it: the same value, but exact
    where a probability rounds to 0 or 1.
    """

    sparse = False

    def __init__(self, from_logits: bool, axis: int, **common: Any):
        super().__init__(**common)
        if axis != -1:
            raise ValueError(f"`axis` must be -1, received {axis!r}")
        self.from_logits = bool(from_logits)

    def node(self, after_softmax):
        stable = self.from_logits or after_softmax
        return nodes.Loss("softmax_cross_entropy" if stable else "cross_entropy", self.sparse)

    def get_config(self):
        return super().get_config() | {"from_logits": self.from_logits, "axis": -1}


class CategoricalCrossentropy(_CrossEntropy):
    """-sum(y_true * log(probability)) with y_true a distribution over the classes, such as one-hot.

    Args:
        from_logits: the predictions have not been through a softmax.
        label_smoothing: from 0 to 1; y_true becomes y_true (1 - s) + s / classes.
        axis: must be -1.
        reduction, name, dtype: see `Loss`.
    """

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        **common: Any,
    ):
        super().__init__(from_logits, axis, **common)
        if isinstance(label_smoothing, (bool, str)) or not 0 <= label_smoothing <= 1:
            raise ValueError(f"`label_smoothing` must be from 0 to 1, received {label_smoothing!r}")
        self.label_smoothing = float(label_smoothing)

    def check_targets(self, y, output_shape):
        y = _targets(y)
        if y.ndim != len(output_shape) or y.shape[1:] != output_shape[1:]:
            raise ValueError(
                f"`y` must have the shape of the predictions, {output_shape}, received {y.shape}; "
                "class numbers need sparse_categorical_crossentropy or utils.to_categorical"
            )
        return y.astype(np.float32, copy=False)

    def rows(self, y, out):
        super().rows(y, out)
        if self.label_smoothing:
            out *= 1 - self.label_smoothing
            out += self.label_smoothing / out.shape[-1]

    def get_config(self):
        return super().get_config() | {"label_smoothing": self.label_smoothing}


class SparseCategoricalCrossentropy(_CrossEntropy):
    """-log(probability of the class `y_true`), with `y_true` the number of the class.

    Args:
        from_logits: the predictions have not been through a softmax.
        ignore_class: must be None.
        axis: must be -1.
        reduction, name, dtype: see `Loss`.
    """

    sparse = True

    def __init__(
        self,
        from_logits: bool = False,
        ignore_class: None = None,
        axis: int = -1,
        **common: Any,
    ):
        super().__init__(from_logits, axis, **common)
        if ignore_class is not None:
            raise ValueError(f"`ignore_class` is not supported, received {ignore_class!r}")

    def check_targets(self, y, output_shape):
        y = _targets(y)
        wanted = output_shape[1:-1]
        if y.shape[1:] not in (wanted, (*wanted, 1)):
            raise ValueError(
                f"`y` must have shape {(None, *wanted)} for predictions of shape {output_shape}, "
                f"received {y.shape}; one-hot labels need categorical_crossentropy"
            )
        return check_labels(y.reshape(y.shape[:1] + wanted), output_shape[-1])

    def get_config(self):
        return super().get_config() | {"ignore_class": None}


class MeanSquaredError(Loss):
    """mean((y_true - y_pred)^2) over the last axis.

    One target per vector, of shape (batch,) or (..., 1), is compared with every element of it.
    """

    def node(self, after_softmax):
        return nodes.Loss("mean_squared_error")

    def check_targets(self, y, output_shape):
        y = _targets(y)
        inner, outputs = output_shape[1:-1], output_shape[-1]
        if y.shape[1:] == inner:
            y = y[..., None]
        if y.shape[1:] not in ((*inner, outputs), (*inner, 1)):
            raise ValueError(
                f"`y` must have the shape of the predictions, {output_shape}, received {y.shape}"
            )
        return y.astype(np.float32, copy=False)

    def rows(self, y, out):
        np.copyto(out, y.reshape(-1, y.shape[-1]))  # broadcasts one target to all outputs


CLASSES = {
    cls.__name__: cls
    for cls in (CategoricalCrossentropy, SparseCategoricalCrossentropy, MeanSquaredError)
}
_ALIASES = {
    "categorical_crossentropy": CategoricalCrossentropy,
    "sparse_categorical_crossentropy": SparseCategoricalCrossentropy,
    "mean_squared_error": MeanSquaredError,
    "mse": MeanSquaredError,
    "MSE": MeanSquaredError,
}


def get(identifier: Any) -> Loss:
    """The loss that a name ("mse", "categorical_crossentropy", a class name), a loss or a
    serialized configuration stands for.

    Raises ValueError for an unknown name (the message lists all), TypeError for anything else.
    """
    if isinstance(identifier, Loss):
        return identifier
    if isinstance(identifier, dict):
        return deserialize(identifier, "losses")
    if isinstance(identifier, str):
        cls = _ALIASES.get(identifier) or CLASSES.get(identifier)
        if cls is None:
            raise ValueError(f"`loss` must be one of {sorted(_ALIASES)}, received {identifier!r}")
        return cls()
    raise TypeError(f"`loss` must be a name or a Loss, received {identifier!r}")


def check_labels(y: np.ndarray, classes: int) -> np.ndarray:
    """`y` as int64 class numbers; ValueError with the index of one that is none."""
    labels = y.astype(np.int64)
    bad = (labels < 0) | (labels >= classes)
    if y.dtype.kind == "f":
        bad |= labels != y
    elif y.dtype.kind == "u":
        bad |= y >= classes
    if bad.any():
        index = tuple(int(i) for i in np.argwhere(bad)[0])
        where = index[0] if len(index) == 1 else index
        raise ValueError(
            f"labels must be whole numbers from 0 to {classes - 1}, received {y[index]} "
            f"at index {where}"
        )
    return labels


def spread_weights(weight: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Sample weights for values of `shape` (batch, ...): one per sample, or one per value.

    Raises ValueError for any other shape.
    """
    if weight.ndim == 2 and weight.shape[1:] == (1,):
        weight = weight[:, 0]
    if weight.shape[1:] not in ((), shape[1:]):
        raise ValueError(
            f"`sample_weight` must have shape {shape[:1]} or {shape}, received {weight.shape}"
        )
    return np.broadcast_to(weight.reshape(weight.shape + (1,) * (len(shape) - weight.ndim)), shape)


def _targets(y: Any) -> np.ndarray:
    y = np.asarray(y)
    if y.dtype == bool:
        y = y.astype(np.uint8)
    return real_array(y, "`y`")
