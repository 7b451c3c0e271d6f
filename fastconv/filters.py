"""Designed filters of image processing, and their application to an image.

A filter is a small float32 array (H, W). At every position its elements are multiplied by the
pixels below them and summed; the sums are the filtered image:

    cross-correlation   y[i, j] = sum over a, b of x[i + a, j + b] * f[a, b]
    convolution         y[i, j] = sum over a, b of x[i - a, j - b] * f[a, b]

Convolutional layers compute the first and are named after the second. The two differ by a rotation
of the filter by 180 degrees (`flip`), which makes no difference for filters that are learned or
symmetric. `apply` computes either.

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
from fastconv.common.arguments import normalize_int, number, one_of
from fastconv.common.arrays import real_array
from fastconv.common.literals import PaddingMode
from fastconv.shapes import checked_product

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
    padding_mode: PaddingMode = "edge",
    strides: Any = 1,
) -> np.ndarray:
    """Apply a filter, or several filters, to an image.

    Args:
        image: (H, W) or (H, W, C); each channel is filtered separately. Any real dtype.
        kernel: (KH, KW), or a bank of filters (KH, KW, K).
        operation: "cross-correlation" uses the filter as it is, as convolutional layers do;
            "convolution" flips it along both axes first, as in mathematics.
        padding: see `fastconv.ops.conv2d`; "same" gives an image of the same size, "valid" only
            the positions at which the whole filter is inside the image.
        padding_mode: values of the padding: "edge" (the border repeated), "zeros" (black; edge
            detectors respond to the border) or "reflect".
        strides: distance between two positions.

    Returns:
        float32: the filtered image, with an additional axis of length K for K filters. Values are
        not clipped: edges with falling brightness are negative.

    Raises:
        TypeError: `image` or `kernel` does not hold real numbers.
        ValueError: other numbers of dimensions, an unknown operation, or an error of `conv2d`.

    >>> import numpy as np
    >>> from fastconv import filters
    >>> dot = np.array([[0, 0, 0], [0, 1, 0], [0, 0, 0]])
    >>> numbers = np.arange(9).reshape(3, 3)
    >>> filters.apply(dot, numbers).astype(int).tolist()
    [[8, 7, 6], [5, 4, 3], [2, 1, 0]]
    >>> filters.apply(dot, numbers, operation="convolution").astype(int).tolist()
    [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    """
    one_of(operation, "operation", OPERATIONS)
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
    """Return the filter rotated by 180 degrees, which turns a cross-correlation into a convolution.

    >>> from fastconv import filters
    >>> filters.flip([[1, 2], [3, 4]]).tolist()
    [[4, 3], [2, 1]]
    """
    return np.ascontiguousarray(np.asarray(kernel)[::-1, ::-1])


# Differences: the gradient of the brightness ------------------------------------------------------


def sobel_x() -> np.ndarray:
    """Horizontal gradient, positive where brightness rises to the right: detects vertical edges.

    Rows are weighted 1, 2, 1.

    Source: I. Sobel and G. Feldman, 1968; R. O. Duda and P. E. Hart, *Pattern Classification and
    Scene Analysis*, 1973, p. 271.
    """
    return _outer([1, 2, 1], [-1, 0, 1])


def sobel_y() -> np.ndarray:
    """Vertical gradient, positive where brightness rises downwards: detects horizontal edges.

    `sobel_x` transposed.
    """
    return sobel_x().T.copy()


def prewitt_x() -> np.ndarray:
    """Horizontal gradient with equal weights of the rows.

    Source: J. M. S. Prewitt, "Object Enhancement and Extraction", 1970.
    """
    return _outer([1, 1, 1], [-1, 0, 1])


def prewitt_y() -> np.ndarray:
    """Vertical gradient with equal weights of the columns."""
    return prewitt_x().T.copy()


def scharr_x() -> np.ndarray:
    """Horizontal gradient, rows weighted 3, 10, 3, for nearly equal responses in all directions.

    Source: H. Scharr, *Optimale Operatoren in der Digitalen Bildverarbeitung*, Heidelberg 2000.
    """
    return _outer([3, 10, 3], [-1, 0, 1])


def scharr_y() -> np.ndarray:
    """Vertical gradient, columns weighted 3, 10, 3."""
    return scharr_x().T.copy()


def laplacian(diagonals: bool = False) -> np.ndarray:
    """Sum of the second differences, which detects spots and edges of all directions.

    Args:
        diagonals: whether to include the differences along the diagonals.
    """
    corner = 1 if diagonals else 0
    middle = -8 if diagonals else -4
    return _array([[corner, 1, corner], [1, middle, 1], [corner, 1, corner]])


# Enhancement --------------------------------------------------------------------------------------


def identity(size: int = 3) -> np.ndarray:
    """The identity: 1 in the centre, 0 elsewhere; `size` is odd."""
    kernel = np.zeros((_odd(size, "size"),) * 2, np.float32)
    kernel[size // 2, size // 2] = 1
    return kernel


def sharpen(amount: float = 1.0) -> np.ndarray:
    """The image minus `amount` times its `laplacian`, which raises the contrast at edges; sum 1."""
    return identity() - np.float32(_positive(amount, "amount")) * laplacian()


def emboss() -> np.ndarray:
    """A relief lit from the upper left: the image plus its gradient along the diagonal; sum 1."""
    return _array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]])


# Averages -----------------------------------------------------------------------------------------


def box_blur(size: int = 3) -> np.ndarray:
    """The mean of `size` x `size` pixels."""
    size = normalize_int(size, "size")
    return np.full((size, size), 1 / size**2, np.float32)


def gaussian_blur(sigma: float = 1.0, size: int | None = None) -> np.ndarray:
    """A mean with weights from a normal distribution of the distance; sum 1.

    Args:
        sigma: standard deviation, in pixels.
        size: rows and columns, odd; by default three `sigma` on each side.
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
    """A sinusoid with a Gaussian envelope, for stripes of one direction and width.

        exp(-(u^2 + gamma^2 v^2) / (2 sigma^2)) cos(2 pi u / wavelength + psi)

    with u along the wave and v across it, minus the mean, so that the response to constant
    brightness is 0. Simple cells of the visual cortex and filters in the first layers of trained
    networks are similar.

    Args:
        theta: direction of the wave in radians, clockwise from "to the right"; 0 detects vertical
            stripes.
        wavelength: period in pixels.
        sigma: standard deviation of the envelope along the wave; across the wave, sigma / gamma.
        gamma: aspect ratio; below 1 the stripes are longer than wide.
        psi: phase; 0 for a bright stripe in the centre, pi/2 for an edge.
        size: rows and columns, odd; by default three `sigma` on each side.

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

    Directions divide 180 degrees into equal steps, for one wavelength after the other; `sigma` is
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
    """A 7x7 detector of a curve, shown in many lectures: 30 along the curve, 0 elsewhere."""
    kernel = np.zeros((7, 7), np.float32)
    for row, column in ((0, 5), (1, 4), (2, 3), (3, 3), (4, 3), (5, 3)):
        kernel[row, column] = 30
    return kernel


# Every filter without required arguments, by name.
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
    """Return the offsets from the centre."""
    return np.arange(size) - size // 2


def _odd(value: Any, name: str) -> int:
    size = normalize_int(value, name)
    if size % 2 == 0:
        raise ValueError(f"`{name}` must be odd, so that there is a middle, received {size}")
    return size


def _positive(value: Any, name: str) -> float:
    return number(value, name, 0, above=True)
