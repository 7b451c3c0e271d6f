"""Arrays of constants and of equal steps."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.ops._function import Spec, common_dtype, function
from fastconv.ops.core import dtype_of


def zeros(shape: Any, dtype: Any = None) -> np.ndarray:
    """An array of zeros; float32 by default.

    >>> from fastconv import ops
    >>> ops.zeros((2,)).tolist()
    [0.0, 0.0]
    """
    return np.zeros(shape, dtype_of(dtype))


def ones(shape: Any, dtype: Any = None) -> np.ndarray:
    """An array of ones; float32 by default.

    >>> from fastconv import ops
    >>> ops.ones((2,)).tolist()
    [1.0, 1.0]
    """
    return np.ones(shape, dtype_of(dtype))


def full(shape: Any, fill_value: Any, dtype: Any = None) -> np.ndarray:
    """An array of a value; float32 by default.

    >>> from fastconv import ops
    >>> ops.full((2,), 3).tolist()
    [3.0, 3.0]
    """
    return np.full(shape, fill_value, dtype_of(dtype))


def empty(shape: Any, dtype: Any = None) -> np.ndarray:
    """An array of zeros, as `zeros`.

    >>> from fastconv import ops
    >>> ops.empty((2,)).shape
    (2,)
    """
    return np.zeros(shape, dtype_of(dtype))


def eye(N: int, M: int | None = None, k: int = 0, dtype: Any = None) -> np.ndarray:
    """A matrix (N, M) with ones along diagonal k; float32 by default, M = N by default.

    >>> from fastconv import ops
    >>> ops.eye(2).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    return np.eye(N, M, k, dtype_of(dtype))


def identity(n: int, dtype: Any = None) -> np.ndarray:
    """The matrix (n, n) with ones along the diagonal.

    >>> from fastconv import ops
    >>> ops.identity(2).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    return np.eye(n, dtype=dtype_of(dtype))


def arange(
    start: float, stop: float | None = None, step: float | None = None, dtype: Any = None
) -> np.ndarray:
    """The numbers from `start` up to `stop` in steps; with one argument, from 0.

    The dtype is int32 for integers and float32 for floats by default.

    >>> from fastconv import ops
    >>> ops.arange(3).tolist()
    [0, 1, 2]
    """
    if stop is None:
        start, stop = 0, start
    ends: list[Any] = [start, stop, 1 if step is None else step]
    return np.arange(*ends, dtype=dtype_of(dtype, common_dtype(ends)))


def linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    """`num` numbers in equal steps from `start` to `stop`, float32 by default.

    Args:
        start, stop: numbers or arrays.
        num: how many numbers.
        endpoint: whether `stop` is the last one.
        retstep: return (numbers, step).
        dtype: of the result.
        axis: of the numbers, if `start` and `stop` are arrays.

    >>> from fastconv import ops
    >>> ops.linspace(0, 1, 3).tolist()
    [0.0, 0.5, 1.0]
    """
    chosen = dtype_of(dtype, common_dtype([start, stop], real=True))
    found, step = np.linspace(start, stop, num, endpoint=endpoint, retstep=True, axis=axis)
    found = found.astype(chosen)
    return (found, np.asarray(step, chosen)) if retstep else found


def _like(x: Spec, *_: Any, **__: Any) -> tuple:
    return x.shape


def _like_dtype(x: Spec, fill_value: Any = None, dtype: Any = None) -> np.dtype:
    return dtype_of(dtype, x.dtype)


@function("numpy", "ZerosLike", shape=_like, dtype=_like_dtype)
def zeros_like(x: Any, dtype: Any = None) -> np.ndarray:
    """Zeros in the shape of `x`, and by default in its dtype.

    >>> from fastconv import ops
    >>> ops.zeros_like([1.0, 2.0]).tolist()
    [0.0, 0.0]
    """
    return np.zeros(x.shape, dtype_of(dtype, x.dtype))


@function("numpy", "OnesLike", shape=_like, dtype=_like_dtype)
def ones_like(x: Any, dtype: Any = None) -> np.ndarray:
    """Ones in the shape of `x`, and by default in its dtype.

    >>> from fastconv import ops
    >>> ops.ones_like([1.0, 2.0]).tolist()
    [1.0, 1.0]
    """
    return np.ones(x.shape, dtype_of(dtype, x.dtype))


@function("numpy", "FullLike", shape=_like, dtype=_like_dtype, keys="fill_value")
def full_like(x: Any, fill_value: Any, dtype: Any = None) -> np.ndarray:
    """A value in the shape of `x`, and by default in its dtype.

    >>> from fastconv import ops
    >>> ops.full_like([1.0, 2.0], 3).tolist()
    [3.0, 3.0]
    """
    return np.full(x.shape, fill_value, dtype_of(dtype, x.dtype))
