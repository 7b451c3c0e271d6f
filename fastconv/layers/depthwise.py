"""Depthwise convolutions, alone or followed by a pointwise convolution.

A depthwise convolution is a grouped one with one group per channel: its kernel (KH, KW, C, M) has
the memory layout of the kernel (KH, KW, 1, C M) of C groups with M filters each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastconv.common.arguments import normalize_int
from fastconv.common.literals import (
    ActivationLike,
    ConstraintLike,
    DataFormat,
    InitializerLike,
    Padding,
    RegularizerLike,
)
from fastconv.constraints import Constraint
from fastconv.initializers import Initializer
from fastconv.layers.conv import Convolutional
from fastconv.layers.spatial import Image
from fastconv.layers.weight_spec import SpecField, WeightSpec, built, of_weight, spec_fields
from fastconv.parameters import Variable
from fastconv.plan import operations
from fastconv.plan.operations import Operation
from fastconv.regularizers import Regularizer
from fastconv.shapes import Conv2DGeometry, Shape, conv2d_geometry

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from fastconv.layers.options import BaseOptions


class _Depthwise(Convolutional):
    """Base class of this file's layers: the depthwise part."""

    settings: tuple[str, ...] = ("depth_multiplier", *of_weight("depthwise"))

    depth_multiplier: int
    kernel: Variable | None = None
    depthwise_spec: WeightSpec
    depthwise_initializer: SpecField[Initializer]
    depthwise_regularizer: SpecField[Regularizer | None]
    depthwise_constraint: SpecField[Constraint | None]
    depthwise_initializer, depthwise_regularizer, depthwise_constraint = spec_fields(
        "depthwise_spec"
    )

    def depthwise_shape(self, channels: int) -> tuple[int, ...]:
        """Return the kernel shape as that of a grouped convolution."""
        return (*self.pair(self.kernel_size), 1, channels * self.depth_multiplier)

    def depthwise_geometry(self, image: Image) -> Conv2DGeometry:
        """Return the depthwise convolution of one `image`; ValueError if it does not match."""
        return self.geometry_of(image, self.depthwise_shape(image[-1]), groups=image[-1])


class _DepthwiseConv(_Depthwise):
    """Base class of DepthwiseConv1D and DepthwiseConv2D."""

    def __init__(
        self,
        kernel_size: int | tuple[int, ...],
        strides: int | tuple[int, ...] = 1,
        padding: Padding = "valid",
        depth_multiplier: int = 1,
        data_format: DataFormat | None = None,
        dilation_rate: int | tuple[int, ...] = 1,
        activation: ActivationLike = None,
        use_bias: bool = True,
        depthwise_initializer: InitializerLike = "glorot_uniform",
        bias_initializer: InitializerLike = "zeros",
        depthwise_regularizer: RegularizerLike = None,
        bias_regularizer: RegularizerLike = None,
        activity_regularizer: RegularizerLike = None,
        depthwise_constraint: ConstraintLike = None,
        bias_constraint: ConstraintLike = None,
        **common: Unpack[BaseOptions],
    ):
        super().__init__(
            kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias,
            (bias_initializer, bias_regularizer, bias_constraint),
            activity_regularizer=activity_regularizer, **common,
        )  # fmt: skip
        self.depthwise_spec: WeightSpec = WeightSpec.of(
            "kernel", depthwise_initializer, depthwise_regularizer, depthwise_constraint
        )
        self.depth_multiplier: int = normalize_int(depth_multiplier, "depth_multiplier")

    def image_output(self, image: Image) -> Image:
        return self.depthwise_geometry(image).output_shape[1:]

    def build(self, input_shape: Shape) -> None:
        channels = self.image_of(input_shape)[-1]
        shape = (*self.kernel_size, channels, self.depth_multiplier)
        self.kernel = self.depthwise_spec.create(self, shape)
        self.add_bias(channels * self.depth_multiplier)
        super().build(input_shape)

    def image_operations(self, image: Image) -> list[Operation]:
        geometry = self.depthwise_geometry(image)
        depthwise = operations.Convolution(built(self.kernel), self.bias, geometry)
        return [depthwise, *self.activation_operations(geometry.output_shape[1:])]


class DepthwiseConv2D(_DepthwiseConv):
    """A 2-D convolution that applies `depth_multiplier` filters to each channel separately.

    y[n,i,j, c m + l] = activation(b[c m + l] + sum over (p,q) of x[n, i s + p d, j s + q d, c]
    w[p,q,c,l]), with m = `depth_multiplier`.

    Args:
        depthwise_initializer, depthwise_regularizer, depthwise_constraint: for the kernel.
        all others: as in `Conv2D`, without `filters` and `groups`.

    Weights: kernel (kernel height, kernel width, channels, depth_multiplier),
    bias (channels * depth_multiplier,).

    Raises the errors of `Conv2D`.

    >>> from fastconv import layers
    >>> layers.DepthwiseConv2D(3, depth_multiplier=2).compute_output_shape((None, 9, 9, 4))
    (None, 7, 7, 8)
    """


