"""One image under an affine map, with the conventions of SciPy that `ImageDataGenerator` has.

Maps are 3 x 3 matrices; `transform_matrix` gives the input position (row, column, 1) of an output
position.
"""

from __future__ import annotations

import numpy as np

from fastconv import ops
from fastconv.common.literals import FillMode, Interpolation

FILL_MODES = ("constant", "nearest", "reflect", "wrap")


def transform_matrix(
    shape: tuple[int, int],
    theta: float,
    tx: float,
    ty: float,
    shear: float,
    zx: float,
    zy: float,
) -> np.ndarray:
    """Return the map that rotates by `theta` degrees, shifts, shears by `shear` degrees and zooms.

    As Keras does it: first (x, y) about the point (height / 2, width / 2), then with x and y
    exchanged, so that the centre stays in place only if the image is a square.
    """
    turn, slope = np.deg2rad(theta), np.deg2rad(shear)
    matrix = (
        np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
        @ np.array([[1, 0, tx], [0, 1, ty], [0, 0, 1]])
        @ np.array([[1, -np.sin(slope), 0], [0, np.cos(slope), 0], [0, 0, 1]])
        @ np.diag([zx, zy, 1])
    )
    centre = np.eye(3)
    centre[:2, 2] = shape[0] / 2 - 0.5, shape[1] / 2 - 0.5
    matrix = centre @ matrix @ np.linalg.inv(centre)
    return matrix[[1, 0, 2]][:, [1, 0, 2]]


def transformed(
    x: np.ndarray,
    matrix: np.ndarray,
    fill_mode: FillMode,
    fill_value: float,
    interpolation: Interpolation,
) -> np.ndarray:
    """Return the image (H, W, C) under `matrix`.

    Unlike for `ops.warp`, "constant" does not blend the edge with the fill value, and "wrap" has
    the period H - 1 or W - 1.
    """
    if fill_mode in ("nearest", "reflect"):
        return _warped(x, matrix, fill_mode, interpolation)
    height, width = x.shape[:2]
    rows, columns = np.indices((height, width), np.float64)
    places = np.stack([rows.ravel(), columns.ravel(), np.ones(height * width)])
    row, column = (matrix[:2] @ places).reshape(2, height, width)
    if fill_mode == "constant":
        inside = (row >= 0) & (row <= height - 1) & (column >= 0) & (column <= width - 1)
        y = _warped(x, matrix, "nearest", interpolation)
        return np.where(inside[..., None], y, np.asarray(fill_value, x.dtype))
    return _sampled(x, _wrapped(row, height), _wrapped(column, width), interpolation)


def _warped(
    x: np.ndarray, matrix: np.ndarray, fill_mode: FillMode, interpolation: Interpolation
) -> np.ndarray:
    (b1, b0, b2), (a1, a0, a2) = matrix[:2]
    maps = np.array([[a0, a1, a2, b0, b1, b2]])
    return ops.warp(x[None], maps, interpolation=interpolation, fill_mode=fill_mode)[0]


def _wrapped(place: np.ndarray, size: int) -> np.ndarray:
    """Return positions in 0 to size - 1; those outside are moved by multiples of size - 1."""
    if size == 1:
        return np.zeros_like(place)
    period = size - 1
    below = place + period * ((-place // period) + 1)
    above = place - period * (place // period)
    return np.where(place < 0, below, np.where(place > period, above, place))


def _sampled(x: np.ndarray, row: np.ndarray, column: np.ndarray, interpolation: str) -> np.ndarray:
    """Return the pixels at positions inside of the image."""
    sizes = x.shape[:2]
    if interpolation == "nearest":
        row, column = np.floor(row + 0.5), np.floor(column + 0.5)
    low = [np.floor(place).astype(np.int64) for place in (row, column)]
    part = [(place - at)[..., None] for place, at in zip((row, column), low, strict=True)]
    low = [at % size for at, size in zip(low, sizes, strict=True)]
    high = [np.minimum(at + 1, size - 1) for at, size in zip(low, sizes, strict=True)]
    above = x[low[0], low[1]] * (1 - part[1]) + x[low[0], high[1]] * part[1]
    below = x[high[0], low[1]] * (1 - part[1]) + x[high[0], high[1]] * part[1]
    return (above * (1 - part[0]) + below * part[0]).astype(x.dtype)
