"""Samples of length one."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["normalize"]


def normalize(x: ArrayLike, axis: int = -1, order: float = 2) -> np.ndarray:
    """Divide by the norm along an axis; vectors of zeros remain zero.

    Args:
        x: numbers of any shape.
        axis: the axis along which norms are taken, -1 the last.
        order: of the norm: 1 sums of absolute values, 2 Euclidean, `np.inf` the largest.

    Returns:
        An array of `x`'s shape; float32 stays float32, everything else becomes float64.

    Raises:
        TypeError: `x` does not hold real numbers.
        ValueError: `axis` is not one of `x`'s.

    >>> from fastconv.utils import normalize
    >>> normalize([[3.0, 4.0], [0.0, 0.0]])
    array([[0.6, 0.8],
           [0. , 0. ]])
    """
    x = np.atleast_1d(np.asarray(x))
    if x.dtype.kind not in "biuf":
        raise TypeError(f"`x` must hold real numbers, received dtype {x.dtype}")
    if not -x.ndim <= axis < x.ndim:
        raise ValueError(f"`axis` must be from {-x.ndim} to {x.ndim - 1}, received {axis}")
    x = x.astype(np.float32 if x.dtype == np.float32 else np.float64, copy=False)
    norms = np.linalg.norm(x, order, axis, keepdims=True)
    return x / np.where(norms == 0, 1, norms)
