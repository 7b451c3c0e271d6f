"""Filters that people designed before networks learned theirs, and how to apply one to a picture.

A filter is a small float32 array (H, W). Laid over a picture, its numbers are multiplied with the
pixels below and summed up; that sum, for every place, is the new picture:

    cross-correlation   y[i, j] = sum over a, b of x[i + a, j + b] * f[a, b]
    convolution         y[i, j] = sum over a, b of x[i - a, j - b] * f[a, b]

Convolutional layers compute the first and are named after the second. The two differ by a half-turn
of the filter (`flip`), so a network that learns its filters cannot tell them apart, and symmetric
filters do not care. `apply` computes either.

    differences     sobel_x, sobel_y, prewitt_x, prewitt_y, scharr_x, scharr_y, laplacian
    enhancement     sharpen, emboss, identity
    averages        box_blur, gaussian_blur
    shapes          gabor, gabor_bank, curve_detector

>>> import numpy as np
>>> from fastconv import filters
>>> step = np.array([[0, 0, 9, 9]] * 3)
>>> filters.apply(step, filters.sobel_x(), padding="valid").tolist()
[[36.0, 36.0]]
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastconv import ops
from fastconv.common.arguments import number
from fastconv.common.arrays import real_array
from fastconv.common.suggestions import did_you_mean
from fastconv.shapes import checked_product, normalize_int

__all__ = [
    "FILTERS",
    "apply",
    "box_blur",
    "curve_detector",
    "emboss",
    "flip",
    "gabor",
    "gabor_bank",
    "gaussian_blur",
    "identity",
    "laplacian",
    "prewitt_x",
    "prewitt_y",
    "scharr_x",
    "scharr_y",
    "sharpen",
    "sobel_x",
    "sobel_y",
]

OPERATIONS = ("cross-correlation", "convolution")


def apply(
    image: ArrayLike,
    kernel: ArrayLike,
    *,
    operation: str = "cross-correlation",
    padding: Any = "same",
    padding_mode: str = "edge",
    strides: Any = 1,
) -> np.ndarray:
    """Apply a filter, or several, to a picture.

    Args:
        image: (H, W) or (H, W, C); every channel is filtered by itself. Any real dtype.
        kernel: (KH, KW), or a bank of filters (KH, KW, K).
        operation: "cross-correlation" lays the filter down as it is, as convolutional layers do;
            "convolution" flips it in both directions first, as mathematicians do.
        padding: see `fastconv.ops.conv2d`; "same" gives a picture of the same size, "valid" only
            the places where the whole filter lies on the picture.
        padding_mode: what is beyond the border: "edge" (the border repeated), "zeros" (black, which
            edge detectors find an edge to) or "reflect".
        strides: distance between two places.

    Returns:
        float32: the picture, with an axis of length K added if there are K filters. Values are not
        cut off: edges come out negative where brightness falls.

    Raises:
        TypeError: `image` or `kernel` hold no real numbers.
        ValueError: other numbers of dimensions, an unknown operation, or what `conv2d` refuses.

    >>> import numpy as np
    >>> from fastconv import filters
    >>> dot = np.array([[0, 0, 0], [0, 1, 0], [0, 0, 0]])
    >>> numbers = np.arange(9).reshape(3, 3)
    >>> filters.apply(dot, numbers).astype(int).tolist()
    [[8, 7, 6], [5, 4, 3], [2, 1, 0]]
    >>> filters.apply(dot, numbers, operation="convolution").astype(int).tolist()
    [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    """
    if operation not in OPERATIONS:
        raise ValueError(
            f"`operation` must be one of {OPERATIONS}, received {operation!r}"
            f"{did_you_mean(operation, OPERATIONS)}"
        )
    pixels = real_array(image, "`image`").astype(np.float32, copy=False)
    filters = real_array(kernel, "`kernel`").astype(np.float32, copy=False)
    for name, array in (("image", pixels), ("kernel", filters)):
        if array.ndim not in (2, 3):
            raise ValueError(f"`{name}` must have 2 or 3 dimensions, received shape {array.shape}")
    if operation == "convolution":
        filters = flip(filters)
    bank = filters.reshape(*filters.shape[:2], 1, -1)
    planes = pixels.reshape(1, *pixels.shape[:2], -1)
    channels = planes.shape[3]
    y = ops.conv2d(
        planes,
        np.ascontiguousarray(np.tile(bank, (1, 1, 1, channels))),
        strides=strides,
        padding=padding,
        padding_mode=padding_mode,
        groups=channels,
        algorithm="direct",
    )[0]
    return y.reshape(*y.shape[:2], *pixels.shape[2:], *filters.shape[2:])


def flip(kernel: ArrayLike) -> np.ndarray:
    """The filter after a half-turn: what makes a convolution of a cross-correlation.

    >>> from fastconv import filters
    >>> filters.flip([[1, 2], [3, 4]]).tolist()
    [[4, 3], [2, 1]]
    """
    return np.ascontiguousarray(np.asarray(kernel)[::-1, ::-1])


# Differences: how steeply brightness rises --------------------------------------------------------


def sobel_x() -> np.ndarray:
    """Brightness rising to the right: vertical edges. Rows are weighted 1, 2, 1.

    Source: I. Sobel and G. Feldman, 1968; R. O. Duda and P. E. Hart, *Pattern Classification and
    Scene Analysis*, 1973, p. 271.
    """
    return _outer([1, 2, 1], [-1, 0, 1])


def sobel_y() -> np.ndarray:
    """Brightness rising downwards: horizontal edges; `sobel_x` transposed."""
    return sobel_x().T.copy()


def prewitt_x() -> np.ndarray:
    """Brightness rising to the right, rows weighted alike.

    Source: J. M. S. Prewitt, "Object Enhancement and Extraction", 1970.
    """
    return _outer([1, 1, 1], [-1, 0, 1])


def prewitt_y() -> np.ndarray:
    """Brightness rising downwards, columns weighted alike."""
    return prewitt_x().T.copy()


def scharr_x() -> np.ndarray:
    """Brightness rising to the right, rows weighted 3, 10, 3: the most even over all directions.

    Source: H. Scharr, *Optimale Operatoren in der Digitalen Bildverarbeitung*, Heidelberg 2000.
    """
    return _outer([3, 10, 3], [-1, 0, 1])


def scharr_y() -> np.ndarray:
    """Brightness rising downwards, columns weighted 3, 10, 3."""
    return scharr_x().T.copy()


def laplacian(diagonals: bool = False) -> np.ndarray:
    """The sum of the second differences: spots and edges of every direction.

    Args:
        diagonals: also count the differences along the diagonals.
    """
    corner = 1 if diagonals else 0
    middle = -8 if diagonals else -4
    return _array([[corner, 1, corner], [1, middle, 1], [corner, 1, corner]])


# Enhancement --------------------------------------------------------------------------------------


def identity(size: int = 3) -> np.ndarray:
    """The picture as it is: one in the middle of zeros; `size` is odd."""
    kernel = np.zeros((_odd(size, "size"),) * 2, np.float32)
    kernel[size // 2, size // 2] = 1
    return kernel


def sharpen(amount: float = 1.0) -> np.ndarray:
    """The picture minus `amount` times its `laplacian`: contrast at edges, sum 1."""
    return identity() - np.float32(_positive(amount, "amount")) * laplacian()


def emboss() -> np.ndarray:
    """A relief lit from the upper left: the picture plus its slope along the diagonal, sum 1."""
    return _array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]])


# Averages -----------------------------------------------------------------------------------------


def box_blur(size: int = 3) -> np.ndarray:
    """The average of `size` times `size` pixels."""
    size = normalize_int(size, "size")
    return np.full((size, size), 1 / size**2, np.float32)


def gaussian_blur(sigma: float = 1.0, size: int | None = None) -> np.ndarray:
    """An average that weighs pixels by a bell curve of their distance, sum 1.

    Args:
        sigma: the width of the curve, in pixels.
        size: rows and columns, odd; by default to three `sigma` on each side.
    """
    sigma = _positive(sigma, "sigma")
    size = 2 * math.ceil(3 * sigma) + 1 if size is None else _odd(size, "size")
    curve = np.exp(-(_offsets(size) ** 2) / (2 * sigma**2))
    return _array(np.outer(curve, curve) / curve.sum() ** 2)


# Shapes -------------------------------------------------------------------------------------------


def gabor(
    theta: float = 0.0,
    *,
    wavelength: float = 4.0,
    sigma: float = 2.0,
    gamma: float = 0.5,
    psi: float = 0.0,
    size: int | None = None,
) -> np.ndarray:
    """A wave under a bell curve, as simple cells of the visual cortex and first layers of trained
    networks have it:

        exp(-(u^2 + gamma^2 v^2) / (2 sigma^2)) cos(2 pi u / wavelength + psi)

    with u along the wave and v across, less a constant that makes the sum 0, so that even
    brightness gives nothing.

    Args:
        theta: direction of the wave in radians, from "to the right" to "downwards"; 0 finds
            vertical stripes.
        wavelength: pixels from crest to crest.
        sigma: the width of the bell curve along the wave; across it is `gamma` times narrower.
        gamma: below 1 for stripes that are longer than wide.
        psi: phase; 0 a bright stripe in the middle, pi/2 an edge.
        size: rows and columns, odd; by default to three `sigma` on each side.

    Source: J. G. Daugman, "Uncertainty relation for resolution in space, spatial frequency, and
    orientation optimized by two-dimensional visual cortical filters", J. Opt. Soc. Am. A 2, 1985.
    """
    wavelength, sigma = _positive(wavelength, "wavelength"), _positive(sigma, "sigma")
    gamma = _positive(gamma, "gamma")
    size = 2 * math.ceil(3 * sigma) + 1 if size is None else _odd(size, "size")
    y, x = np.meshgrid(_offsets(size), _offsets(size), indexing="ij")
    u = x * math.cos(theta) + y * math.sin(theta)
    v = y * math.cos(theta) - x * math.sin(theta)
    bell = np.exp(-(u**2 + (gamma * v) ** 2) / (2 * sigma**2))
    wave = bell * np.cos(2 * math.pi * u / wavelength + psi)
    return _array(wave - wave.mean())


def gabor_bank(
    orientations: int = 8, wavelengths: Sequence[float] = (4.0, 8.0), size: int = 15
) -> np.ndarray:
    """Gabor filters of several directions and scales, (size, size, orientations * scales).

    Directions go around half a turn in equal steps, for one wavelength after the other; `sigma` is
    half a wavelength.
    """
    orientations = normalize_int(orientations, "orientations")
    size = _odd(size, "size")
    if not len(wavelengths):
        raise ValueError("`wavelengths` must name at least one, received none")
    count = orientations * len(wavelengths)
    checked_product((size, size, count, 4), "the bank of filters (in bytes)")
    bank = np.empty((size, size, count), np.float32)
    for index in range(count):
        scale, step = divmod(index, orientations)
        wavelength = wavelengths[scale]
        theta = math.pi * step / orientations
        bank[..., index] = gabor(theta, wavelength=wavelength, sigma=wavelength / 2, size=size)
    return bank


def curve_detector() -> np.ndarray:
    """The 7x7 detector of a curve that many lectures show: 30 along the curve, 0 elsewhere."""
    kernel = np.zeros((7, 7), np.float32)
    for row, column in ((0, 5), (1, 4), (2, 3), (3, 3), (4, 3), (5, 3)):
        kernel[row, column] = 30
    return kernel


# Every filter that has a name and needs no more.
FILTERS = {
    function.__name__: function
    for function in (
        sobel_x, sobel_y, prewitt_x, prewitt_y, scharr_x, scharr_y, laplacian, sharpen, emboss,
        box_blur, gaussian_blur, gabor, curve_detector, identity,
    )
}  # fmt: skip


def _array(values: ArrayLike) -> np.ndarray:
    return np.ascontiguousarray(values, dtype=np.float32)


def _outer(column: list[int], row: list[int]) -> np.ndarray:
    return _array(np.outer(column, row))


def _offsets(size: int) -> np.ndarray:
    """Distances from the middle."""
    return np.arange(size) - size // 2


def _odd(value: Any, name: str) -> int:
    size = normalize_int(value, name)
    if size % 2 == 0:
        raise ValueError(f"`{name}` must be odd, so that there is a middle, received {size}")
    return size


def _positive(value: Any, name: str) -> float:
    return number(value, name, 0, above=True)
