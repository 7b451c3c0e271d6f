"""Operations on 8-bit integers: the arithmetic of quantized networks.

A uint8 q with (scale, zero_point) stands for the real number (q - zero_point) * scale; filters are
int8, with one scale per output channel and no zero point. Sums are int32 and exact in any order, so
results are the same bits on every instruction set and on any number of threads.

`Model.quantize` chooses scales and zero points; `fastconv.reference.quantized` holds the
definitions.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastconv import runtime, shapes
from fastconv._ext._quantized import (
    Dequantize,
    Quantize,
    QuantizedConvolution,
    QuantizedMaxPool,
)
from fastconv.common.arguments import normalize_int, number
from fastconv.ops import _validation as check

_DTYPES = (np.dtype(np.uint8), np.dtype(np.float32))


def quantize(
    x: np.ndarray, scale: float, zero_point: int, *, num_threads: int | None = None
) -> np.ndarray:
    """Return x / scale + zero_point as uint8, rounded to even and limited to [0, 255].

    Args:
        x: float32, any shape. A NaN becomes 0.
        scale: the real number that one step stands for, > 0.
        zero_point: the integer in [0, 255] that stands for 0.
        num_threads: number of threads; None for `fastconv.runtime.get_num_threads()`.

    Raises:
        TypeError: `x` is not a float32 array.
        ValueError: `scale` or `zero_point` is out of range.

    >>> import numpy as np
    >>> from fastconv.ops import quantized
    >>> quantized.quantize(np.array([0.0, 0.25, 0.75], np.float32), 0.5, 10).tolist()
    [10, 10, 12]
    """
    x = check.operand(_array(x, "x", np.float32))
    y = np.empty(x.shape, np.uint8)
    op = Quantize(
        x,
        y,
        number(scale, "scale", 0, above=True),
        normalize_int(zero_point, "zero_point", minimum=0),
    )
    _run(op, y, num_threads)
    return y


def dequantize(
    x: np.ndarray, scale: float, zero_point: int, *, num_threads: int | None = None
) -> np.ndarray:
    """Return (x - zero_point) * scale as float32: arguments as of `quantize`, with `x` uint8.

    Raises:
        TypeError: `x` is not a uint8 array.
        ValueError: `scale` or `zero_point` is out of range.

    >>> import numpy as np
    >>> from fastconv.ops import quantized
    >>> quantized.dequantize(np.array([10, 12], np.uint8), 0.5, 10).tolist()
    [0.0, 1.0]
    """
    x = check.operand(_array(x, "x", np.uint8))
    y = np.empty(x.shape, np.float32)
    op = Dequantize(
        x,
        y,
        number(scale, "scale", 0, above=True),
        normalize_int(zero_point, "zero_point", minimum=0),
    )
    _run(op, y, num_threads)
    return y


def conv2d(
    x: np.ndarray,
    w: np.ndarray,
    scale: np.ndarray,
    bias: np.ndarray | None = None,
    *,
    zero_point: int = 0,
    strides: Any = 1,
    padding: Any = "valid",
    dilation_rate: Any = 1,
    groups: int = 1,
    low: float | None = None,
    high: float | None = None,
    residual: np.ndarray | None = None,
    residual_scale: float = 0.0,
    dtype: Any = "uint8",
    num_threads: int | None = None,
) -> np.ndarray:
    """Return min(max(scale * sum + bias + residual_scale * residual, low), high).

    `sum` is that of (x - zero_point) * w over each window, an integer.

    Args:
        x: (N, H, W, C), uint8. N may be 0.
        w: (KH, KW, C / groups, K), int8.
        scale: (K,), float32; with a uint8 result the product of the scales of `x` and `w`, divided
            by that of the result.
        bias: (K,), float32, or None; with a uint8 result it includes the zero point.
        zero_point: of `x`, in [0, 255]; also the value of the padding.
        strides, padding, dilation_rate, groups: as for `fastconv.ops.conv2d`.
        low, high: limits of the result; None for 0 and 255, or for no limit of a float32 result.
        residual: uint8 of the shape of the result, or None.
        residual_scale: factor of `residual`.
        dtype: "uint8", rounded to even, or "float32".
        num_threads: number of threads; None for `fastconv.runtime.get_num_threads()`.

    Returns:
        y (N, OH, OW, K) of `dtype`.

    Raises:
        TypeError: an array has another dtype than stated, or `dtype` is neither of the two.
        ValueError: shapes do not match, a number is out of range, or a filter has more than 65,793
            weights, so that its sum might not fit an int32.

    >>> import numpy as np
    >>> from fastconv.ops import quantized
    >>> x, w = np.full((1, 3, 3, 1), 2, np.uint8), np.ones((3, 3, 1, 1), np.int8)
    >>> quantized.conv2d(x, w, np.array([0.5], np.float32), padding="same")[0, :, :, 0].tolist()
    [[4, 6, 4], [6, 9, 6], [4, 6, 4]]
    """
    x, w = _array(x, "x", np.uint8), _array(w, "w", np.int8)
    geometry = shapes.conv2d_geometry(
        x.shape,
        w.shape,
        strides=strides,
        padding=padding,
        dilation_rate=dilation_rate,
        groups=groups,
        input_name="x",
        kernel_name="w",
    )
    scale = _array(scale, "scale", np.float32)
    bias = None if bias is None else check.operand(_array(bias, "bias", np.float32))
    if residual is not None:
        residual = check.operand(_array(residual, "residual", np.uint8))
    wide = _dtype(dtype) == np.float32
    y = np.empty(geometry.output_shape, _dtype(dtype))
    if not geometry.batch:
        return y
    op = QuantizedConvolution(
        geometry,
        check.operand(x),
        check.operand(w),
        check.operand(scale),
        bias,
        y,
        normalize_int(zero_point, "zero_point", minimum=0),
        (-math.inf if wide else 0.0) if low is None else float(low),
        (math.inf if wide else 255.0) if high is None else float(high),
        residual,
        float(residual_scale),
    )
    _run(op, y, num_threads)
    return y


def dense(
    x: np.ndarray,
    w: np.ndarray,
    scale: np.ndarray,
    bias: np.ndarray | None = None,
    *,
    zero_point: int = 0,
    low: float | None = None,
    high: float | None = None,
    residual: np.ndarray | None = None,
    residual_scale: float = 0.0,
    dtype: Any = "uint8",
    num_threads: int | None = None,
) -> np.ndarray:
    """Return the same with `sum` that of (x - zero_point) * w over the last axis of `x`.

    Args:
        x: (..., I), uint8.
        w: (I, O), int8.
        scale, bias, zero_point, low, high, residual_scale, dtype, num_threads: as for `conv2d`,
            with K = O.
        residual: uint8 of the shape of the result, or None.

    Returns:
        y (..., O) of `dtype`.

    Raises:
        TypeError: as `conv2d`.
        ValueError: as `conv2d`.

    >>> import numpy as np
    >>> from fastconv.ops import quantized
    >>> x, w = np.array([[1, 2, 3]], np.uint8), np.ones((3, 1), np.int8)
    >>> quantized.dense(x, w, np.array([0.5], np.float32), dtype="float32").tolist()
    [[3.0]]
    """
    x, w = _array(x, "x", np.uint8), _array(w, "w", np.int8)
    if w.ndim != 2 or x.ndim < 1 or x.shape[-1] != w.shape[0]:
        raise ValueError(
            f"`x` must have shape (..., I) and `w` (I, O), received {x.shape} and {w.shape}"
        )
    if residual is not None:
        residual = _array(residual, "residual", np.uint8)
        check.check_shape(residual, "residual", (*x.shape[:-1], w.shape[1]), "as the result")
        residual = residual.reshape(-1, 1, 1, w.shape[1])
    y = conv2d(
        x.reshape(-1, 1, 1, x.shape[-1]),
        w[None, None],
        scale,
        bias,
        zero_point=zero_point,
        low=low,
        high=high,
        residual=residual,
        residual_scale=residual_scale,
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
    """Return the maximum of every window and channel, uint8 of the scale and zero point of `x`.

    Args:
        x: (N, H, W, C), uint8. N may be 0.
        pool_size, strides, padding: as for `fastconv.ops.max_pool2d`; padding is excluded.
        num_threads: number of threads; None for `fastconv.runtime.get_num_threads()`.

    Returns:
        y (N, OH, OW, C), uint8.

    Raises:
        TypeError: `x` is not a uint8 array.
        ValueError: as `fastconv.ops.max_pool2d`.

    >>> import numpy as np
    >>> from fastconv.ops import quantized
    >>> quantized.max_pool2d(np.arange(4, dtype=np.uint8).reshape(1, 2, 2, 1)).item()
    3
    """
    x = _array(x, "x", np.uint8)
    geometry = shapes.pool2d_geometry(
        x.shape, pool_size=pool_size, strides=strides, padding=padding, input_name="x"
    )
    y = np.empty(geometry.output_shape, np.uint8)
    if geometry.batch:
        _run(QuantizedMaxPool(geometry, check.operand(x), y), y, num_threads)
    return y


def _run(op: Any, y: np.ndarray, num_threads: int | None) -> None:
    threads = runtime.resolve_num_threads(num_threads)
    if y.size:
        op.run(threads)


def _array(value: Any, name: str, dtype: Any) -> np.ndarray:
    array = check.check_array(value, name)
    if array.dtype.newbyteorder("=") != dtype:
        raise TypeError(f"`{name}` must be {np.dtype(dtype)}, received {array.dtype}")
    return array


def _dtype(value: Any) -> np.dtype:
    dtype = np.dtype(value)
    if dtype not in _DTYPES:
        raise TypeError(f"`dtype` must be 'uint8' or 'float32', received {dtype}")
    return dtype
