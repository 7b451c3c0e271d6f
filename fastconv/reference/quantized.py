"""The definition of the operations on 8-bit integers; see `fastconv.ops.quantized`.

A uint8 q with a scale and a zero point stands for the real number

    x = (q - zero_point) * scale

and an int8 filter with one scale per output channel for w * scale[k]. A product of two such numbers
is an integer times a product of scales, so a convolution is a sum of integers, exact in any order,
and then one multiplication and one addition per output, in float32 here as in the kernels.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv import shapes


def quantize(x: Any, scale: float, zero_point: int) -> np.ndarray:
    """float32 -> uint8, the nearest, of two the even one; a NaN becomes 0

    >>> quantize([-9.0, 0.0, 0.25, 0.75, 99.0], 0.5, 10).tolist()
    [0, 10, 10, 12, 208]
    """
    inverse = np.float32(1.0 / scale)
    return _uint8(np.asarray(x, np.float32) * inverse + np.float32(zero_point))


def dequantize(q: Any, scale: float, zero_point: int) -> np.ndarray:
    """uint8 -> float32

    >>> dequantize(np.array([10, 12], np.uint8), 0.5, 10).tolist()
    [0.0, 1.0]
    """
    return (np.asarray(q).astype(np.float32) - np.float32(zero_point)) * np.float32(scale)


def _uint8(value: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(np.where(np.isnan(value), 0, value), 0, 255)).astype(np.uint8)


def conv2d(
    x: Any,
    w: Any,
    scale: Any,
    bias: Any = None,
    *,
    zero_point: int = 0,
    low: float | None = None,
    high: float | None = None,
    residual: Any = None,
    residual_scale: float = 0.0,
    dtype: Any = np.uint8,
    **window: Any,
) -> np.ndarray:
    """x (N, H, W, C) uint8, w (KH, KW, C / groups, K) int8, scale and bias (K,) -> y (N, OH, OW, K)

    >>> x = np.full((1, 1, 1, 2), 13, np.uint8)
    >>> w = np.array([2, -1], np.int8).reshape(1, 1, 2, 1)
    >>> conv2d(x, w, [0.5], [4.0], zero_point=3).item()
    9
    """
    x, w = np.asarray(x), np.asarray(w)
    g = shapes.conv2d_geometry(x.shape, w.shape, **window).compact()
    padded = np.pad(x.astype(np.int64) - zero_point, ((0, 0), *g.padding, (0, 0)))
    sums = np.zeros((*g.output_shape[:3], g.groups, g.filters // g.groups), np.int64)
    w = w.astype(np.int64).reshape(*w.shape[:3], g.groups, -1)
    for i in range(g.kernel_h):
        for j in range(g.kernel_w):
            rows = slice(i * g.dilation_h, i * g.dilation_h + g.out_h * g.stride_h, g.stride_h)
            cols = slice(j * g.dilation_w, j * g.dilation_w + g.out_w * g.stride_w, g.stride_w)
            field = padded[:, rows, cols][:, : g.out_h, : g.out_w]
            field = field.reshape(*field.shape[:3], g.groups, -1)
            sums += np.einsum("npqgc,cgk->npqgk", field, w[i, j])
    y = sums.reshape(g.output_shape).astype(np.float32) * np.asarray(scale, np.float32)
    if bias is not None:
        y = y + np.asarray(bias, np.float32)
    if residual is not None:
        y = y + np.float32(residual_scale) * np.asarray(residual).astype(np.float32)
    y = np.clip(y, None if low is None else np.float32(low), high)
    return _uint8(y) if np.dtype(dtype) == np.uint8 else y.astype(np.float32)


def dense(x: Any, w: Any, scale: Any, bias: Any = None, **options: Any) -> np.ndarray:
    """x (..., I) uint8, w (I, O) int8 -> y (..., O); options as for `conv2d`

    >>> w = np.ones((3, 1), np.int8)
    >>> dense(np.array([[1, 2, 3]], np.uint8), w, [1.0], dtype=np.float32).tolist()
    [[6.0]]
    """
    x, w = np.asarray(x), np.asarray(w)
    residual = options.pop("residual", None)
    if residual is not None:
        options["residual"] = np.asarray(residual).reshape(-1, 1, 1, w.shape[1])
    y = conv2d(x.reshape(-1, 1, 1, x.shape[-1]), w[None, None], scale, bias, **options)
    return y.reshape(*x.shape[:-1], w.shape[1])


def max_pool2d(x: Any, **window: Any) -> np.ndarray:
    """x (N, H, W, C) uint8 -> y (N, OH, OW, C)

    >>> max_pool2d(np.arange(4, dtype=np.uint8).reshape(1, 2, 2, 1)).item()
    3
    """
    x = np.asarray(x)
    g = shapes.pool2d_geometry(x.shape, **window)
    padded = np.pad(x, ((0, 0), *g.padding, (0, 0)))  # with 0, the smallest number
    y = np.zeros(g.output_shape, np.uint8)
    for i in range(g.pool_h):
        for j in range(g.pool_w):
            rows = slice(i, i + g.out_h * g.stride_h, g.stride_h)
            cols = slice(j, j + g.out_w * g.stride_w, g.stride_w)
            y = np.maximum(y, padded[:, rows, cols][:, : g.out_h, : g.out_w])
    return y
