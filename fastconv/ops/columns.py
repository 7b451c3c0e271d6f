"""im2col and col2im: images as matrices of receptive fields.

Every receptive field of a convolution becomes a column, so that the convolution becomes one matrix
product, `w.reshape(-1, K).T @ im2col(x, kernel_size)`. The kernels of this package do not build the
matrix, which contains every pixel once per receptive field; these two functions are for
demonstration and for NumPy code.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv import runtime, shapes
from fastconv._ext._columns import Col2im, Im2col
from fastconv.ops import _validation as check


def im2col(
    x: np.ndarray,
    kernel_size: Any,
    *,
    strides: Any = 1,
    padding: Any = "valid",
    dilation_rate: Any = 1,
    num_threads: int | None = None,
) -> np.ndarray:
    """Copy every receptive field to a column.

    Args:
        x: (N, H, W, C), float32 or float64. N may be 0.
        kernel_size: an int or (KH, KW).
        strides, padding, dilation_rate: as for `conv2d`, padded with zeros.
        num_threads: number of threads; None for `fastconv.runtime.get_num_threads()`.

    Returns:
        cols (KH * KW * C, N * OH * OW), the dtype of `x`. The rows have the order of a stored
        filter (row, column, channel), the columns the order of the output positions (image, row,
        column). Always a copy.

    Raises:
        TypeError: `x` is not a float32 or float64 array, a number is not an integer.
        ValueError: as `conv2d`.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.im2col(np.zeros((1, 227, 227, 3)), 11, strides=4).shape
    (363, 3025)
    >>> ops.im2col(np.arange(6.0).reshape(1, 2, 3, 1), 2).tolist()
    [[0.0, 1.0], [1.0, 2.0], [3.0, 4.0], [4.0, 5.0]]
    """
    x = check.check_float(x, "x")
    g = _geometry(x.shape, kernel_size, strides, padding, dilation_rate, "x")
    threads = runtime.resolve_num_threads(num_threads)
    x = check.operand(x)
    cols = np.empty(_field_shape(g), x.dtype)
    if g.batch:
        Im2col(g, x, cols).run(threads)
    return cols.reshape(_matrix_shape(g))


def col2im(
    cols: np.ndarray,
    *,
    input_shape: Any,
    kernel_size: Any,
    strides: Any = 1,
    padding: Any = "valid",
    dilation_rate: Any = 1,
    num_threads: int | None = None,
) -> np.ndarray:
    """Sum columns into an image, adding where receptive fields overlap.

    This is the transpose of `im2col`, used for gradients, and not its inverse: a pixel in m fields
    is added m times.

    Args:
        cols: (KH * KW * C, N * OH * OW), float32 or float64, ordered as by `im2col`.
        input_shape: (N, H, W, C) of the images.
        kernel_size, strides, padding, dilation_rate, num_threads: as for `im2col`.

    Returns:
        x (N, H, W, C), the dtype of `cols`.

    Raises:
        TypeError, ValueError: as `im2col`; ValueError too if `cols` has another shape.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.col2im(np.ones((4, 4)), input_shape=(1, 3, 3, 1), kernel_size=2)[0, :, :, 0].tolist()
    [[1.0, 2.0, 1.0], [2.0, 4.0, 2.0], [1.0, 2.0, 1.0]]
    """
    cols = check.check_float(cols, "cols")
    input_shape = shapes.normalize_shape(input_shape, "input_shape", "N, H, W, C")
    g = _geometry(input_shape, kernel_size, strides, padding, dilation_rate, "input_shape")
    check.check_shape(cols, "cols", _matrix_shape(g), "(KH * KW * C, N * OH * OW)")
    threads = runtime.resolve_num_threads(num_threads)
    cols = check.operand(cols)
    x = np.empty(input_shape, cols.dtype)
    if g.batch:
        Col2im(g, x, cols.reshape(_field_shape(g))).run(threads)
    return x


def _geometry(
    input_shape: tuple[int, ...],
    kernel_size: Any,
    strides: Any,
    padding: Any,
    dilation_rate: Any,
    input_name: str,
) -> shapes.Conv2DGeometry:
    """Return the geometry with one filter: receptive fields do not depend on the filters."""
    channels = shapes.normalize_shape(input_shape, input_name, "N, H, W, C")[3]
    kernel_h, kernel_w = shapes.normalize_pair(kernel_size, "kernel_size")
    g = shapes.conv2d_geometry(
        input_shape,
        (kernel_h, kernel_w, channels, 1),
        strides=strides,
        padding=padding,
        dilation_rate=dilation_rate,
        input_name=input_name,
    ).compact()
    shapes.checked_product((*_field_shape(g), 8), "the column matrix (in bytes)")
    return g


def _field_shape(g: shapes.Conv2DGeometry) -> tuple[int, ...]:
    return (g.kernel_h, g.kernel_w, g.channels, g.batch, g.out_h, g.out_w)


def _matrix_shape(g: shapes.Conv2DGeometry) -> tuple[int, int]:
    return (g.kernel_h * g.kernel_w * g.channels, g.batch * g.out_h * g.out_w)
