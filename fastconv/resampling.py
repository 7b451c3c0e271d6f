"""Padding, cropping, repetition and interpolation of an axis, as one sparse matrix each.

An `AxisMap` from an axis of n elements to one of m is an m x n matrix in compressed rows: row i
holds the indices and weights of the elements whose sum is element i. The compiled core applies one
map per axis (`fastconv._ext._resample`); the gradient of a map is its transpose:

    pad (edge):  a b c -> a a b c         repeat twice:  a b -> a a b b      crop:  a b c -> b

        1 . .                                 1 .                                . 1 .
        1 . .    transposed: da = d0 + d1     1 .
        . 1 .                                 . 1
        . . 1                                 . 1

Interpolation follows TensorFlow and Keras: the centre of output pixel i is at (i + 1/2) n / m of
the input; positions beyond the outermost centres get the outermost pixels. Wider kernels use the
elements that exist, with weights scaled to a sum of 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

INTERPOLATIONS = ("nearest", "bilinear")
RESIZINGS = (*INTERPOLATIONS, "bicubic", "lanczos3", "lanczos5", "area")
FILL_MODES = ("constant", "nearest", "reflect", "wrap")  # values outside of an image


@dataclass(frozen=True, eq=False)
class AxisMap:
    """Element i of the output is the sum of weight[e] * input[index[e]] over e from begin[i] to
    begin[i + 1] - 1.

    An element without entries is the fill value. `weight` None means 1 for all entries.
    """

    input_size: int
    begin: np.ndarray  # int64 (outputs + 1,)
    index: np.ndarray  # int64 (entries,)
    weight: np.ndarray | None = None  # float64 (entries,)

    @property
    def output_size(self) -> int:
        return len(self.begin) - 1

    @property
    def transposed(self) -> AxisMap:
        """The map of the gradient, from the axis of the output to the axis of the input."""
        rows = np.repeat(np.arange(self.output_size, dtype=np.int64), np.diff(self.begin))
        order = np.argsort(self.index, kind="stable")
        begin = np.searchsorted(self.index[order], np.arange(self.input_size + 1))
        weight = None if self.weight is None else self.weight[order]
        return AxisMap(self.output_size, begin.astype(np.int64), rows[order], weight)

    @property
    def added(self) -> tuple[int, int] | None:
        """How many fill values the map adds before and after the axis; None if it does more.

        >>> pad_axis(3, 1, 2).added, pad_axis(3, 1, 2, "edge").added, crop_axis(3, 0, 0).added
        ((1, 2), None, (0, 0))
        """
        kept = np.flatnonzero(np.diff(self.begin))
        before, after = (kept[0], self.output_size - 1 - kept[-1]) if len(kept) else (0, 0)
        adds = self.input_size == len(kept) == self.output_size - before - after
        whole = np.array_equal(self.index, np.arange(self.input_size))
        return (int(before), int(after)) if adds and whole and self.weight is None else None

    def on_part_of(self, size: int, before: int) -> AxisMap:
        """Return the same map on an axis of `size` elements that it reads from `before` on."""
        return replace(self, input_size=size, index=self.index + before)


def select_axis(size: int, index: np.ndarray) -> AxisMap:
    """Return the map of output i to element `index[i]`; to no element if `index[i]` is negative."""
    chosen = index >= 0
    begin = np.concatenate([[0], np.cumsum(chosen)]).astype(np.int64)
    return AxisMap(size, begin, np.ascontiguousarray(index[chosen], np.int64))


def pad_axis(size: int, before: int, after: int, mode: str = "zeros") -> AxisMap:
    """Return the map that adds `before` and `after` elements: fill values ("zeros"), copies of the
    outermost element ("edge"), or the elements mirrored about it ("reflect")."""
    index = np.arange(-before, size + after)
    if mode == "edge":
        index = np.clip(index, 0, size - 1)
    elif mode == "reflect":
        index = np.abs(index)
        index = np.where(index < size, index, 2 * (size - 1) - index)
    else:
        index[index >= size] = -1
    return select_axis(size, index)


def crop_axis(size: int, before: int, after: int) -> AxisMap:
    """Return the map that removes the first `before` and the last `after` elements."""
    return select_axis(size, np.arange(before, size - after))


def flip_axis(size: int) -> AxisMap:
    """Return the map that reverses the axis."""
    return select_axis(size, np.arange(size)[::-1])


def repeat_axis(size: int, times: int, weight: float = 1.0) -> AxisMap:
    """Return the map that repeats every element `times` times, multiplied by `weight`."""
    repeated = select_axis(size, np.repeat(np.arange(size), times))
    return repeated if weight == 1 else replace(repeated, weight=np.full(size * times, weight))


def _windows(size: int, output_size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return begin and end of the windows of equal or almost equal sizes that cover the axis."""
    steps = np.arange(output_size + 1) * size
    return steps[:-1] // output_size, -(-steps[1:] // output_size)


