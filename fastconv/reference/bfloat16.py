"""The definition of the operations on bfloat16; see `fastconv.ops.bfloat16`.

A bfloat16 is a float32 whose lower 16 bits are zero; arrays here are float32 with such values. A
product of two is exact in float32, up to its exponent. Sums are float32, rounded after each
product, in the order of the instruction vdpbf16ps: of every pair of elements, the second product
comes first. Numbers below the normal range of float32 count as zero.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv import reference, shapes

_SMALLEST_NORMAL = np.float32(2.0**-126)


def rounded(x: Any) -> np.ndarray:
    """float32 -> the nearest bfloat16, of two the even one, as float32

    A NaN stays one, and numbers below the normal range become 0.

    >>> rounded([1.0, 1.005, 1.00390625, 1.01171875]).tolist()
    [1.0, 1.0078125, 1.0, 1.015625]
    """
    values = _flushed(np.asarray(x, np.float32))
    bits = values.view(np.uint32)
    upper = (bits + (0x7FFF + (bits >> 16 & 1))) & 0xFFFF0000
    return np.where(np.isnan(values), np.float32(np.nan), upper.view(np.float32))


def conv2d(
    x: Any,
    w: Any,
    bias: Any = None,
    *,
    low: float = -np.inf,
    high: float = np.inf,
    residual: Any = None,
    dtype: str = "bfloat16",
    **window: Any,
) -> np.ndarray:
    """x (N, H, W, C), w (KH, KW, C / groups, K), bias (K,) -> y (N, OH, OW, K)

    >>> conv2d(np.full((1, 1, 1, 2), 1.5), np.array([2.0, -1.0]).reshape(1, 1, 2, 1)).item()
    1.5
    """
    x, w = rounded(x), rounded(w)
    g = shapes.conv2d_geometry(x.shape, w.shape, **window).compact()
    padded = np.pad(x, ((0, 0), *g.padding, (0, 0)))
    fields = []  # one (N, OH, OW, groups, C / groups) for each position of the kernel
    for i in range(g.kernel_h):
        for j in range(g.kernel_w):
            rows = slice(i * g.dilation_h, i * g.dilation_h + g.out_h * g.stride_h, g.stride_h)
            cols = slice(j * g.dilation_w, j * g.dilation_w + g.out_w * g.stride_w, g.stride_w)
            field = padded[:, rows, cols][:, : g.out_h, : g.out_w]
            fields.append(field.reshape(*field.shape[:3], g.groups, -1))
    w = w.reshape(len(fields), -1, g.groups, g.filters // g.groups)
    sums = np.zeros((*g.output_shape[:3], g.groups, g.filters // g.groups), np.float32)
    # Pairs do not cross the rows of a kernel or, if dilated, its positions.
    run = g.kernel_w if g.dilation_w == 1 else 1
    depthwise = g.groups == g.channels == g.filters
    for start in range(0, len(fields), run):
        xs = np.concatenate(fields[start : start + run], axis=-1)[..., None]
        ws = np.concatenate(list(w[start : start + run]))
        order = np.arange(len(ws))
        if not depthwise:
            pairs = order + 1 - 2 * (order % 2)  # 1, 0, 3, 2 ...
            order = pairs[pairs < len(ws)] if len(ws) % 2 == 0 else [*pairs[:-1], len(ws) - 1]
        for c in order:
            sums = _flushed(sums + xs[..., c, :].astype(np.float64) * ws[c])
    y = sums.reshape(g.output_shape)
    if bias is not None:
        y = _flushed(y + np.asarray(bias, np.float32))
    if residual is not None:
        y = _flushed(y + rounded(residual))
    y = np.clip(y, np.float32(low), np.float32(high))
    return rounded(y) if dtype == "bfloat16" else y


def dense(x: Any, w: Any, bias: Any = None, **options: Any) -> np.ndarray:
    """x (..., I), w (I, O) -> y (..., O); options as for `conv2d`

    >>> dense(np.array([[1.0, 2.0, 3.0]]), np.ones((3, 1))).tolist()
    [[6.0]]
    """
    x, w = np.asarray(x), np.asarray(w)
    residual = options.pop("residual", None)
    if residual is not None:
        options["residual"] = np.asarray(residual).reshape(-1, 1, 1, w.shape[1])
    y = conv2d(x.reshape(-1, 1, 1, x.shape[-1]), w[None, None], bias, **options)
    return y.reshape(*x.shape[:-1], w.shape[1])


def max_pool2d(x: Any, **window: Any) -> np.ndarray:
    """x (N, H, W, C) -> y (N, OH, OW, C)

    >>> max_pool2d(np.arange(4.0).reshape(1, 2, 2, 1)).item()
    3.0
    """
    return np.asarray(reference.max_pool2d(rounded(x), **window), np.float32)


def _flushed(value: np.ndarray) -> np.ndarray:
    """float32, with 0 for numbers below the normal range."""
    value = value.astype(np.float32)
    return np.where(np.abs(value) < _SMALLEST_NORMAL, np.copysign(np.float32(0), value), value)
