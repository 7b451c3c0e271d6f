"""Labels as one-hot rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from fastconv.common.arguments import as_integer
from fastconv.common.keywords import explain_keywords

__all__ = ["to_categorical"]


@explain_keywords
def to_categorical(x: ArrayLike, num_classes: int | None = None) -> np.ndarray:
    """Turns integer class labels into one-hot rows.

    Args:
        x: labels 0, 1, ... of any shape; a last dimension of 1 is dropped first, as in Keras.
            Floating-point labels must be integers.
        num_classes: the length of a row; by default the largest label plus one.

    Returns:
        A float32 array of `x`'s shape with a last dimension `num_classes` added.  (Keras returns
        float64; the values are equal, and networks compute in float32.)

    Raises:
        TypeError: `x` does not hold numbers, or `num_classes` is not an integer.
        ValueError: a label is negative, not an integer, or not below `num_classes` (the message
            gives its index); `num_classes` is None for no labels; `num_classes` < 1.

    >>> from fastconv.utils import to_categorical
    >>> to_categorical([0, 2, 1])
    array([[1., 0., 0.],
           [0., 0., 1.],
           [0., 1., 0.]], dtype=float32)
    """
    labels = np.asarray(x)
    if labels.ndim > 1 and labels.shape[-1] == 1:
        labels = labels[..., 0]
    shape = labels.shape
    labels = _whole_numbers(labels)
    if num_classes is None:
        if labels.size == 0:
            raise ValueError("`x` has no labels: `num_classes` must be given, received None")
        count = max(int(labels.max()), 0) + 1
    else:
        count = _class_count(num_classes)
    wrong = np.flatnonzero((labels < 0) | (labels >= count))
    if wrong.size:
        where = _position(wrong[0], shape)
        limit = "not be negative" if num_classes is None else f"be from 0 to {count - 1}"
        raise ValueError(f"labels must {limit}, received {int(labels[wrong[0]])} at {where}")
    rows = np.zeros((labels.size, count), dtype=np.float32)
    rows[np.arange(labels.size), labels] = 1
    return rows.reshape(*shape, count)


def _whole_numbers(labels: np.ndarray) -> np.ndarray:
    """Return the labels, flat, as int64; ValueError for a label that is not an integer."""
    flat = labels.reshape(-1)
    if labels.size == 0 and labels.dtype == np.float64:  # what NumPy makes of an empty list
        return flat.astype(np.int64)
    if labels.dtype.kind not in "biuf":
        raise TypeError(f"`x` must hold integer labels, received dtype {labels.dtype}")
    if labels.dtype.kind == "f":
        with np.errstate(invalid="ignore"):
            wrong = np.flatnonzero(~(np.abs(flat) < 2.0**63) | (np.trunc(flat) != flat))
        if wrong.size:
            where = _position(wrong[0], labels.shape)
            raise ValueError(f"labels must be whole numbers, received {flat[wrong[0]]} at {where}")
    if labels.dtype == np.uint64 and flat.size and int(flat.max()) >= 2**63:
        raise ValueError(f"labels must be below 2**63, received {int(flat.max())}")
    return flat.astype(np.int64)


def _position(flat_index: int, shape: tuple[int, ...]) -> str:
    return f"x[{', '.join(str(int(i)) for i in np.unravel_index(flat_index, shape))}]"


def _class_count(num_classes: int) -> int:
    count = as_integer(num_classes)
    if count is None:
        raise TypeError(f"`num_classes` must be an integer, received {num_classes!r}")
    if count < 1:
        raise ValueError(f"`num_classes` must be at least 1, received {count}")
    return count
