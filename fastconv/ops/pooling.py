"""2-D maximum and average pooling and their gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv import runtime, shapes
from fastconv._ext._pool import (
    AveragePoolBackward,
    AveragePoolForward,
    MaxPoolBackward,
    MaxPoolForward,
)
from fastconv.common.literals import WindowPadding
from fastconv.ops import _validation as check


def max_pool2d(
    x: np.ndarray,
    *,
    pool_size: Any = 2,
    strides: Any = None,
    padding: WindowPadding = "valid",
    return_argmax: bool = False,
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
    """The maximum of every window and channel; padding is excluded.

    Args:
        x: (N, H, W, C), float32 or float64. N may be 0.
        pool_size: size of the window, an int or (rows, columns).
        strides: stride of the window, an int or (rows, columns); None for `pool_size`.
        padding: "valid", "same", an int, (ph, pw) or ((top, bottom), (left, right)); every window
            must cover at least one pixel.
        return_argmax: whether to also return the positions of the maxima, for
            `max_pool2d_backward`.
        out: array for y: writable, C-contiguous, of y's shape and dtype, no overlap with `x`.
        num_threads: number of threads; None for `fastconv.runtime.get_num_threads()`.

    Returns:
        y (N, OH, OW, C), the dtype of `x`: `out` if given; with `return_argmax` the pair (y,
        argmax). argmax has y's shape and contains the position `i * pool_w + j` in the window of
        the first maximum, as uint8, or as int32 if the window has more than 256 positions. NaN
        counts as the maximum.

    Raises:
        TypeError: `x` is not a float32 or float64 array, a number is not an integer.
        ValueError: a window is not positive, larger than the padded image, or only padding; it has
            more than 2^24 positions with `return_argmax` in float32; `out` is invalid.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> x = np.array([[1.0, 1, 2, 4], [5, 6, 7, 8], [3, 2, 1, 0], [1, 2, 3, 4]])
    >>> y, argmax = ops.max_pool2d(x.reshape(1, 4, 4, 1), return_argmax=True)
    >>> y.reshape(2, 2).tolist(), argmax.reshape(2, 2).tolist()
    ([[6.0, 8.0], [3.0, 4.0]], [[3, 3], [0, 3]])
    """
    geometry, x, y, threads = _forward(x, pool_size, strides, padding, out, num_threads)
    argmax = np.empty(geometry.output_shape, geometry.argmax_dtype) if return_argmax else None
    if geometry.batch:
        MaxPoolForward(geometry, x, y, argmax).run(threads)
    y = y if out is None else out
    return y if argmax is None else (y, argmax)


def max_pool2d_backward(
    dy: np.ndarray,
    argmax: np.ndarray,
    *,
    input_shape: Any,
    pool_size: Any = 2,
    strides: Any = None,
    padding: WindowPadding = "valid",
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """The gradient of `max_pool2d` with respect to its input: dy at the positions of the maxima.

    Args:
        dy: (N, OH, OW, C), float32 or float64, the gradient with respect to the output.
        argmax: (N, OH, OW, C), integers, as returned by `max_pool2d`.
        input_shape: (N, H, W, C) of the forward pass.
        pool_size, strides, padding: as in the forward pass.
        out: array for dx: writable, C-contiguous, of dx's shape and dtype, no overlap with inputs.
        num_threads: as for `max_pool2d`.

    Returns:
        dx (N, H, W, C), the dtype of `dy`: `out` if given. A pixel that is the maximum of several
        windows gets the sum of their gradients.

    Raises:
        TypeError: as `max_pool2d`, or `argmax` is not an integer array.
        ValueError: as `max_pool2d`, or `dy` and `argmax` do not have the output shape, or an entry
            of `argmax` is outside of the window or the image.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> dy, argmax = np.array([5.0, 7.0]).reshape(1, 1, 2, 1), np.array([3, 0]).reshape(1, 1, 2, 1)
    >>> ops.max_pool2d_backward(dy, argmax, input_shape=(1, 2, 4, 1)).reshape(2, 4).tolist()
    [[0.0, 0.0, 7.0, 0.0], [0.0, 5.0, 0.0, 0.0]]
    """
    dy = check.check_float(dy, "dy")
    argmax = check.check_array(argmax, "argmax")
    if argmax.dtype.kind not in "iu":
        raise TypeError(f"`argmax` must hold integers, received {argmax.dtype}")
    geometry = _geometry_of(dy, input_shape, pool_size, strides, padding)
    check.check_shape(argmax, "argmax", geometry.output_shape, "as the output of the forward pass")
    _check_argmax(argmax, geometry)
    threads = runtime.resolve_num_threads(num_threads)
    dx = check.result(out, geometry.input_shape, dy, {"dy": dy, "argmax": argmax})
    if geometry.batch:
        winners = check.operand(argmax.astype(geometry.argmax_dtype, copy=False))
        MaxPoolBackward(geometry, check.operand(dy), winners, dx).run(threads)
    return dx if out is None else out


def _check_argmax(argmax: np.ndarray, geometry: shapes.Pool2DGeometry) -> None:
    """Check that every position is a pixel of the image, because the kernel writes there."""
    places = geometry.pool_h * geometry.pool_w
    wrong = (argmax < 0) | (argmax >= places)
    if any(map(any, geometry.padding)) and not wrong.any():
        i, j = np.divmod(argmax.astype(np.int64, copy=False), geometry.pool_w)
        rows = np.arange(geometry.out_h)[:, None, None] * geometry.stride_h - geometry.pad_top + i
        columns = np.arange(geometry.out_w)[:, None] * geometry.stride_w - geometry.pad_left + j
        wrong = (rows < 0) | (rows >= geometry.height)
        wrong |= (columns < 0) | (columns >= geometry.width)
    if wrong.any():
        at = tuple(map(int, np.argwhere(wrong)[0]))
        raise ValueError(
            f"`argmax` must point to a pixel of its window in [0, {places}) and of the image, "
            f"received {argmax[at]} at {at}"
        )


def avg_pool2d(
    x: np.ndarray,
    *,
    pool_size: Any = 2,
    strides: Any = None,
    padding: WindowPadding = "valid",
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """The mean of every window and channel, over the pixels inside the image.

    Arguments and errors are those of `max_pool2d`. Padding is excluded from both sum and count.

    Returns:
        y (N, OH, OW, C), the dtype of `x`: `out` if given.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> x = np.arange(9.0).reshape(1, 3, 3, 1)
    >>> ops.avg_pool2d(x).reshape(1, 1).tolist()
    [[2.0]]
    >>> ops.avg_pool2d(x, padding="same").reshape(2, 2).tolist()
    [[2.0, 3.5], [6.5, 8.0]]
    """
    geometry, x, y, threads = _forward(x, pool_size, strides, padding, out, num_threads)
    if geometry.batch:
        AveragePoolForward(geometry, x, y).run(threads)
    return y if out is None else out


def avg_pool2d_backward(
    dy: np.ndarray,
    *,
    input_shape: Any,
    pool_size: Any = 2,
    strides: Any = None,
    padding: WindowPadding = "valid",
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """The gradient of `avg_pool2d` with respect to its input: dy divided among the window's pixels.

    Arguments and errors are those of `max_pool2d_backward`, without `argmax`.

    Returns:
        dx (N, H, W, C), the dtype of `dy`: `out` if given.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> dy = np.array([4.0, 8.0]).reshape(1, 1, 2, 1)
    >>> ops.avg_pool2d_backward(dy, input_shape=(1, 2, 4, 1)).reshape(2, 4).tolist()
    [[1.0, 1.0, 2.0, 2.0], [1.0, 1.0, 2.0, 2.0]]
    """
    dy = check.check_float(dy, "dy")
    geometry = _geometry_of(dy, input_shape, pool_size, strides, padding)
    threads = runtime.resolve_num_threads(num_threads)
    dx = check.result(out, geometry.input_shape, dy, {"dy": dy})
    if geometry.batch:
        AveragePoolBackward(geometry, check.operand(dy), dx).run(threads)
    return dx if out is None else out


def _forward(
    x: Any,
    pool_size: Any,
    strides: Any,
    padding: Any,
    out: np.ndarray | None,
    num_threads: int | None,
) -> tuple[shapes.Pool2DGeometry, np.ndarray, np.ndarray, int]:
    """Check a forward pass; return its geometry, x for the kernel, y and the number of threads."""
    x = check.check_float(x, "x")
    geometry = shapes.pool2d_geometry(
        x.shape, pool_size=pool_size, strides=strides, padding=padding, input_name="x"
    )
    threads = runtime.resolve_num_threads(num_threads)
    y = check.result(out, geometry.output_shape, x, {"x": x})
    return geometry, check.operand(x), y, threads


def _geometry_of(
    dy: np.ndarray, input_shape: Any, pool_size: Any, strides: Any, padding: Any
) -> shapes.Pool2DGeometry:
    """Return the geometry of the forward pass, whose output has the shape of `dy`."""
    geometry = shapes.pool2d_geometry(
        input_shape, pool_size=pool_size, strides=strides, padding=padding
    )
    check.check_shape(dy, "dy", geometry.output_shape, "as the output of the forward pass")
    return geometry
