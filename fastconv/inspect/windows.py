"""A window that slides along one axis: how often it fits, and what it never sees.

Convolution and pooling do the same to every axis of an image, one after the other, so sizes
follow from one axis at a time.
"""

from __future__ import annotations

from dataclasses import dataclass

from fastconv.shapes import Conv2DGeometry, Pool2DGeometry, effective_kernel


@dataclass(frozen=True)
class Window:
    """`kernel` taps, `dilation` apart, laid on an axis of `length` elements with `before` and
    `after` zeros around it, at every `stride`-th place: `outputs` times.

    >>> Window(28, 3).outputs
    26
    >>> Window(7, 3, stride=3).unseen
    [6]
    """

    length: int
    kernel: int
    stride: int = 1
    dilation: int = 1
    before: int = 0
    after: int = 0

    @property
    def span(self) -> int:
        """From the first tap to the last."""
        return effective_kernel(self.kernel, self.dilation)

    @property
    def places(self) -> float:
        """(N - F + 2P) / S + 1; no integer if the last step does not fit."""
        return (self.length + self.before + self.after - self.span) / self.stride + 1

    @property
    def outputs(self) -> int:
        """`places`, rounded down."""
        return (self.length + self.before + self.after - self.span) // self.stride + 1

    @property
    def unseen(self) -> list[int]:
        """The elements of the axis that lie under no tap at any place."""
        seen: set[int] = set()
        last = self.before + self.length - 1  # of the elements, counted with the padding
        row = (self.outputs - 1) * self.stride
        first_tap = max(-(-(self.before - row) // self.dilation), 0)
        for tap in range(first_tap, min(last // self.dilation + 1, self.kernel)):
            offset = tap * self.dilation
            first_place = max(-(-(self.before - offset) // self.stride), 0)
            for place in range(first_place, min((last - offset) // self.stride + 1, self.outputs)):
                seen.add(place * self.stride + offset - self.before)
        return [element for element in range(self.length) if element not in seen]

    @property
    def formula(self) -> str:
        """How many outputs there are, with the numbers filled in.

        >>> Window(28, 3).formula
        'floor((28 + 2*0 - 3)/1) + 1 = 26'
        """
        padding = f"{self.before}+{self.after}"
        if self.before == self.after:
            padding = f"2*{self.before}"
        span = str(self.span)
        if self.dilation > 1:
            span = f"(({self.kernel}-1)*{self.dilation}+1)"
        inner = f"({self.length} + {padding} - {span})/{self.stride}"
        return f"floor({inner}) + 1 = {self.outputs}"


def windows_of(geometry: Conv2DGeometry | Pool2DGeometry) -> tuple[Window, Window]:
    """The windows of a convolution or pooling along rows and columns."""
    if isinstance(geometry, Conv2DGeometry):
        kernel = geometry.kernel_h, geometry.kernel_w
        dilation = geometry.dilation_h, geometry.dilation_w
    else:
        kernel, dilation = (geometry.pool_h, geometry.pool_w), (1, 1)
    (top, bottom), (left, right) = geometry.padding
    return (
        Window(geometry.height, kernel[0], geometry.stride_h, dilation[0], top, bottom),
        Window(geometry.width, kernel[1], geometry.stride_w, dilation[1], left, right),
    )
