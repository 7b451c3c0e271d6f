"""The geometry of a 2-D pooling: one validated record of its arguments."""

from __future__ import annotations

from typing import Any, NamedTuple

from fastconv.common.arguments import normalize_pair
from fastconv.shapes.arguments import Sides, check_bytes, normalize_padding, normalize_shape
from fastconv.shapes.windows import resolve_window

_INT32_MAX = 2**31 - 1  # positions in a pooling window: the index of a maximum has 32 bits


class Pool2DGeometry(NamedTuple):
    """One 2-D pooling with all arguments resolved: x (N, H, W, C), y (N, OH, OW, C)."""

    batch: int
    height: int
    width: int
    channels: int
    pool_h: int
    pool_w: int
    out_h: int
    out_w: int
    stride_h: int
    stride_w: int
    pad_top: int
    pad_bottom: int
    pad_left: int
    pad_right: int

    @property
    def input_shape(self) -> tuple[int, int, int, int]:
        """(N, H, W, C)"""
        return (self.batch, self.height, self.width, self.channels)

    @property
    def output_shape(self) -> tuple[int, int, int, int]:
        """(N, OH, OW, C)"""
        return (self.batch, self.out_h, self.out_w, self.channels)

    @property
    def padding(self) -> Sides:
        """((top, bottom), (left, right))"""
        return ((self.pad_top, self.pad_bottom), (self.pad_left, self.pad_right))

    @property
    def argmax_dtype(self) -> str:
        """dtype of the index of a maximum in its window: one byte for up to 256 positions.

        >>> pool2d_geometry((1, 4, 4, 1)).argmax_dtype
        'uint8'
        """
        return "uint8" if self.pool_h * self.pool_w <= 256 else "int32"

    def of_batch(self, batch: int) -> Pool2DGeometry:
        """Return the same pooling of `batch` samples; ValueError if the size of an array in bytes
        exceeds 64 bits.

        >>> pool2d_geometry((1, 13, 13, 64)).of_batch(8).output_shape
        (8, 6, 6, 64)
        """
        geometry = self._replace(batch=batch)
        check_bytes(geometry.input_shape, "the input")
        check_bytes(geometry.output_shape, "the output")
        return geometry

    def compact(self) -> Pool2DGeometry:
        """Return the same pooling with strides of at most the size of window plus image: larger
        ones also leave a single window on the image.

        >>> pool2d_geometry((1, 4, 4, 1), pool_size=2, strides=2**62).compact().stride_h
        6
        """
        return self._replace(
            stride_h=min(self.stride_h, self.pool_h + self.height),
            stride_w=min(self.stride_w, self.pool_w + self.width),
        )


def pool2d_geometry(
    input_shape: Any,
    *,
    pool_size: Any = 2,
    strides: Any = None,
    padding: Any = "valid",
    input_name: str = "input_shape",
) -> Pool2DGeometry:
    """Resolve a 2-D pooling of x (N, H, W, C) by windows of `pool_size`, `strides` apart.

    `pool_size` and `strides` are an int or a pair; `strides=None` means `pool_size`.

    Padding is excluded from a maximum or an average, so a window that covers only padding does not
    have a value: such a `padding` raises ValueError, as does a window larger than the padded input.
    Raises TypeError for numbers that are not integers.

    >>> pool2d_geometry((8, 13, 13, 64)).output_shape
    (8, 6, 6, 64)
    >>> pool2d_geometry((8, 13, 13, 64), padding="same").output_shape
    (8, 7, 7, 64)
    """
    batch, height, width, channels = normalize_shape(input_shape, input_name, "N, H, W, C")
    pool_h, pool_w = normalize_pair(pool_size, "pool_size")
    stride_h, stride_w = (pool_h, pool_w) if strides is None else normalize_pair(strides, "strides")
    if pool_h * pool_w > _INT32_MAX:
        raise ValueError(
            f"`pool_size` must have at most {_INT32_MAX} places in all, received {pool_size!r}"
        )
    sides = normalize_padding(padding)
    (out_h, out_w), ((top, bottom), (left, right)) = resolve_window(
        (height, width), (pool_h, pool_w), (stride_h, stride_w), (1, 1), sides, "pool window"
    )
    # The windows are in order: it suffices that the first ends, and the last starts, in the image.
    last_row, last_column = (out_h - 1) * stride_h - top, (out_w - 1) * stride_w - left
    if top >= pool_h or left >= pool_w or last_row >= height or last_column >= width:
        raise ValueError(
            f"`padding` {((top, bottom), (left, right))} leaves a pool window of "
            f"{(pool_h, pool_w)} wholly in the padding of an image of {(height, width)}; "
            "every window must cover at least one pixel"
        )
    padded = (top + height + bottom, left + width + right)
    check_bytes((batch, height, width, channels), f"the input `{input_name}`")
    check_bytes((*padded, channels), "the padded image")
    check_bytes((batch, out_h, out_w, channels), "the output")
    return Pool2DGeometry(
        batch=batch,
        height=height,
        width=width,
        channels=channels,
        pool_h=pool_h,
        pool_w=pool_w,
        out_h=out_h,
        out_w=out_w,
        stride_h=stride_h,
        stride_w=stride_w,
        pad_top=top,
        pad_bottom=bottom,
        pad_left=left,
        pad_right=right,
    )