def mean_axis(size: int, output_size: int) -> AxisMap:
    """Return the map to the means of `output_size` windows from floor(i size / output_size) to
    ceil((i + 1) size / output_size) - 1."""
    begin, end = _windows(size, output_size)
    index = begin[:, None] + np.arange((end - begin).max())
    return _weighted(size, index, np.where(index < end[:, None], 1.0, 0.0))


def windows_axis(size: int, output_size: int) -> AxisMap:
    """Return the map to the windows of `mean_axis` one after another, all of the largest size:
    shorter ones repeat their last element."""
    begin, end = _windows(size, output_size)
    index = begin[:, None] + np.arange((end - begin).max())
    return select_axis(size, np.minimum(index, end[:, None] - 1).reshape(-1))


def taps_axis(
    size: int, output_size: int, kernel: int, stride: int, dilation: int, before: int
) -> AxisMap:
    """Return the map to the taps of `output_size` windows one after another: tap k of window i is
    element i * stride + k * dilation - before, zero outside of the axis."""
    index = np.arange(output_size)[:, None] * stride + np.arange(kernel) * dilation - before
    return select_axis(size, np.where(index < size, index, -1).reshape(-1))


def resize_axis(
    size: int, output_size: int, interpolation: str = "bilinear", antialias: bool = False
) -> AxisMap:
    """Return the map to `output_size` equidistant samples.

    "nearest" element; "bilinear" interpolation between two; "bicubic" of four (Keys 1981,
    a = -1/2); "lanczos3" or "lanczos5", of 6 or 10; "area", the mean of the elements below an
    element of the output. With `antialias`, a kernel is as wide as the distance of the samples if
    they are fewer than the elements; "nearest" and "area" do not change.
    """
    scale = size / output_size
    centre = (np.arange(output_size) + 0.5) * scale
    if interpolation == "nearest":
        return select_axis(size, np.minimum(np.floor(centre).astype(np.int64), size - 1))
    if interpolation == "area":
        return _area(size, output_size)
    if interpolation == "bicubic" and not antialias:
        return _bicubic(size, output_size)
    if interpolation != "bilinear" or antialias:
        kernel, radius = KERNELS[interpolation]
        width = max(scale, 1.0) if antialias else 1.0
        first = np.ceil(centre - radius * width - 0.5).astype(np.int64)
        index = first[:, None] + np.arange(2 * int(np.ceil(radius * width)) + 1)
        distance = np.abs(index + 0.5 - centre[:, None]) / width
        return _weighted(size, index, np.where(distance <= radius, kernel(distance), 0.0))
    place = np.clip(centre - 0.5, 0, size - 1)
    left = np.minimum(np.floor(place).astype(np.int64), max(size - 2, 0))
    part = place - left
    if size == 1:
        return select_axis(1, np.zeros(output_size, np.int64))
    index = np.stack([left, left + 1], axis=1)
    return _rows(size, index, np.stack([1 - part, part], axis=1))


def _rows(size: int, index: np.ndarray, weight: np.ndarray) -> AxisMap:
    """Return the map of output i to the elements `index[i]` with `weight[i]`, not with zeros."""
    used = weight != 0  # a sample at the centre of an element is a copy of it
    begin = np.concatenate([[0], np.cumsum(used.sum(axis=1))]).astype(np.int64)
    return AxisMap(size, begin, np.ascontiguousarray(index[used], np.int64), weight[used])


def _weighted(size: int, index: np.ndarray, weight: np.ndarray) -> AxisMap:
    """As `_rows`, without elements that do not exist, and with weights scaled to a sum of 1."""
    weight = np.where((index >= 0) & (index < size), weight, 0.0)
    return _rows(size, index, weight / weight.sum(axis=1, keepdims=True))


def _area(size: int, output_size: int) -> AxisMap:
    scale = size / output_size
    start = np.arange(output_size)[:, None] * scale
    index = np.floor(start).astype(np.int64) + np.arange(int(np.ceil(scale)) + 1)
    covered = np.minimum(index + 1, start + scale) - np.maximum(index, start)
    # Rounding may leave a sliver of a neighbour.
    return _weighted(size, index, np.where(covered > 1e-6, covered, 0.0))


def _bicubic(size: int, output_size: int) -> AxisMap:
    # As TensorFlow: float32 positions, and weights from a table of 1024 steps between two elements.
    scale, half = np.float32(size) / np.float32(output_size), np.float32(0.5)
    place = (np.arange(output_size, dtype=np.float32) + half) * scale - half
    left = np.floor(place)
    part = np.rint((place - left) * 1024).astype(np.float64) / 1024
    taps = np.arange(-1, 3)
    return _weighted(
        size, left.astype(np.int64)[:, None] + taps, _keys(np.abs(part[:, None] - taps))
    )


