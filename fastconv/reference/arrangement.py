"""The definitions of `fastconv.ops.arrangement`, in plain NumPy and float64."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from fastconv import shapes

# `numpy.pad` names the same contents of a padding.
NUMPY_MODES: dict[str, Literal["constant", "edge", "reflect"]] = {
    "zeros": "constant",
    "edge": "edge",
    "reflect": "reflect",
}


def _sides(padding: Any) -> shapes.Sides:
    sides = shapes.normalize_padding(padding)
    if isinstance(sides, str):
        raise ValueError(f"sides must be numbers, received {padding!r}")
    return sides


def pad2d(x: Any, padding: Any, *, padding_mode: str = "zeros", value: float = 0.0) -> np.ndarray:
    """x (N, H, W, C) -> y (N, top + H + bottom, left + W + right, C)"""
    x = np.asarray(x, np.float64)
    sides = ((0, 0), *_sides(padding), (0, 0))
    if padding_mode == "zeros":
        return np.pad(x, sides, constant_values=value)
    return np.pad(x, sides, mode=NUMPY_MODES[padding_mode])


def pad2d_backward(dy: Any, padding: Any, *, padding_mode: str = "zeros") -> np.ndarray:
    """dy (N, top + H + bottom, left + W + right, C) -> dx (N, H, W, C)"""
    dx = np.asarray(dy, np.float64)
    for axis, (before, after) in enumerate(_sides(padding), start=1):
        size = dx.shape[axis] - before - after
        # 1 at (i, j) where padding makes element i out of element j
        copies = pad2d(np.eye(size)[None, :, :, None], ((before, after), (0, 0)))[0, :, :, 0]
        if padding_mode != "zeros":
            copies = np.eye(size)[
                np.pad(np.arange(size), (before, after), mode=NUMPY_MODES[padding_mode])
            ]
        dx = np.moveaxis(np.tensordot(copies, dx, axes=(0, axis)), 0, axis)
    return dx


def crop2d(x: Any, cropping: Any) -> np.ndarray:
    """x (N, H, W, C) -> y (N, H - top - bottom, W - left - right, C)"""
    x = np.asarray(x, np.float64)
    (top, bottom), (left, right) = _sides(cropping)
    return x[:, top : x.shape[1] - bottom, left : x.shape[2] - right]


def crop2d_backward(dy: Any, cropping: Any) -> np.ndarray:
    """dy (N, H - top - bottom, W - left - right, C) -> dx (N, H, W, C)"""
    return pad2d(dy, cropping)


def _sampling(size: int, outputs: int, interpolation: str) -> np.ndarray:
    """The matrix (outputs, size) that samples an axis: the centre of output i is at (i + 1/2) size
    / outputs, that of input j at j + 1/2, and a weight falls linearly with their distance."""
    centres = (np.arange(outputs)[:, None] + 0.5) * size / outputs
    inputs = np.arange(size) + 0.5
    if interpolation == "nearest":
        return (np.floor(centres) == np.arange(size)).astype(np.float64)
    inside = np.clip(centres, 0.5, size - 0.5)
    return np.maximum(1 - np.abs(inside - inputs), 0)


def resize2d(x: Any, size: Any, *, interpolation: str = "bilinear") -> np.ndarray:
    """x (N, H, W, C) -> y (N, rows, columns, C) for `size` (rows, columns)"""
    x = np.asarray(x, np.float64)
    rows, columns = shapes.normalize_pair(size, "size")
    by_row = _sampling(x.shape[1], rows, interpolation)
    by_column = _sampling(x.shape[2], columns, interpolation)
    return np.einsum("ph,qw,nhwc->npqc", by_row, by_column, x)


def resize2d_backward(dy: Any, *, input_shape: Any, interpolation: str = "bilinear") -> np.ndarray:
    """dy (N, rows, columns, C) -> dx (N, H, W, C) = `input_shape`"""
    dy = np.asarray(dy, np.float64)
    by_row = _sampling(input_shape[1], dy.shape[1], interpolation)
    by_column = _sampling(input_shape[2], dy.shape[2], interpolation)
    return np.einsum("ph,qw,npqc->nhwc", by_row, by_column, dy)


def upsample2d(x: Any, size: Any = 2, *, interpolation: str = "nearest") -> np.ndarray:
    """x (N, H, W, C) -> y (N, H * rows, W * columns, C) for `size` (rows, columns)"""
    x = np.asarray(x, np.float64)
    rows, columns = shapes.normalize_pair(size, "size")
    wanted = (x.shape[1] * rows, x.shape[2] * columns)
    return resize2d(x, wanted, interpolation=interpolation)


def upsample2d_backward(dy: Any, size: Any = 2, *, interpolation: str = "nearest") -> np.ndarray:
    """dy (N, H * rows, W * columns, C) -> dx (N, H, W, C)"""
    dy = np.asarray(dy, np.float64)
    rows, columns = shapes.normalize_pair(size, "size")
    batch, height, width, channels = dy.shape
    inputs = (batch, height // rows, width // columns, channels)
    return resize2d_backward(dy, input_shape=inputs, interpolation=interpolation)


def transpose(x: Any, axes: Any = None) -> np.ndarray:
    """Axis i of the result is axis axes[i] of x; None reverses the axes."""
    return np.transpose(np.asarray(x, np.float64), axes)


def warp(
    x: Any,
    transforms: Any,
    *,
    size: Any = None,
    interpolation: str = "bilinear",
    fill_mode: str = "constant",
    fill_value: float = 0.0,
) -> np.ndarray:
    """x (N, H, W, C), transforms (N, 6) -> y (N, rows, columns, C) for `size` (rows, columns)"""
    x = np.asarray(x, np.float64)
    rows, columns = x.shape[1:3] if size is None else shapes.normalize_pair(size, "size")
    y = np.zeros((len(x), rows, columns, x.shape[3]))
    for n, i, j in np.ndindex(len(x), rows, columns):
        for h, w, weight in _seen(transforms[n], i, j, x.shape, interpolation, fill_mode):
            outside = h < 0 or w < 0 or h >= x.shape[1] or w >= x.shape[2]
            y[n, i, j] += weight * (fill_value if outside else x[n, h, w])
    return y


def warp_backward(
    dy: Any,
    transforms: Any,
    *,
    input_shape: Any,
    interpolation: str = "bilinear",
    fill_mode: str = "constant",
) -> np.ndarray:
    """dy (N, rows, columns, C), transforms (N, 6) -> dx (N, H, W, C) = `input_shape`"""
    dy, dx = np.asarray(dy, np.float64), np.zeros(tuple(input_shape))
    for n, i, j in np.ndindex(dy.shape[:3]):
        for h, w, weight in _seen(transforms[n], i, j, dx.shape, interpolation, fill_mode):
            if 0 <= h < dx.shape[1] and 0 <= w < dx.shape[2]:
                dx[n, h, w] += weight * dy[n, i, j]
    return dx


def _seen(
    transform: np.ndarray,
    i: int,
    j: int,
    shape: tuple[int, ...],
    interpolation: str,
    fill_mode: str,
) -> list[tuple[int, int, float]]:
    """The pixels that output (i, j) is made of, as (row, column, weight)."""
    a0, a1, a2, b0, b1, b2 = transform
    row = _brought_back(b0 * j + b1 * i + b2, shape[1], fill_mode)
    column = _brought_back(a0 * j + a1 * i + a2, shape[2], fill_mode)
    if interpolation == "nearest":  # a half is rounded away from zero
        h, w = (int(np.trunc(p + np.copysign(0.5, p))) for p in (row, column))
        return [(h, w, 1.0)]
    top, left = int(np.floor(row)), int(np.floor(column))
    return [
        (h, w, (1 - abs(row - h)) * (1 - abs(column - w)))
        for h in (top, top + 1)
        for w in (left, left + 1)
    ]


def _brought_back(place: float, size: int, fill_mode: str) -> float:
    """A place on an axis of `size` pixels; only "constant" leaves it outside."""
    if fill_mode == "constant" or 0 <= place <= size - 1:
        return place
    if fill_mode == "reflect":
        place %= 2 * size
        place = place if place < size else 2 * size - 1 - place
    elif fill_mode == "wrap" and size > 1:
        # Whole sizes at a time, counted in steps of size - 1: TensorFlow's rule.
        steps = np.floor(abs(place) / (size - 1))
        place = place + size * (steps + 1) if place < 0 else place - size * steps
    return float(np.clip(place, 0, size - 1))
