"""Operations on bfloat16: the arithmetic of models in `Model.astype("bfloat16")`.

A bfloat16 is the upper half of a float32: its range, and 8 bits of precision. Activations are
arrays of `ml_dtypes.bfloat16` (`pip install fastconv[bf16]`). Filters are rounded to bfloat16;
sums, bias and epilogue are float32. Each sum has one order, which the shapes determine, so results
are the same bits on every instruction set and on any number of threads.

Only "avx512_bf16" (`fastconv.runtime.bfloat16_isa`) is faster than float32. The others compute the
same in more steps. `fastconv.reference.bfloat16` holds the definitions.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastconv import runtime, shapes
from fastconv._ext._bfloat16 import BFloat16Convolution, BFloat16MaxPool, Narrow, Widen
from fastconv.common.arguments import choice
from fastconv.ops import _validation as check


def narrow(x: np.ndarray, *, num_threads: int | None = None) -> np.ndarray:
    """Return `x` as bfloat16, rounded to the nearest, of two to the even one; a NaN stays one, and
    numbers below the normal range become 0.

    Args:
        x: float32, any shape.
        num_threads: number of threads; None for `fastconv.runtime.get_num_threads()`.

    Raises:
        TypeError: `x` is not a float32 array.
        ImportError: ml_dtypes is not installed.

    >>> import numpy as np
    >>> from fastconv.ops import bfloat16
    >>> bfloat16.narrow(np.array([1.0, 1.005], np.float32)).astype(float).tolist()
    [1.0, 1.0078125]
    """
    try:
        from ml_dtypes import bfloat16
    except ImportError as error:
        raise ImportError("bfloat16 arrays need ml_dtypes: pip install fastconv[bf16]") from error
    x = check.operand(_array(x, "x", "float32"))
    y = np.empty(x.shape, np.uint16)
    _run(Narrow(x, y), y, num_threads)
    return y.view(bfloat16)


def widen(x: np.ndarray, *, num_threads: int | None = None) -> np.ndarray:
    """Return `x`, bfloat16, as float32: arguments as of `narrow`.

    Raises:
        TypeError: `x` is not a bfloat16 array.

    >>> import numpy as np
    >>> from fastconv.ops import bfloat16
    >>> bfloat16.widen(bfloat16.narrow(np.array([0.5], np.float32)))
    array([0.5], dtype=float32)
    """
    bits = _bits(x, "x")
    y = np.empty(bits.shape, np.float32)
    _run(Widen(bits, y), y, num_threads)
    return y


def conv2d(
    x: np.ndarray,
    w: np.ndarray,
    bias: np.ndarray | None = None,
    *,
    strides: Any = 1,
    padding: Any = "valid",
    dilation_rate: Any = 1,
    groups: int = 1,
    low: float = -math.inf,
    high: float = math.inf,
    residual: np.ndarray | None = None,
    dtype: str = "bfloat16",
    num_threads: int | None = None,
) -> np.ndarray:
    """Return min(max(conv2d(x, w) + bias + residual, low), high).

    Args:
        x: (N, H, W, C), bfloat16. N may be 0.
        w: (KH, KW, C / groups, K), float32, rounded to bfloat16.
        bias: (K,), float32, or None.
        strides, padding, dilation_rate, groups: as for `fastconv.ops.conv2d`.
        low, high: limits of the result.
        residual: bfloat16 of the shape of the result, or None.
        dtype: "bfloat16", rounded to even, or "float32".
        num_threads: number of threads; None for `fastconv.runtime.get_num_threads()`.

    Returns:
        y (N, OH, OW, K) of `dtype`.

    Raises:
        TypeError: an array has another dtype than stated.
        ValueError: shapes do not match, or `dtype` is neither of the two.

    >>> import numpy as np
    >>> from fastconv.ops import bfloat16
    >>> x = bfloat16.narrow(np.full((1, 3, 3, 1), 2, np.float32))
    >>> y = bfloat16.conv2d(x, np.ones((3, 3, 1, 1), np.float32), padding="same")
    >>> y[0, :, :, 0].astype(int).tolist()
    [[8, 12, 8], [12, 18, 12], [8, 12, 8]]
    """
    bits, w = _bits(x, "x"), check.operand(_array(w, "w", "float32"))
    geometry = shapes.conv2d_geometry(
        bits.shape,
        w.shape,
        strides=strides,
        padding=padding,
        dilation_rate=dilation_rate,
        groups=groups,
        input_name="x",
        kernel_name="w",
    )
    bias = None if bias is None else check.operand(_array(bias, "bias", "float32"))
    added = None if residual is None else _bits(residual, "residual")
    wide = choice(dtype, "dtype", ("bfloat16", "float32")) == "float32"
    y = np.empty(geometry.output_shape, np.float32 if wide else np.uint16)
    if geometry.batch:
        op = BFloat16Convolution(geometry, bits, w, bias, y, float(low), float(high), added)
        _run(op, y, num_threads)
    return y if wide else y.view(x.dtype)


def dense(
    x: np.ndarray,
    w: np.ndarray,
    bias: np.ndarray | None = None,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    residual: np.ndarray | None = None,
    dtype: str = "bfloat16",
    num_threads: int | None = None,
) -> np.ndarray:
    """Return min(max(x @ w + bias + residual, low), high).

    Args:
        x: (..., I), bfloat16.
        w: (I, O), float32, rounded to bfloat16.
        bias, low, high, residual, dtype, num_threads: as for `conv2d`, with K = O.

    Returns:
        y (..., O) of `dtype`.

    Raises:
        TypeError: as `conv2d`.
        ValueError: as `conv2d`.

    >>> import numpy as np
    >>> from fastconv.ops import bfloat16
    >>> x = bfloat16.narrow(np.array([[1, 2, 3]], np.float32))
    >>> bfloat16.dense(x, np.ones((3, 1), np.float32), dtype="float32").tolist()
    [[6.0]]
    """
    _bits(x, "x")
    w = _array(w, "w", "float32")
    if w.ndim != 2 or x.ndim < 1 or x.shape[-1] != w.shape[0]:
        raise ValueError(
            f"`x` must have shape (..., I) and `w` (I, O), received {x.shape} and {w.shape}"
        )
    if residual is not None:
        _bits(residual, "residual")
        check.check_shape(residual, "residual", (*x.shape[:-1], w.shape[1]), "as the result")
        residual = residual.reshape(-1, 1, 1, w.shape[1])
    y = conv2d(
        x.reshape(-1, 1, 1, x.shape[-1]),
        w[None, None],
        bias,
        low=low,
        high=high,
        residual=residual,
        dtype=dtype,
        num_threads=num_threads,
    )
    return y.reshape(*x.shape[:-1], w.shape[1])


def max_pool2d(
    x: np.ndarray,
    *,
    pool_size: Any = 2,
    strides: Any = None,
    padding: Any = "valid",
    num_threads: int | None = None,
) -> np.ndarray:
    """Return the maximum of every window and channel, bfloat16.

    Args:
        x: (N, H, W, C), bfloat16. N may be 0.
        pool_size, strides, padding: as for `fastconv.ops.max_pool2d`; padding is excluded.
        num_threads: number of threads; None for `fastconv.runtime.get_num_threads()`.

    Returns:
        y (N, OH, OW, C), bfloat16.

    Raises:
        TypeError: `x` is not a bfloat16 array.
        ValueError: as `fastconv.ops.max_pool2d`.

    >>> import numpy as np
    >>> from fastconv.ops import bfloat16
    >>> x = bfloat16.narrow(np.arange(4, dtype=np.float32).reshape(1, 2, 2, 1))
    >>> bfloat16.max_pool2d(x).astype(float).item()
    3.0
    """
    bits = _bits(x, "x")
    geometry = shapes.pool2d_geometry(
        bits.shape, pool_size=pool_size, strides=strides, padding=padding, input_name="x"
    )
    y = np.empty(geometry.output_shape, np.uint16)
    if geometry.batch:
        _run(BFloat16MaxPool(geometry, bits, y), y, num_threads)
    return y.view(x.dtype)


def _run(op: Any, y: np.ndarray, num_threads: int | None) -> None:
    threads = runtime.resolve_num_threads(num_threads)
    if y.size:
        op.run(threads)


def _bits(value: Any, name: str) -> np.ndarray:
    """Return the elements of a bfloat16 array as uint16."""
    return check.operand(_array(value, name, "bfloat16")).view(np.uint16)


def _array(value: Any, name: str, dtype: str) -> np.ndarray:
    array = check.check_array(value, name)
    if array.dtype.name != dtype:
        raise TypeError(f"`{name}` must be {dtype}, received {array.dtype}")
    return array
