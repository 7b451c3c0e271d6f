"""Axes on which windows, or the taps of a window, are farther apart than the image is long.

Tap t of window o meets element o stride + t dilation - before of the image. With 3 taps on 4
elements, a stride of 8 and one of 2^62 leave the same window on the image:

    stride 8       [ a   b   c   d ]   .   .   .   .   .   .   .
                   |- window 0 -|                  |- window 1 -|
    stride 2^62    [ a   b   c   d ]   .   .   .  ...  .   .   .
                   |- window 0 -|                          |- window 1 -|

`Axis.compact` finds the small numbers that do what the large ones do, so that no time, no memory
and no overflow depends on the size of a number that the image cannot tell from another.
"""

from __future__ import annotations

from typing import NamedTuple


class Axis(NamedTuple):
    """One axis of a convolution; `before` and `after` are the padding."""

    size: int
    taps: int
    dilation: int
    windows: int
    stride: int
    before: int
    after: int

    def is_sparse(self) -> bool:
        """Whether at most one window meets the image, or the same one tap in every window, with
        room to spare."""
        window, row = (self.taps - 1) * self.dilation, (self.windows - 1) * self.stride
        return self.stride > window + self.size + 1 or self.dilation > row + self.size + 1

    def compact(self, mirrored: bool = False) -> Axis:
        """A sparse axis made so small that it is just not sparse; any other as it is.

        Every tap of every window still meets the same element, or lies on the same side of the
        image. With `mirrored` padding the distance from the image matters, too; then only a stride
        of a single window and a dilation of a single tap change.

        >>> Axis(4, 3, 1, 2, 2**62, 0, 2**62).compact()
        Axis(size=4, taps=3, dilation=1, windows=2, stride=7, before=0, after=6)
        >>> Axis(4, 3, 2**40, 4, 1, 2**40, 2**40).compact()
        Axis(size=4, taps=3, dilation=8, windows=4, stride=1, before=8, after=8)
        """
        if not self.is_sparse():
            return self
        if mirrored:
            stride = 1 if self.windows == 1 else self.stride
            return self._replace(stride=stride, dilation=1 if self.taps == 1 else self.dilation)
        if self.stride > (self.taps - 1) * self.dilation + self.size + 1:
            stride, dilation, begin = _compact_pair(
                self.size, (self.windows, self.stride), (self.taps, self.dilation), -self.before
            )
        else:
            dilation, stride, begin = _compact_pair(
                self.size, (self.taps, self.dilation), (self.windows, self.stride), -self.before
            )
        reach = (self.windows - 1) * stride + (self.taps - 1) * dilation + 1
        after = max(reach + begin - self.size, 0)
        return self._replace(stride=stride, dilation=dilation, before=-begin, after=after)


def _compact_pair(
    size: int, outer: tuple[int, int], inner: tuple[int, int], begin: int
) -> tuple[int, int, int]:
    """The steps of `outer` and `inner`, and where their first element lies, made small.

    Both are (count, step), and elements lie at begin + i outer step + j inner step. The outer step
    is so large that at most one i meets the image.
    """
    (outer_count, outer_step), (inner_count, inner_step) = outer, inner
    i, begin = _nearest(size, outer_count, outer_step, (inner_count - 1) * inner_step, begin)
    j, begin = _nearest(size, inner_count, inner_step, 0, begin)
    inner_step = min(inner_step, size + 1)
    outer_step = (inner_count - 1) * inner_step + size + 1
    return outer_step, inner_step, begin - j * inner_step - i * outer_step


def _nearest(size: int, count: int, step: int, length: int, begin: int) -> tuple[int, int]:
    """Of `count` stretches, `step` apart and the first at `begin`, the last that does not begin
    behind the image, and where it begins.

    A stretch reaches `length` elements beyond its first. One that ends before the image ends just
    before it instead, which makes no difference.
    """
    index = min((size - 1 - begin) // step, count - 1)
    return index, max(begin + index * step, -length - 1)