def _triangle(x: np.ndarray) -> np.ndarray:
    return np.maximum(1 - x, 0)


def _keys(x: np.ndarray) -> np.ndarray:
    """Cubic convolution (Keys 1981) with a = -1/2, for distances x >= 0."""
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


def _lanczos(radius: int) -> Callable[[np.ndarray], np.ndarray]:
    return lambda x: np.sinc(x) * np.sinc(x / radius) * (x < radius)


# interpolation -> kernel of the distance in elements, and its radius
KERNELS = {
    "bilinear": (_triangle, 1.0),
    "bicubic": (_keys, 2.0),
    "lanczos3": (_lanczos(3), 3.0),
    "lanczos5": (_lanczos(5), 5.0),
}


# --------------------------------------------------------------- samples at any places (as in ONNX)

COORDINATES = (
    "half_pixel", "pytorch_half_pixel", "half_pixel_symmetric", "asymmetric", "align_corners",
    "tf_half_pixel_for_nn", "tf_crop_and_resize",
)  # fmt: skip
ROUNDINGS = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")


@dataclass(frozen=True)
class Sampling:
    """How the elements of an axis are sampled; names and meanings as of ONNX's operator Resize.

    `mode` is "nearest", "linear" or "cubic" (with the parameter `cubic_a`), `coordinates` one of
    `COORDINATES` (`part` is the begin and end of "tf_crop_and_resize", as fractions), `rounding`
    one of `ROUNDINGS` for "nearest". With `exclude_outside`, elements that do not exist have no
    weight; otherwise they equal the outermost. With `antialias`, kernels are as wide as the
    distance of the samples.
    """

    mode: str = "linear"
    coordinates: str = "half_pixel"
    rounding: str = "round_prefer_floor"
    cubic_a: float = -0.75
    exclude_outside: bool = False
    antialias: bool = False
    part: tuple[float, float] = (0.0, 1.0)

    def places(self, size: int, output_size: int, scale: float) -> np.ndarray:
        """Return the place of each sample, in elements."""
        i = np.arange(output_size, dtype=np.float64)
        if self.coordinates == "align_corners":
            return i * ((size - 1) / (scale * size - 1)) if output_size > 1 else i * 0
        if self.coordinates == "asymmetric":
            return i / scale
        if self.coordinates == "tf_half_pixel_for_nn":
            return (i + 0.5) / scale
        if self.coordinates == "tf_crop_and_resize":
            start, end = self.part
            if output_size == 1:
                return np.array([0.5 * (start + end) * (size - 1)])
            return start * (size - 1) + i * (end - start) * (size - 1) / (output_size - 1)
        place = (i + 0.5) / scale - 0.5
        if self.coordinates == "half_pixel_symmetric":
            return place + size / 2 * (1 - output_size / (scale * size))
        return place * (output_size > 1) if self.coordinates == "pytorch_half_pixel" else place

    def axis_map(self, size: int, output_size: int, scale: float) -> AxisMap:
        """Return the map to `output_size` samples that are 1 / `scale` elements apart."""
        place = self.places(size, output_size, scale)
        is_nearest = self.mode == "nearest"
        index, weight = self._nearest(place) if is_nearest else self._kernel(place, scale)
        if self.exclude_outside:
            weight = np.where((index >= 0) & (index < size), weight, 0.0)
        if self.exclude_outside or self.antialias:
            weight = weight / weight.sum(axis=1, keepdims=True)
        if self.coordinates == "tf_crop_and_resize":  # the fill value outside
            weight = np.where(((place < 0) | (place > size - 1))[:, None], 0.0, weight)
        return _rows(size, np.clip(index, 0, size - 1), weight)

    def _nearest(self, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rounded = {
            "round_prefer_floor": np.ceil(place - 0.5),
            "round_prefer_ceil": np.floor(place + 0.5),
            "floor": np.floor(place),
            "ceil": np.ceil(place),
        }[self.rounding]
        return rounded.astype(np.int64)[:, None], np.ones((len(place), 1))

    def _kernel(self, place: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
        radius = 1 if self.mode == "linear" else 2
        width = max(1.0, 1 / scale) if self.antialias else 1.0
        reach = int(np.ceil(radius * width))
        index = np.floor(place).astype(np.int64)[:, None] + np.arange(1 - reach, reach + 1)
        distance = np.abs(index - place[:, None]) / width
        return index, _triangle(distance) if radius == 1 else self._cubic(distance)

    def _cubic(self, x: np.ndarray) -> np.ndarray:
        a = self.cubic_a
        near = ((a + 2) * x - (a + 3)) * x * x + 1
        far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
        return np.where(x < 1, near, np.where(x < 2, far, 0.0))
