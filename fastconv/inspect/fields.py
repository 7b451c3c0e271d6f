"""Receptive fields: how much of an input one element of a layer depends on.

Along each axis of the input, an element of a value sees a stretch of `size` elements that begins at
`start`; its neighbour along the axis `along` of the value sees one that begins `jump` further on.
A window of k taps, d apart, with stride s and p zeros before the axis makes of that

    size + (k - 1) d jump        start - p jump        jump s

which is all there is to receptive fields (Araujo, Norris and Sim, "Computing Receptive Fields of
Convolutional Neural Networks", Distill 2019). Where several paths meet, what is seen is the union.
Stretches may reach beyond the borders of the input: there is padding.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from fastconv.inspect.windows import Window
from fastconv.resampling import AxisMap


@dataclass(frozen=True)
class Stretch:
    """What is seen along one axis of an input.

    `along` is the axis of the value (without the batch) whose `count` elements see stretches at
    distances of `jump`. None: all elements see the same, or, with a `count` over 1, the axis is
    lost, because the value was flattened.
    """

    size: Fraction = Fraction(1)
    start: Fraction = Fraction(0)
    jump: Fraction = Fraction(1)
    along: int | None = None
    count: int = 1

    def slid(self, window: Window) -> Stretch:
        """Seen through `window`, which slides along `self.along`."""
        return replace(
            self,
            size=self.size + (window.span - 1) * self.jump,
            start=self.start - window.before * self.jump,
            jump=self.jump * window.stride,
            count=window.outputs,
        )

    def spread(self, kernel: int, stride: int, before: int, count: int) -> Stretch:
        """Seen through the opposite of a window: one output sees all whose window it lies in."""
        return replace(
            self,
            size=self.size + (-(-kernel // stride) - 1) * self.jump,
            start=self.start + Fraction(before - kernel + 1, stride) * self.jump,
            jump=self.jump / stride,
            count=count,
        )

    def mapped(self, axis_map: AxisMap) -> Stretch:
        """Seen through a map of an axis: padding, cropping, repetition, interpolation."""
        entries = np.diff(axis_map.begin)
        rows = np.flatnonzero(entries)
        if not len(rows):  # fill values alone
            return replace(self, count=axis_map.output_size)
        first = axis_map.index[axis_map.begin[rows]]
        last = axis_map.index[axis_map.begin[rows + 1] - 1]
        steps = max(1, int(rows[-1] - rows[0]))
        slope = Fraction(int(first[-1] - first[0]), steps) or Fraction(1)
        return replace(
            self,
            size=self.size + int((last - first).max()) * self.jump,
            start=self.start + (int(first[0]) - slope * int(rows[0])) * self.jump,
            jump=self.jump * slope,
            count=axis_map.output_size,
        )

    def widened(self) -> Stretch:
        """What all `count` elements see together."""
        return replace(self, size=self.size + (self.count - 1) * self.jump, along=None, count=1)

    def joined(self, other: Stretch) -> Stretch:
        """The union of what two values see that are merged."""
        if (self.along, self.count) != (other.along, other.count):
            return self.widened().joined(other.widened()) if self.moves or other.moves else self
        start = min(self.start, other.start)
        end = max(self.start + self.size, other.start + other.size)
        return replace(self, start=start, size=end - start, jump=max(self.jump, other.jump))

    @property
    def moves(self) -> bool:
        """Whether different elements see different stretches."""
        return self.count > 1

    @property
    def elements(self) -> int:
        """`size` in whole elements."""
        return math.ceil(self.size)


Field = tuple[Stretch, ...]
"""One stretch for every axis of an input."""


def own_field(shape: Sequence[int]) -> Field:
    """An element of an input sees itself."""
    return tuple(Stretch(along=axis, count=size) for axis, size in enumerate(shape))


def join(fields: Sequence[Field]) -> Field:
    """What is seen over several paths from one input."""
    first, *others = fields
    for other in others:
        first = tuple(a.joined(b) for a, b in zip(first, other, strict=True))
    return first
