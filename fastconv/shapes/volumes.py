"""The convolution of a volume (depth, height, width, channels) as one of an image.

The taps along the width become channels, before the others, so that one row of an image holds one
slice of the volume:

    volume (D, H, W, C)   ->   image of D rows and H * OW columns with KW * C channels
    w (KD, KH, KW, C, K)   =   w (KD, KH, KW * C, K), the same elements in the same order

Neighbouring columns of the volume's height are OW columns apart in the image, which is the
dilation of the convolution. With a stride along the height, its taps become channels as well. The
channels of a group stay together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from fastconv.resampling import AxisMap, taps_axis
from fastconv.shapes.arguments import checked_product, padding_word
from fastconv.shapes.convolution import Conv2DGeometry, conv2d_geometry
from fastconv.shapes.windows import conv_output_length, same_padding


@dataclass(frozen=True)
class Folding:
    """What arranges one volume as an image, and the convolution of that.

    `maps` gather the taps along depth, height and width. The result has the shape `taps` (depth,
    height, its taps, width, its taps, groups, channels of a group); `order` are its axes in the
    image. `output` is the size of the volume that the convolution gives.
    """

    maps: tuple[AxisMap | None, ...]
    taps: tuple[int, ...]
    geometry: Conv2DGeometry
    output: tuple[int, ...]

    order = (0, 1, 3, 5, 2, 4, 6)
    inverse_order = (0, 1, 4, 2, 5, 3, 6)

    @property
    def is_ordered(self) -> bool:
        """Whether the image has the elements of `taps` in the same order."""
        places = [axis for axis in self.order if self.taps[axis] > 1]
        return places == sorted(places)

    @property
    def gathered(self) -> tuple[int, ...]:
        """The size of the volume that `maps` give."""
        depth, height, taps_h, width, taps_w, *channels = self.taps
        return depth, height * taps_h, width * taps_w, math.prod(channels)


@lru_cache(maxsize=1024)
def folding(
    volume: tuple[int, ...],
    kernel_shape: tuple[int, ...],
    strides: tuple[int, ...],
    padding: str | Sequence[tuple[int, int]],
    dilation_rate: tuple[int, ...],
    groups: int = 1,
) -> Folding:
    """Return the convolution of one volume with a kernel (KD, KH, KW, C / groups, K).

    Raises ValueError if the window is larger than the volume, or sizes exceed 64 bits.

    >>> folding((8, 32, 32, 1), (3, 3, 3, 1, 16), (1, 1, 1), "same", (1, 1, 1)).output
    (8, 32, 32, 16)
    """
    *sizes, channels = volume
    (kernel_d, kernel_h, kernel_w), filters = kernel_shape[:3], kernel_shape[-1]
    windows = list(zip(sizes, kernel_shape, strides, dilation_rate, strict=False))
    pads = (
        [same_padding(*axis) if padding == "same" else (0, 0) for axis in windows]
        if isinstance(padding, str)
        else padding
    )
    if isinstance(padding, str):
        padding_word(padding, "padding", padding)
    outputs = tuple(
        conv_output_length(n, k, s, sides, d)
        for (n, k, s, d), sides in zip(windows, pads, strict=True)
    )
    out_h, out_w = outputs[1:]
    (depth, height, _), with_height = sizes, strides[1] > 1
    checked_product((*outputs, filters, 8), "the output (in bytes, 8 per element)")
    taps_h, rows_h, columns = (kernel_h, 1, out_h) if with_height else (1, kernel_h, height)
    taps = (depth, columns, taps_h, out_w, kernel_w, groups, channels // groups)
    checked_product((*taps, 8), "the taps of all windows (in bytes, 8 per element)")
    map_h, map_w = (
        taps_axis(n, out, k, s, d, sides[0])
        for (n, k, s, d), out, sides in zip(windows[1:], outputs[1:], pads[1:], strict=True)
    )
    geometry = conv2d_geometry(
        (1, depth, columns * out_w, taps_h * kernel_w * channels),
        (kernel_d, rows_h, taps_h * kernel_w * kernel_shape[3], filters),
        strides=(strides[0], 1),
        padding=(pads[0], (0, 0) if with_height else tuple(side * out_w for side in pads[1])),
        dilation_rate=(dilation_rate[0], 1 if with_height else dilation_rate[1] * out_w),
        groups=groups,
        kernel_name="kernel",
        input_name="input",
    )
    maps = (None, map_h if with_height else None, map_w if kernel_w > 1 or strides[2] > 1 else None)
    return Folding(maps, taps, geometry, (*outputs, filters))
