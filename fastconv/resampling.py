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
the input; positions beyond the outermost centres get the outermost pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

INTERPOLATIONS = ("nearest", "bilinear")
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

    def on_part_of(self, size: int, before: int) -> AxisMap:
        """Return the same map on an axis of `size` elements that it reads from `before` on."""
        return replace(self, input_size=size, index=self.index + before)


def _selection(size: int, index: np.ndarray) -> AxisMap:
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
    return _selection(size, index)


def crop_axis(size: int, before: int, after: int) -> AxisMap:
    """Return the map that removes the first `before` and the last `after` elements."""
    return _selection(size, np.arange(before, size - after))


def repeat_axis(size: int, times: int, weight: float = 1.0) -> AxisMap:
    """Return the map that repeats every element `times` times, multiplied by `weight`."""
    repeated = _selection(size, np.repeat(np.arange(size), times))
    return repeated if weight == 1 else replace(repeated, weight=np.full(size * times, weight))


def resize_axis(size: int, output_size: int, interpolation: str = "bilinear") -> AxisMap:
    """Return the map to `output_size` equidistant samples: the nearest element, or linear
    interpolation between two elements."""
    centre = (np.arange(output_size) + 0.5) * (size / output_size)
    if interpolation == "nearest":
        return _selection(size, np.minimum(np.floor(centre).astype(np.int64), size - 1))
    place = np.clip(centre - 0.5, 0, size - 1)
    left = np.minimum(np.floor(place).astype(np.int64), max(size - 2, 0))
    part = place - left
    if size == 1:
        return _selection(1, np.zeros(output_size, np.int64))
    index = np.stack([left, left + 1], axis=1).ravel()
    weight = np.stack([1 - part, part], axis=1).ravel()
    used = weight != 0  # a sample at the centre of an element is a copy of it
    begin = np.concatenate([[0], np.cumsum(used.reshape(-1, 2).sum(axis=1))]).astype(np.int64)
    return AxisMap(size, begin, index[used], weight[used])