class DepthwiseConv1D(_DepthwiseConv):
    """The same for sequences (batch, steps, channels), with one number instead of two.

    Weights: kernel (kernel size, channels, depth_multiplier), bias (channels * depth_multiplier,).

    >>> from fastconv import layers
    >>> layers.DepthwiseConv1D(3, strides=2).compute_output_shape((None, 9, 4))
    (None, 4, 4)
    """

    rank = 1


class _SeparableConv(_Depthwise):
    """Base class of SeparableConv1D and SeparableConv2D."""

    settings: tuple[str, ...] = ("filters", *of_weight("pointwise"))

    pointwise_initializer: SpecField[Initializer]
    pointwise_regularizer: SpecField[Regularizer | None]
    pointwise_constraint: SpecField[Constraint | None]
    pointwise_initializer, pointwise_regularizer, pointwise_constraint = spec_fields(
        "pointwise_spec"
    )

    def __init__(
        self,
        filters: int,
        kernel_size: int | tuple[int, ...],
        strides: int | tuple[int, ...] = 1,
        padding: Padding = "valid",
        data_format: DataFormat | None = None,
        dilation_rate: int | tuple[int, ...] = 1,
        depth_multiplier: int = 1,
        activation: ActivationLike = None,
        use_bias: bool = True,
        depthwise_initializer: InitializerLike = "glorot_uniform",
        pointwise_initializer: InitializerLike = "glorot_uniform",
        bias_initializer: InitializerLike = "zeros",
        depthwise_regularizer: RegularizerLike = None,
        pointwise_regularizer: RegularizerLike = None,
        bias_regularizer: RegularizerLike = None,
        activity_regularizer: RegularizerLike = None,
        depthwise_constraint: ConstraintLike = None,
        pointwise_constraint: ConstraintLike = None,
        bias_constraint: ConstraintLike = None,
        **common: Unpack[BaseOptions],
    ):
        super().__init__(
            kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias,
            (bias_initializer, bias_regularizer, bias_constraint),
            activity_regularizer=activity_regularizer, **common,
        )  # fmt: skip
        self.depthwise_spec: WeightSpec = WeightSpec.of(
            "depthwise_kernel", depthwise_initializer, depthwise_regularizer, depthwise_constraint
        )
        self.pointwise_spec: WeightSpec = WeightSpec.of(
            "pointwise_kernel", pointwise_initializer, pointwise_regularizer, pointwise_constraint
        )
        self.filters: int = normalize_int(filters, "filters")
        self.depth_multiplier: int = normalize_int(depth_multiplier, "depth_multiplier")
        self.depthwise_kernel: Variable | None = None
        self.pointwise_kernel: Variable | None = None

    def image_output(self, image: Image) -> Image:
        return (*self.depthwise_geometry(image).output_shape[1:3], self.filters)

    def build(self, input_shape: Shape) -> None:
        channels = self.image_of(input_shape)[-1]
        middle = channels * self.depth_multiplier
        shape = (*self.kernel_size, channels, self.depth_multiplier)
        self.depthwise_kernel = self.depthwise_spec.create(self, shape)
        shape = (*(1,) * self.rank, middle, self.filters)
        self.pointwise_kernel = self.pointwise_spec.create(self, shape)
        self.add_bias(self.filters)
        super().build(input_shape)

    def image_operations(self, image: Image) -> list[Operation]:
        depthwise = self.depthwise_geometry(image)
        *_, channels = middle = depthwise.output_shape
        pointwise = conv2d_geometry(middle, (1, 1, channels, self.filters))
        return [
            operations.Convolution(built(self.depthwise_kernel), None, depthwise),
            operations.Convolution(built(self.pointwise_kernel), self.bias, pointwise),
            *self.activation_operations(pointwise.output_shape[1:]),
        ]


class SeparableConv2D(_SeparableConv):
    """A depthwise convolution without bias, followed by a 1x1 convolution that mixes the channels.

    Args:
        filters: number of output channels.
        depth_multiplier: number of filters per channel in the depthwise part.
        depthwise_initializer, pointwise_initializer, ...: for the two kernels.
        all others: as in `Conv2D`, without `groups`.

    Weights: depthwise_kernel (kernel height, kernel width, channels, depth_multiplier),
    pointwise_kernel (1, 1, channels * depth_multiplier, filters), bias (filters,).

    Raises the errors of `Conv2D`.

    >>> from fastconv import layers
    >>> layers.SeparableConv2D(16, 3, padding="same").compute_output_shape((None, 9, 9, 4))
    (None, 9, 9, 16)
    """


class SeparableConv1D(_SeparableConv):
    """The same for sequences (batch, steps, channels), with one number instead of two.

    Weights: depthwise_kernel (kernel size, channels, depth_multiplier),
    pointwise_kernel (1, channels * depth_multiplier, filters), bias (filters,).

    >>> from fastconv import layers
    >>> layers.SeparableConv1D(16, 3).compute_output_shape((None, 9, 4))
    (None, 7, 16)
    """

    rank = 1
