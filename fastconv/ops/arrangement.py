"""Padding, cropping, resizing, transposition and affine maps of images, with their gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv import resampling, runtime, shapes
from fastconv._ext._resample import Resample, Warp, WarpBackward
from fastconv.common.arguments import choice
from fastconv.common.literals import FillMode, Interpolation, PaddingMode
from fastconv.ops import _validation as check
from fastconv.ops._function import Spec, function


def pad2d(
    x: np.ndarray,
    padding: Any,
    *,
    padding_mode: PaddingMode = "zeros",
    value: float = 0.0,
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """Pad every image.

    Args:
        x: (N, H, W, C), float32 or float64. N may be 0.
        padding: an int, (ph, pw) or ((top, bottom), (left, right)).
        padding_mode: "zeros" (filled with `value`), "edge" (the outermost pixel repeated) or
            "reflect" (mirrored about the outermost pixel, by less than H and W).
        value: fill value of "zeros".
        out: array for y: writable, C-contiguous, of y's shape and dtype, no overlap with `x`.
        num_threads: number of threads; None for `fastconv.runtime.get_num_threads()`.

    Returns:
        y (N, top + H + bottom, left + W + right, C), the dtype of `x`: `out` if given.

    Raises:
        TypeError: `x` is not a float32 or float64 array, a size is not an integer.
        ValueError: a size is negative, a mode is unknown, a reflection exceeds the image, or `out`
            is invalid.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.pad2d(np.array([1.0, 2, 3]).reshape(1, 1, 3, 1), (0, 2), padding_mode="reflect").ravel()
    array([3., 2., 1., 2., 3., 2., 1.])
    """
    x = check.check_float(x, "x")
    batch, height, width, channels = shapes.normalize_shape(x.shape, "x", "N, H, W, C")
    rows, columns = _sides(padding, "padding")
    choice(padding_mode, "padding_mode", shapes.PADDING_MODES)
    _check_reflection(padding_mode, (rows, columns), (height, width))
    _check_bytes(batch, sum(rows) + height, sum(columns) + width, channels)
    maps = (
        resampling.pad_axis(height, *rows, padding_mode),
        resampling.pad_axis(width, *columns, padding_mode),
    )
    return _mapped(x, "x", maps, out, num_threads, float(value))


def pad2d_backward(
    dy: np.ndarray,
    padding: Any,
    *,
    padding_mode: PaddingMode = "zeros",
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """The gradient of `pad2d` with respect to its input.

    Args:
        dy: (N, top + H + bottom, left + W + right, C), the gradient with respect to the output.
        padding, padding_mode: as in the forward pass.
        out, num_threads: as for `pad2d`.

    Returns:
        dx (N, H, W, C): every pixel gets the sum over its copies.

    Raises as `pad2d`, and ValueError if `dy` contains only padding.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.pad2d_backward(np.ones((1, 1, 5, 1)), (0, 1), padding_mode="edge").ravel()
    array([2., 1., 2.])
    """
    dy = check.check_float(dy, "dy")
    _, height, width, _ = shapes.normalize_shape(dy.shape, "dy", "N, H, W, C")
    rows, columns = _sides(padding, "padding")
    choice(padding_mode, "padding_mode", shapes.PADDING_MODES)
    height, width = height - sum(rows), width - sum(columns)
    if height < 1 or width < 1:
        raise ValueError(f"`padding` must leave something of `dy`, received {padding!r}")
    _check_reflection(padding_mode, (rows, columns), (height, width))
    maps = (
        resampling.pad_axis(height, *rows, padding_mode).transposed,
        resampling.pad_axis(width, *columns, padding_mode).transposed,
    )
    return _mapped(dy, "dy", maps, out, num_threads)


def crop2d(
    x: np.ndarray, cropping: Any, *, out: np.ndarray | None = None, num_threads: int | None = None
) -> np.ndarray:
    """Crop every image.

    Args:
        x: (N, H, W, C), float32 or float64. N may be 0.
        cropping: an int, (rows, columns) or ((top, bottom), (left, right)).
        out, num_threads: as for `pad2d`.

    Returns:
        y (N, H - top - bottom, W - left - right, C).

    Raises as `pad2d`, and ValueError if the result is empty.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.crop2d(np.arange(4.0).reshape(1, 1, 4, 1), ((0, 0), (1, 0))).ravel()
    array([1., 2., 3.])
    """
    x = check.check_float(x, "x")
    _, height, width, _ = shapes.normalize_shape(x.shape, "x", "N, H, W, C")
    rows, columns = _sides(cropping, "cropping")
    if sum(rows) >= height or sum(columns) >= width:
        raise ValueError(f"`cropping` must leave something of `x`, received {cropping!r}")
    maps = (resampling.crop_axis(height, *rows), resampling.crop_axis(width, *columns))
    return _mapped(x, "x", maps, out, num_threads)


def crop2d_backward(
    dy: np.ndarray, cropping: Any, *, out: np.ndarray | None = None, num_threads: int | None = None
) -> np.ndarray:
    """The gradient of `crop2d` with respect to its input: dy with zeros around it.

    Args:
        dy: (N, H - top - bottom, W - left - right, C).
        cropping: as in the forward pass.
        out, num_threads: as for `pad2d`.

    Returns:
        dx (N, H, W, C).

    Raises as `pad2d`.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.crop2d_backward(np.ones((1, 1, 2, 1)), ((0, 0), (1, 0))).ravel()
    array([0., 1., 1.])
    """
    return pad2d(
        check.check_float(dy, "dy"),
        _sides(cropping, "cropping"),
        out=out,
        num_threads=num_threads,
    )


def upsample2d(
    x: np.ndarray,
    size: Any = 2,
    *,
    interpolation: Interpolation = "nearest",
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """Enlarge images by integer factors.

    Args:
        x: (N, H, W, C), float32 or float64. N may be 0.
        size: factors, an int or (rows, columns).
        interpolation: "nearest" (every pixel repeated) or "bilinear".
        out, num_threads: as for `pad2d`.

    Returns:
        y (N, H * rows, W * columns, C).

    Raises as `pad2d`.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> x = np.array([0.0, 4.0]).reshape(1, 1, 2, 1)
    >>> ops.upsample2d(x, (1, 2)).ravel()
    array([0., 0., 4., 4.])
    >>> ops.upsample2d(x, (1, 2), interpolation="bilinear").ravel()
    array([0., 1., 3., 4.])
    """
    x = check.check_float(x, "x")
    _, height, width, _ = shapes.normalize_shape(x.shape, "x", "N, H, W, C")
    rows, columns = shapes.normalize_pair(size, "size")
    return resize2d(
        x,
        (height * rows, width * columns),
        interpolation=interpolation,
        out=out,
        num_threads=num_threads,
    )


def upsample2d_backward(
    dy: np.ndarray,
    size: Any = 2,
    *,
    interpolation: Interpolation = "nearest",
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """The gradient of `upsample2d` with respect to its input.

    Args:
        dy: (N, H * rows, W * columns, C).
        size, interpolation: as in the forward pass.
        out, num_threads: as for `pad2d`.

    Returns:
        dx (N, H, W, C).

    Raises as `pad2d`, and ValueError if the size of `dy` is not a multiple of `size`.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.upsample2d_backward(np.arange(4.0).reshape(1, 1, 4, 1), (1, 2)).ravel()
    array([1., 5.])
    """
    dy = check.check_float(dy, "dy")
    batch, height, width, channels = shapes.normalize_shape(dy.shape, "dy", "N, H, W, C")
    rows, columns = shapes.normalize_pair(size, "size")
    if height % rows or width % columns:
        raise ValueError(
            f"`dy` must have multiples of `size` (={(rows, columns)}) rows and columns, "
            f"received shape {dy.shape}"
        )
    return resize2d_backward(
        dy,
        input_shape=(batch, height // rows, width // columns, channels),
        interpolation=interpolation,
        out=out,
        num_threads=num_threads,
    )


def resize2d(
    x: np.ndarray,
    size: Any,
    *,
    interpolation: Interpolation = "bilinear",
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """Resize images, with the pixel centres of TensorFlow and Keras.

    Args:
        x: (N, H, W, C), float32 or float64. N may be 0.
        size: size of the output, an int or (rows, columns).
        interpolation: "nearest" or "bilinear"; without antialiasing when an image shrinks.
        out, num_threads: as for `pad2d`.

    Returns:
        y (N, rows, columns, C).

    Raises as `pad2d`.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.resize2d(np.array([0.0, 3, 6]).reshape(1, 1, 3, 1), (1, 2)).ravel()
    array([0.75, 5.25])
    """
    choice(interpolation, "interpolation", resampling.INTERPOLATIONS)
    return resample2d(x, size, interpolation, False, out, num_threads)


def resize2d_backward(
    dy: np.ndarray,
    *,
    input_shape: Any,
    interpolation: Interpolation = "bilinear",
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """The gradient of `resize2d` with respect to its input.

    Args:
        dy: (N, rows, columns, C).
        input_shape: (N, H, W, C) of the forward pass.
        interpolation: as in the forward pass.
        out, num_threads: as for `pad2d`.

    Returns:
        dx (N, H, W, C).

    Raises as `pad2d`, and ValueError if `dy` and `input_shape` differ in N or C.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.resize2d_backward(np.ones((1, 1, 2, 1)), input_shape=(1, 1, 3, 1)).ravel()
    array([0.75, 0.5 , 0.75])
    """
    choice(interpolation, "interpolation", resampling.INTERPOLATIONS)
    return resample2d_backward(dy, input_shape, interpolation, False, out, num_threads)


def resample2d(
    x: np.ndarray,
    size: Any,
    interpolation: str,
    antialias: bool,
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """As `resize2d`, with all interpolations of `fastconv.resampling.resize_axis`."""
    x = check.check_float(x, "x")
    batch, height, width, channels = shapes.normalize_shape(x.shape, "x", "N, H, W, C")
    outputs = shapes.normalize_pair(size, "size")
    _check_bytes(batch, *outputs, channels)
    maps = _resizing((height, width), outputs, interpolation, antialias)
    return _mapped(x, "x", maps, out, num_threads)


def resample2d_backward(
    dy: np.ndarray,
    input_shape: Any,
    interpolation: str,
    antialias: bool,
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """The gradient of `resample2d` with respect to its input."""
    dy = check.check_float(dy, "dy")
    _, rows, columns, _ = shapes.normalize_shape(dy.shape, "dy", "N, H, W, C")
    inputs = shapes.normalize_shape(input_shape, "input_shape", "N, H, W, C")
    _check_ends(dy, inputs)
    maps = _resizing(inputs[1:3], (rows, columns), interpolation, antialias)
    return _mapped(dy, "dy", tuple(m.transposed for m in maps), out, num_threads)


def _order(axes: Any, shape: tuple[int | None, ...]) -> tuple[int, ...]:
    """Return the axes of a transposition; None reverses them."""
    if axes is None:
        return tuple(reversed(range(len(shape))))
    if not isinstance(axes, (tuple, list)):
        raise TypeError(f"`axes` must be a tuple of integers, received {axes!r}")
    rank = len(shape)
    numbers = [shapes.normalize_int(axis, "axes", minimum=-rank) for axis in axes]
    order = tuple(number + rank if number < 0 else number for number in numbers)
    if sorted(order) != list(range(rank)) or rank > _MOST_AXES:
        raise ValueError(
            f"`axes` must hold each axis of `x` once, at most {_MOST_AXES}, received {axes!r} for "
            f"shape {shape}"
        )
    return order


def _transposed(x: Spec, axes: Any = None) -> tuple:
    return tuple(x.shape[axis] for axis in _order(axes, x.shape))


@function(
    "numpy",
    "Transpose",
    gradient=lambda dy, y, x, axes: np.transpose(dy, np.argsort(_order(axes, x.shape))),
    shape=_transposed,
    strict=True,
)
def transpose(
    x: Any,
    axes: Any = None,
    *,
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """Permute the axes into a new array; the gradient is `transpose` by the inverse permutation.

    Args:
        x: of any shape with at most 8 axes, float32 or float64.
        axes: axis i of the output is axis axes[i] of `x`, negative ones from the end; by default
            in reverse order.
        out, num_threads: as for `pad2d`.

    Returns:
        y, C-contiguous.

    Raises:
        TypeError: `x` is not a float32 or float64 array, `axes` are not integers.
        ValueError: `axes` is not a permutation of the axes of `x`, has more than 8, or `out` is
            invalid.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.transpose(np.zeros((2, 3, 4, 5)), (0, 3, 1, 2)).shape
    (2, 5, 3, 4)
    """
    x = check.check_float(x, "x")
    order = _order(axes, x.shape)
    threads = runtime.resolve_num_threads(num_threads)
    y = check.result(out, tuple(x.shape[axis] for axis in order), x, {"x": x})
    if y.size:
        Resample(check.operand(x), y, [None] * x.ndim, order).run(threads)
    return y if out is None else out


def warp(
    x: np.ndarray,
    transforms: np.ndarray,
    *,
    size: Any = None,
    interpolation: Interpolation = "bilinear",
    fill_mode: FillMode = "constant",
    fill_value: float = 0.0,
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """Apply an affine map to every image: rotation, shift, zoom, reflection.

    y[n, i, j] = x[n] at column a0 j + a1 i + a2 and row b0 j + b1 i + b2

    Args:
        x: (N, H, W, C), float32 or float64. N may be 0.
        transforms: (N, 6), numbers a0, a1, a2, b0, b1, b2.
        size: size of the output, an int or (rows, columns); None for that of `x`.
        interpolation: "nearest" or "bilinear".
        fill_mode: values outside of the image: "constant" (`fill_value`), "nearest"
            (a a | a b c | c c), "reflect" (b a | a b c | c b) or "wrap" (b c | a b c | a b), as in
            Keras.
        fill_value: value for "constant".
        out, num_threads: as for `pad2d`.

    Returns:
        y (N, rows, columns, C), the dtype of `x`.

    Raises as `pad2d`, and for `transforms` of another shape.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> x = np.array([1.0, 2, 3]).reshape(1, 1, 3, 1)
    >>> ops.warp(x, np.array([[-1.0, 0, 2, 0, 1, 0]])).ravel()  # mirrored
    array([3., 2., 1.])
    >>> ops.warp(x, np.array([[1.0, 0, 0.5, 0, 1, 0]]), fill_value=9).ravel()  # half a pixel left
    array([1.5, 2.5, 6. ])
    """
    x = check.check_float(x, "x")
    batch, height, width, channels = shapes.normalize_shape(x.shape, "x", "N, H, W, C")
    maps = _transforms(transforms, batch)
    rows, columns = (height, width) if size is None else shapes.normalize_pair(size, "size")
    choice(interpolation, "interpolation", resampling.INTERPOLATIONS)
    choice(fill_mode, "fill_mode", resampling.FILL_MODES)
    _check_bytes(batch, rows, columns, channels)
    threads = runtime.resolve_num_threads(num_threads)
    y = check.result(out, (batch, rows, columns, channels), x, {"x": x, "transforms": transforms})
    if batch:
        Warp(check.operand(x), y, maps, interpolation, fill_mode, float(fill_value)).run(threads)
    return y if out is None else out


def warp_backward(
    dy: np.ndarray,
    transforms: np.ndarray,
    *,
    input_shape: Any,
    interpolation: Interpolation = "bilinear",
    fill_mode: FillMode = "constant",
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """The gradient of `warp` with respect to its input.

    Args:
        dy: (N, rows, columns, C), float32 or float64.
        transforms, interpolation, fill_mode: as in the forward pass.
        input_shape: (N, H, W, C) of the forward pass.
        out, num_threads: as for `pad2d`.

    Returns:
        dx (N, H, W, C): every pixel gets the weighted sum over the outputs that read it.

    Raises as `warp`, and ValueError if `dy` and `input_shape` differ in N or C.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> shift = np.array([[1.0, 0, 0.5, 0, 1, 0]])
    >>> ops.warp_backward(np.ones((1, 1, 3, 1)), shift, input_shape=(1, 1, 3, 1)).ravel()
    array([0.5, 1. , 1. ])
    """
    dy = check.check_float(dy, "dy")
    batch, *_ = shapes.normalize_shape(dy.shape, "dy", "N, H, W, C")
    inputs = shapes.normalize_shape(input_shape, "input_shape", "N, H, W, C")
    _check_ends(dy, inputs)
    maps = _transforms(transforms, batch)
    choice(interpolation, "interpolation", resampling.INTERPOLATIONS)
    choice(fill_mode, "fill_mode", resampling.FILL_MODES)
    threads = runtime.resolve_num_threads(num_threads)
    dx = check.result(out, inputs, dy, {"dy": dy, "transforms": transforms})
    if batch:
        WarpBackward(check.operand(dy), dx, maps, interpolation, fill_mode).run(threads)
    return dx if out is None else out


_MOST_AXES = 8


def _mapped(x, name, maps, out, num_threads, fill=0.0):
    """Map the rows and columns of `x`."""
    shape = (x.shape[0], maps[0].output_size, maps[1].output_size, x.shape[3])
    threads = runtime.resolve_num_threads(num_threads)
    y = check.result(out, shape, x, {name: x})
    if x.shape[0]:
        Resample(check.operand(x), y, (None, *maps, None), fill=fill).run(threads)
    return y if out is None else out


def _check_bytes(*shape: int) -> None:
    """Check the size in bytes before an array of that size is created."""
    shapes.checked_product((*shape, 8), "the output (in bytes, 8 per element)")


def _sides(value: Any, name: str) -> shapes.Sides:
    sides = shapes.normalize_padding(value, name)
    if isinstance(sides, str):
        raise ValueError(
            f"`{name}` must be an int, (rows, columns) or ((top, bottom), (left, right)), "
            f"received {value!r}"
        )
    return sides


def _check_reflection(mode: str, sides: shapes.Sides, size: tuple[int, int]) -> None:
    if mode == "reflect" and any(max(side) >= n for side, n in zip(sides, size, strict=True)):
        raise ValueError(
            '`padding` must be smaller than the image for `padding_mode` "reflect", received '
            f"{sides} for a height and width of {size}"
        )


def _resizing(inputs, outputs, interpolation, antialias):
    return tuple(
        resampling.resize_axis(n, m, interpolation, antialias)
        for n, m in zip(inputs, outputs, strict=True)
    )


def _transforms(transforms: Any, batch: int) -> np.ndarray:
    maps = check.check_float(transforms, "transforms")
    check.check_shape(maps, "transforms", (batch, 6), "as one map per image")
    return np.ascontiguousarray(maps, np.float64)


def _check_ends(dy: np.ndarray, inputs: tuple[int, ...]) -> None:
    if (dy.shape[0], dy.shape[3]) != (inputs[0], inputs[3]):
        raise ValueError(
            f"`dy` and `input_shape` must have the same N and C, received {dy.shape} and {inputs}"
        )
