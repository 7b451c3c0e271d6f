"""The geometry of a 2-D convolution: one validated record of its arguments."""

from __future__ import annotations

from typing import Any, NamedTuple

from fastconv.common.arguments import choice, normalize_int, normalize_pair
from fastconv.shapes.arguments import Sides, check_bytes, normalize_padding, normalize_shape
from fastconv.shapes.sparse_axis import Axis
from fastconv.shapes.windows import effective_kernel, resolve_window

PADDING_MODES = ("zeros", "edge", "reflect")


class Conv2DGeometry(NamedTuple):
    """One 2-D convolution with all arguments resolved.

    x (N, H, W, C), w (KH, KW, C / groups, K), y (N, OH, OW, K).
    """

    batch: int
    height: int
    width: int
    channels: int
    kernel_h: int
    kernel_w: int
    filters: int
    out_h: int
    out_w: int
    stride_h: int
    stride_w: int
    pad_top: int
    pad_bottom: int
    pad_left: int
    pad_right: int
    dilation_h: int
    dilation_w: int
    groups: int
    padding_mode: str

    @property
    def input_shape(self) -> tuple[int, int, int, int]:
        """(N, H, W, C)"""
        return (self.batch, self.height, self.width, self.channels)

    @property
    def kernel_shape(self) -> tuple[int, int, int, int]:
        """(KH, KW, C / groups, K)"""
        return (self.kernel_h, self.kernel_w, self.channels // self.groups, self.filters)

    @property
    def output_shape(self) -> tuple[int, int, int, int]:
        """(N, OH, OW, K)"""
        return (self.batch, self.out_h, self.out_w, self.filters)

    @property
    def padding(self) -> Sides:
        """((top, bottom), (left, right))"""
        return ((self.pad_top, self.pad_bottom), (self.pad_left, self.pad_right))

    def of_batch(self, batch: int) -> Conv2DGeometry:
        """Return the same convolution of `batch` samples; ValueError if the size of an array in
        bytes exceeds 64 bits.

        >>> conv2d_geometry((1, 13, 12, 1), (3, 3, 1, 8)).of_batch(32).output_shape
        (32, 11, 10, 8)
        """
        geometry = self._replace(batch=batch)
        check_bytes(geometry.input_shape, "the input")
        check_bytes(geometry.output_shape, "the output")
        return geometry

    def whole_windows(self, size: int) -> Conv2DGeometry:
        """Return the same convolution without the last outputs, which a pooling of ``size`` x
        ``size`` windows without overlap and without padding does not read.

        >>> conv2d_geometry((1, 13, 12, 1), (3, 3, 1, 8)).whole_windows(2).output_shape
        (1, 10, 10, 8)
        """
        return self._replace(out_h=self.out_h // size * size, out_w=self.out_w // size * size)

    def compact(self) -> Conv2DGeometry:
        """Return the same convolution with numbers beyond the size of the image replaced by
        equivalent smaller ones (`fastconv.shapes.sparse_axis`); the record itself if it has none.

        >>> geometry = conv2d_geometry((1, 4, 4, 1), (3, 3, 1, 1), strides=2**62)
        >>> geometry.compact().stride_h
        7
        """
        rows = Axis(
            self.height, self.kernel_h, self.dilation_h,
            self.out_h, self.stride_h, self.pad_top, self.pad_bottom,
        )  # fmt: skip
        columns = Axis(
            self.width, self.kernel_w, self.dilation_w,
            self.out_w, self.stride_w, self.pad_left, self.pad_right,
        )  # fmt: skip
        if not (rows.is_sparse() or columns.is_sparse()):
            return self
        mirrored = self.padding_mode == "reflect"
        rows, columns = rows.compact(mirrored), columns.compact(mirrored)
        return self._replace(
            dilation_h=rows.dilation,
            stride_h=rows.stride,
            pad_top=rows.before,
            pad_bottom=rows.after,
            dilation_w=columns.dilation,
            stride_w=columns.stride,
            pad_left=columns.before,
            pad_right=columns.after,
        )


def conv2d_geometry(
    input_shape: Any,
    kernel_shape: Any,
    *,
    strides: Any = 1,
    padding: Any = "valid",
    padding_mode: str = "zeros",
    dilation_rate: Any = 1,
    groups: Any = 1,
    input_name: str = "input_shape",
    kernel_name: str = "kernel_shape",
) -> Conv2DGeometry:
    """Resolve a 2-D convolution of x (N, H, W, C) with w (KH, KW, C / groups, K).

    `strides` and `dilation_rate` are an int or a pair, `padding` any form in the module docstring.
    `padding_mode` is the content of the padding: "zeros", "edge" (the border repeated) or "reflect"
    (mirrored without repeating the border, so the padding must be smaller than the image). Filter k
    belongs to group k // (K / groups) and reads only the channels of that group. `input_name` and
    `kernel_name` are the names of the two shapes in error messages.

    Raises ValueError for arguments that do not describe a convolution and TypeError for numbers
    that are not integers.

    >>> geometry = conv2d_geometry((8, 28, 28, 1), (3, 3, 1, 32))
    >>> geometry.output_shape
    (8, 26, 26, 32)
    >>> geometry = conv2d_geometry((1, 224, 224, 3), (7, 7, 3, 64), strides=2, padding="same")
    >>> geometry.output_shape, geometry.padding
    ((1, 112, 112, 64), ((2, 3), (2, 3)))
    """
    batch, height, width, channels = normalize_shape(input_shape, input_name, "N, H, W, C")
    kernel = normalize_shape(kernel_shape, kernel_name, "KH, KW, C / groups, K")
    kernel_h, kernel_w, group_channels, filters = kernel
    stride_h, stride_w = normalize_pair(strides, "strides")
    dilation_h, dilation_w = normalize_pair(dilation_rate, "dilation_rate")
    groups = normalize_int(groups, "groups")
    sides = normalize_padding(padding)
    choice(padding_mode, "padding_mode", PADDING_MODES)

    if channels % groups:
        raise ValueError(
            f"the channels of `{input_name}` (={channels}) must be divisible by "
            f"`groups` (={groups})"
        )
    if filters % groups:
        raise ValueError(
            f"the filters of `{kernel_name}` (={filters}) must be divisible by `groups` (={groups})"
        )
    if group_channels * groups != channels:
        raise ValueError(
            f"`{kernel_name}` must have {channels // groups} input channels to match "
            f"`{input_name}` with {channels} channels in {groups} group(s), "
            f"received {group_channels} in shape {kernel}"
        )

    (out_h, out_w), ((top, bottom), (left, right)) = resolve_window(
        (height, width),
        (kernel_h, kernel_w),
        (stride_h, stride_w),
        (dilation_h, dilation_w),
        sides,
        "effective kernel",
    )
    if padding_mode == "reflect" and (max(top, bottom) >= height or max(left, right) >= width):
        raise ValueError(
            '`padding` must be smaller than the image for `padding_mode` "reflect", received '
            f"{((top, bottom), (left, right))} for a height and width of {(height, width)}"
        )
    padded = (top + height + bottom, left + width + right)
    check_bytes((batch, height, width, channels), f"the input `{input_name}`")
    check_bytes((*padded, channels), "the padded image")
    check_bytes(kernel, f"the kernel `{kernel_name}`")
    check_bytes((batch, out_h, out_w, filters), "the output")
    geometry = Conv2DGeometry(
        batch=batch,
        height=height,
        width=width,
        channels=channels,
        kernel_h=kernel_h,
        kernel_w=kernel_w,
        filters=filters,
        out_h=out_h,
        out_w=out_w,
        stride_h=stride_h,
        stride_w=stride_w,
        pad_top=top,
        pad_bottom=bottom,
        pad_left=left,
        pad_right=right,
        dilation_h=dilation_h,
        dilation_w=dilation_w,
        groups=groups,
        padding_mode=padding_mode,
    )
    compact = geometry.compact()
    rows = 4 * (effective_kernel(kernel_h, compact.dilation_h) + compact.stride_h + height)
    columns = compact.pad_left + width + compact.pad_right + compact.stride_w
    check_bytes((rows, columns, max(channels, filters)), "a window of the padded image")
    return geometry
