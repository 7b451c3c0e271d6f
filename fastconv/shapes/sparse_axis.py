"""Axes on which the stride or the dilation exceeds the size of the image.

Tap t of window o reads element o stride + t dilation - before of the image. With 3 taps on 4
elements, strides of 8 and 2^62 leave the same window on the image:

    stride 8       [ a   b   c   d ]   .   .   .   .   .   .   .
                   |- window 0 -|                  |- window 1 -|
    stride 2^62    [ a   b   c   d ]   .   .   .  ...  .   .   .
                   |- window 0 -|                          |- window 1 -|

`Axis.compact` replaces large numbers by small ones that give the same windows, so that time, memory
and overflow do not depend on the size of a number beyond the image.
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
        """Return whether at most one window overlaps the image, or at most one tap per window, the
        same in each, with a margin of one element."""
        window, row = (self.taps - 1) * self.dilation, (self.windows - 1) * self.stride
        return self.stride > window + self.size + 1 or self.dilation > row + self.size + 1

    def compact(self, mirrored: bool = False) -> Axis:
        """Return an equivalent axis that is not sparse; an axis that is not sparse is returned as
        it is.

        Every tap of every window still reads the same element, or is on the same side of the image.
        With `mirrored` padding the distance from the image also matters; then only the stride of a
        single window and the dilation of a single tap change.

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
    """Return equivalent smaller steps of `outer` and `inner`, and the position of the first
    element.

    Both are (count, step); the elements are at begin + i outer step + j inner step. The outer step
    is so large that the elements of at most one i overlap the image.
    """
    (outer_count, outer_step), (inner_count, inner_step) = outer, inner
    i, begin = _nearest(size, outer_count, outer_step, (inner_count - 1) * inner_step, begin)
    j, begin = _nearest(size, inner_count, inner_step, 0, begin)
    inner_step = min(inner_step, size + 1)
    outer_step = (inner_count - 1) * inner_step + size + 1
    return outer_step, inner_step, begin - j * inner_step - i * outer_step


def _nearest(size: int, count: int, step: int, length: int, begin: int) -> tuple[int, int]:
    """Return the index and the begin of the last of `count` ranges that does not begin after the
    image. The ranges are `step` apart; the first one begins at `begin`.

    A range has `length` elements after its first. A range that ends before the image is moved to
    end just before it, which is equivalent.
    """
    index = min((size - 1 - begin) // step, count - 1)
    return index, max(begin + index * step, -length - 1)
