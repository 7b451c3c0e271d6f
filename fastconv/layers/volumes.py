"""Convolutions of volumes (batch, depth, height, width, channels), as those of images.

`fastconv.shapes.volumes` explains the arrangement. The transposed convolution takes the transposed
steps in the reverse order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastconv.common.literals import (
    ActivationLike,
    ConstraintLike,
    DataFormat,
    InitializerLike,
    Padding,
    RegularizerLike,
)
from fastconv.layers.conv import Conv
from fastconv.layers.conv_transpose import ConvTranspose
from fastconv.layers.spatial import Image
from fastconv.layers.weight_spec import built
from fastconv.plan import operations
from fastconv.plan.chain import Builder
from fastconv.plan.functions import Elementwise, Slot
from fastconv.plan.operations import Operation
from fastconv.resampling import pad_axis
from fastconv.shapes import Folding, folding, same_padding

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from fastconv.layers.options import BaseOptions


def _to_image(folded: Folding) -> list[Operation]:
    """Return the operations that arrange a volume."""
    gathered: list[Operation] = []
    if any(folded.maps):
        gathered = [operations.AxisMaps((*folded.maps, None))]
    if not folded.is_ordered:
        order = (0, *(axis + 1 for axis in folded.order))
        gathered += [operations.Reshape(folded.taps), operations.Transpose(order)]
    return [*gathered, operations.Reshape(folded.geometry.input_shape[1:])]


def _to_volume(folded: Folding) -> list[Operation]:
    """Return the transposes of `_to_image`, in the reverse order."""
    arranged: list[Operation] = []
    if not folded.is_ordered:
        sizes = tuple(folded.taps[axis] for axis in folded.order)
        inverse = (0, *(place + 1 for place in folded.inverse_order))
        arranged = [operations.Reshape(sizes), operations.Transpose(inverse)]
    arranged.append(operations.Reshape(folded.gathered))
    if any(folded.maps):
        maps = (each and each.transposed for each in folded.maps)
        arranged.append(operations.AxisMaps((*maps, None)))
    return arranged


class Conv3D(Conv):
    """3-D convolution of volumes (batch, depth, height, width, channels), such as computed
    tomographies, or videos with the frames as depth.

    y[n,h,i,j,k] = activation(b[k] + sum over (o,p,q,c) of
    x[n, h s + o d, i s + p d, j s + q d, c] w[o,p,q,c,k])

    Arguments and errors are those of `Conv2D` with three numbers instead of two. A copy of the
    input is needed in which every element stands once for each tap along the width; with a stride
    along the height, for each tap along height and width.

    Weights: kernel (kernel depth, height, width, channels / groups, filters), bias (filters,).

    >>> from fastconv import layers
    >>> layers.Conv3D(16, 3, padding="same").compute_output_shape((None, 8, 32, 32, 1))
    (None, 8, 32, 32, 16)
    """

    rank = 3

    def _on(self, image: Image) -> tuple[list[Operation], Folding]:
        """Return what pads the volume, if not the convolution, and the convolution."""
        before: list[Operation] = []
        padding = self.padding
        if self.padding_mode != "zeros":
            window = zip(image, self.kernel_size, self.strides, self.dilation_rate, strict=False)
            sides = [same_padding(*axis) for axis in window]
            self.check_reflection(sides, image[:-1])
            maps = [
                pad_axis(size, *side, self.padding_mode)
                for size, side in zip(image[:-1], sides, strict=True)
            ]
            before.append(operations.AxisMaps((*maps, None)))
            padding = "valid"
            image = (*(each.output_size for each in maps), image[-1])
        window = (self.strides, padding, self.dilation_rate, self.groups)
        return before, folding(image, self.kernel_shape(image[-1]), *window)

    def image_output(self, image: Image) -> Image:
        self.check_groups(image[-1])
        return self._on(image)[1].output

    def image_operations(self, image: Image) -> list[Operation]:
        before, folded = self._on(image)
        convolution = operations.Convolution(built(self.kernel), self.bias, folded.geometry)
        after = self.activation_operations(folded.output)
        return [*before, *_to_image(folded), convolution, *after, operations.Reshape(folded.output)]


class Conv3DTranspose(ConvTranspose):
    """The transpose of a 3-D convolution of volumes (batch, depth, height, width, channels).

    Arguments and errors are those of `Conv2DTranspose` with three numbers instead of two;
    `data_format` comes before `output_padding`, as in Keras.

    Weights: kernel (kernel depth, height, width, filters, channels), bias (filters,).

    >>> from fastconv import layers
    >>> layers.Conv3DTranspose(8, 3, strides=2, padding="same").compute_output_shape(
    ...     (None, 4, 7, 7, 16)
    ... )
    (None, 8, 14, 14, 8)
    """

    rank = 3

    def __init__(
        self,
        filters: int,
        kernel_size: int | tuple[int, ...],
        strides: int | tuple[int, ...] = 1,
        padding: Padding = "valid",
        data_format: DataFormat | None = None,
        output_padding: int | tuple[int, ...] | None = None,
        dilation_rate: int | tuple[int, ...] = 1,
        activation: ActivationLike = None,
        use_bias: bool = True,
        kernel_initializer: InitializerLike = "glorot_uniform",
        bias_initializer: InitializerLike = "zeros",
        kernel_regularizer: RegularizerLike = None,
        bias_regularizer: RegularizerLike = None,
        activity_regularizer: RegularizerLike = None,
        kernel_constraint: ConstraintLike = None,
        bias_constraint: ConstraintLike = None,
        **common: Unpack[BaseOptions],
    ):
        super().__init__(
            filters, kernel_size, strides, padding, output_padding, data_format, dilation_rate,
            activation, use_bias, kernel_initializer, bias_initializer, kernel_regularizer,
            bias_regularizer, activity_regularizer, kernel_constraint, bias_constraint, **common,
        )  # fmt: skip

    def image_operations(self, image: Image) -> list[Operation]:
        output = self.image_output(image)
        # the kernel of the convolution that it transposes, from `filters` to the channels
        shape = self.kernel_shape(image[-1])
        folded = folding(output, shape, self.strides, self.padding, self.dilation_rate)
        there = operations.Reshape(folded.geometry.output_shape[1:])
        convolution = operations.TransposedConvolution(built(self.kernel), None, folded.geometry)
        bias = [] if self.bias is None else [_added(self.bias, output)]
        after = self.activation_operations(output)
        return [there, convolution, *_to_volume(folded), *bias, *after]


def _added(bias: Any, image: Image) -> Elementwise:
    """Return the operation that adds a bias to images."""
    builder = Builder(2)
    x, b = builder.inputs
    shape = (None, *image)
    return Elementwise(builder.chain([x + b]), (Slot(0), bias), (shape, bias.shape), shape)
