"""Convolution and pooling of volumes (N, D, H, W, C), by the operations on images.

Kernels are (KD, KH, KW, C / groups, K). `fastconv.shapes.volumes` explains how a volume becomes an
image for a convolution. A pooling is one along the width, of D * H rows, and then one along depth
and height, of W * C channels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastconv.ops.convolution import conv2d, conv2d_backward_input, conv2d_backward_kernel
from fastconv.ops.pooling import avg_pool2d, avg_pool2d_backward, max_pool2d, max_pool2d_backward
from fastconv.resampling import AxisMap
from fastconv.shapes import Folding, folding


def conv3d(x: np.ndarray, w: np.ndarray, **window: Any) -> np.ndarray:
    """y = conv(x, w), with the arguments of `fastconv.shapes.folding`."""
    folded = folding(x.shape[1:], w.shape, **window)
    y = conv2d(_to_image(x, folded), w.reshape(folded.geometry.kernel_shape), **_window(folded))
    return y.reshape(-1, *folded.output)


def conv3d_backward_input(
    dy: np.ndarray, w: np.ndarray, *, input_shape: tuple[int, ...], **window: Any
) -> np.ndarray:
    """dx, the gradient with respect to x of `input_shape`."""
    folded = folding(tuple(input_shape[1:]), w.shape, **window)
    if dy.shape[1:] != folded.output:
        raise ValueError(
            f"`dy` must have shape {(len(dy), *folded.output)} as the output of the forward pass, "
            f"received {dy.shape}"
        )
    geometry = folded.geometry.of_batch(len(dy))
    dx = conv2d_backward_input(
        dy.reshape(geometry.output_shape),
        w.reshape(geometry.kernel_shape),
        input_shape=geometry.input_shape,
        **_window(folded),
    )
    dx = dx.reshape(-1, *(folded.taps[axis] for axis in folded.order))
    dx = dx.transpose(0, *(place + 1 for place in folded.inverse_order))
    dx = dx.reshape(-1, *folded.gathered)
    for axis, each in enumerate(folded.maps, 1):
        dx = dx if each is None else _scattered(dx, each, axis)
    return dx


def conv3d_backward_kernel(
    x: np.ndarray, dy: np.ndarray, *, kernel_shape: tuple[int, ...], **window: Any
) -> np.ndarray:
    """dw, the gradient with respect to w of `kernel_shape`."""
    folded = folding(x.shape[1:], kernel_shape, **window)
    geometry = folded.geometry.of_batch(len(dy))
    dw, _ = conv2d_backward_kernel(
        _to_image(x, folded),
        dy.reshape(geometry.output_shape),
        kernel_size=geometry.kernel_shape[:2],
        **_window(folded),
    )
    return dw.reshape(kernel_shape)


def _window(folded: Folding) -> dict[str, Any]:
    g = folded.geometry
    return {
        "strides": (g.stride_h, g.stride_w),
        "padding": g.padding,
        "dilation_rate": (g.dilation_h, g.dilation_w),
        "groups": g.groups,
    }


def _to_image(x: np.ndarray, folded: Folding) -> np.ndarray:
    for axis, each in enumerate(folded.maps, 1):
        x = x if each is None else _gathered(x, each, axis)
    x = x.reshape(-1, *folded.taps).transpose(0, *(axis + 1 for axis in folded.order))
    return np.ascontiguousarray(x.reshape(-1, *folded.geometry.input_shape[1:]))


def _gathered(x: np.ndarray, axis_map: AxisMap, axis: int) -> np.ndarray:
    """Return the elements that a map without weights chooses along an axis, zeros without one."""
    chosen = np.diff(axis_map.begin) > 0
    index = np.zeros(axis_map.output_size, np.int64)
    index[chosen] = axis_map.index
    y = np.take(x, index, axis)
    np.moveaxis(y, axis, 0)[~chosen] = 0
    return y


def _scattered(dy: np.ndarray, axis_map: AxisMap, axis: int) -> np.ndarray:
    """Return the gradient of `_gathered`."""
    chosen = np.diff(axis_map.begin) > 0
    parts = np.moveaxis(dy, axis, 0)
    dx = np.zeros((axis_map.input_size, *parts.shape[1:]), dy.dtype)
    np.add.at(dx, axis_map.index, parts[chosen])
    return np.moveaxis(dx, 0, axis)


def _passes(pool_size: tuple[int, ...], strides: tuple[int, ...], padding: str) -> list[dict]:
    """Return the windows along the width, and along depth and height."""
    sizes = ((1, pool_size[2]), (1, strides[2])), (pool_size[:2], strides[:2])
    return [{"pool_size": p, "strides": s, "padding": padding} for p, s in sizes]


def pool3d(x: np.ndarray, kind: str, **window: Any) -> np.ndarray:
    """The maximum or mean ("average") of every window: `pool_size`, `strides` and `padding`."""
    pool: Callable[..., Any] = max_pool2d if kind == "max" else avg_pool2d
    across, along = _passes(**window)
    n, depth, height, width, channels = x.shape
    y = pool(x.reshape(n, depth * height, width, channels), **across)
    width = y.shape[2]
    y = pool(y.reshape(n, depth, height, width * channels), **along)
    return y.reshape(n, *y.shape[1:3], width, channels)


def pool3d_backward(dy: np.ndarray, x: np.ndarray, kind: str, **window: Any) -> np.ndarray:
    """dx, the gradient of `pool3d`."""
    across, along = _passes(**window)
    n, depth, height, width, channels = x.shape
    rows = x.reshape(n, depth * height, width, channels)
    out_w = dy.shape[3]
    middle = (n, depth, height, out_w * channels)
    dy = dy.reshape(n, *dy.shape[1:3], out_w * channels)
    if kind == "max":
        y, first = max_pool2d(rows, return_argmax=True, **across)
        _, second = max_pool2d(y.reshape(middle), return_argmax=True, **along)
        dy = max_pool2d_backward(dy, second, input_shape=middle, **along)
        dx = max_pool2d_backward(dy.reshape(y.shape), first, input_shape=rows.shape, **across)
    else:
        dy = avg_pool2d_backward(dy, input_shape=middle, **along)
        dy = dy.reshape(n, depth * height, out_w, channels)
        dx = avg_pool2d_backward(dy, input_shape=rows.shape, **across)
    return dx.reshape(x.shape)
