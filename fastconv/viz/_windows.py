"""The windows of a network's layers: their sizes, strides and paddings."""

from __future__ import annotations

from typing import NamedTuple

from fastconv.layers import Conv2D
from fastconv.layers.symbolic import Call
from fastconv.models import Model
from fastconv.plan import operations
from fastconv.shapes import Conv2DGeometry, Pool2DGeometry


class Window(NamedTuple):
    """One axis of a convolution or pooling: `size` pixels, with gaps of dilation in between."""

    length: int  # of the input
    size: int
    stride: int
    before: int  # padding
    after: int
    output: int
    dilation: int = 1

    @property
    def span(self) -> int:
        """From the first to the last pixel of a window."""
        return (self.size - 1) * self.dilation + 1


def geometry_of(call: Call) -> Conv2DGeometry | Pool2DGeometry | None:
    """How the window of a called layer moves over its input (H, W, C); None if it has none."""
    layer = call.layer
    if isinstance(layer, Model) or not call.inputs or len(call.inputs[0].shape) != 4:
        return None
    if isinstance(layer, Conv2D):  # which may pad the image first
        return layer.geometry_on(layer.image_of(call.input_shape))
    for operation in layer.operations(call.input_shape):
        if isinstance(operation, (operations.Convolution, operations.Pooling)):
            return operation.geometry
    return None


def windows(geometry: Conv2DGeometry | Pool2DGeometry) -> tuple[Window, Window]:
    """Of the rows and of the columns."""
    g = geometry
    if isinstance(g, Conv2DGeometry):
        sizes, dilations = (g.kernel_h, g.kernel_w), (g.dilation_h, g.dilation_w)
    else:
        sizes, dilations = (g.pool_h, g.pool_w), (1, 1)
    return (
        Window(
            g.height, sizes[0], g.stride_h, g.pad_top, g.pad_bottom, g.out_h, dilations[0]
        ),
        Window(
            g.width, sizes[1], g.stride_w, g.pad_left, g.pad_right, g.out_w, dilations[1]
        ),
    )  # fmt: skip


def output_length_formula(window: Window) -> str:
    """The lectures' formula with its numbers: "floor((28 + 2*0 - 3)/1) + 1 = 26"."""
    w = window
    padding = f"2*{w.before}" if w.before == w.after else f"{w.before} + {w.after}"
    return f"floor(({w.length} + {padding} - {w.span})/{w.stride}) + 1 = {w.output}"
