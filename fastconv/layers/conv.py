"""Convolution: every filter computes a weighted sum over each window of an image.

`Convolutional` is the base class of the family: window, bias and activation. `conv_transpose` and
`depthwise` contain the other members.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from fastconv.common.arguments import normalize_int, one_of
from fastconv.common.literals import (
    ActivationLike,
    CausalPadding,
    ConstraintLike,
    DataFormat,
    InitializerLike,
    PaddingMode,
    RegularizerLike,
)
from fastconv.layers.activated import Activated
from fastconv.layers.spatial import Image, Spatial, check_padding, normalize_sizes
from fastconv.layers.weight_spec import BiasFields, KernelFields, WeightSpec, built, of_weight
from fastconv.parameters import Variable
from fastconv.plan import operations
from fastconv.plan.operations import Operation
from fastconv.resampling import AxisMap, pad_axis
from fastconv.shapes import PADDING_MODES, Conv2DGeometry, Shape, conv2d_geometry

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from fastconv.layers.options import BaseOptions, LayerOptions


class Convolutional(BiasFields, Spatial, Activated):
    """Base class of all convolutions. A subclass sets the specs of its kernels."""

    settings: tuple[str, ...] = (
        "kernel_size", "strides", "padding", "dilation_rate", "use_bias", "activity_regularizer",
        *of_weight("bias"),
    )  # fmt: skip

    paddings: tuple[str, ...] = ()  # in addition to "valid" and "same"

    def __init__(
        self,
        kernel_size: Any,
        strides: Any,
        padding: str,
        data_format: DataFormat | None,
        dilation_rate: Any,
        activation: ActivationLike,
        use_bias: bool,
        bias: tuple[InitializerLike, RegularizerLike, ConstraintLike],
        /,
        **common: Unpack[LayerOptions],
    ):
        super().__init__(data_format, **common)
        self.kernel_size: tuple[int, ...] = normalize_sizes(kernel_size, self.rank, "kernel_size")
        self.strides: tuple[int, ...] = normalize_sizes(strides, self.rank, "strides")
        self.padding: str = check_padding(padding, *self.paddings)
        self.dilation_rate: tuple[int, ...] = normalize_sizes(
            dilation_rate, self.rank, "dilation_rate"
        )
        self.activation = activation
        self.use_bias: bool = bool(use_bias)
        self.bias_spec: WeightSpec = WeightSpec.of("bias", *bias)
        self.bias: Variable | None = None

    def add_bias(self, size: int) -> None:
        """Declare the bias, if the layer has one."""
        if self.use_bias:
            self.bias = self.bias_spec.create(self, (size,))

    def window(self) -> dict[str, Any]:
        """Return stride, dilation and padding of the window, in rows and columns."""
        padding: Any = self.padding
        if padding == "causal":  # no output depends on later inputs
            reach = (self.kernel_size[0] - 1) * self.dilation_rate[0]
            padding = ((0, 0), (reach, 0))
        return {
            "strides": self.pair(self.strides),
            "padding": padding,
            "dilation_rate": self.pair(self.dilation_rate),
        }

    def geometry_of(
        self, image: Image, kernel_shape: tuple[int, ...], groups: int = 1
    ) -> Conv2DGeometry:
        """Return the convolution of one `image` by the layer's window; ValueError if it does not
        match."""
        return _geometry(image, kernel_shape, groups, **self.window())

    def activation_operations(self, image: Image) -> list[Operation]:
        """Return the elementwise operations after the convolution that gives `image`, which can be
        fused into it."""
        following = self.following_operations(self.shape_of(image))
        return following if all(isinstance(n, operations.Activation) for n in following) else []

    def outer_operations(self, image: Image) -> list[Operation]:
        # A softmax is over an axis in the layer's own data format.
        inside = self.activation_operations(image)
        return [] if inside else self.following_operations(self.shape_of(image))


@lru_cache(maxsize=1024)
def _geometry(
    image: Image,
    kernel_shape: tuple[int, ...],
    groups: int,
    strides: tuple[int, ...],
    padding: Any,
    dilation_rate: tuple[int, ...],
) -> Conv2DGeometry:
    """`conv2d_geometry` of one sample. Cached, because a layer needs it for its output shape, its
    operations and its weights, again for every plan."""
    return conv2d_geometry(
        (1, *image),
        kernel_shape,
        strides=strides,
        padding=padding,
        dilation_rate=dilation_rate,
        groups=groups,
    )


class Conv(KernelFields, Convolutional):
    """Base class of Conv1D, Conv2D and Conv3D."""

    settings: tuple[str, ...] = ("filters", "groups", *of_weight("kernel"))

    unwritten: tuple[str, ...] = ("padding_mode",)

    def __init__(
        self,
        filters: int,
        kernel_size: int | tuple[int, ...],
        strides: int | tuple[int, ...] = 1,
        padding: CausalPadding = "valid",
        data_format: DataFormat | None = None,
        dilation_rate: int | tuple[int, ...] = 1,
        groups: int = 1,
        activation: ActivationLike = None,
        use_bias: bool = True,
        kernel_initializer: InitializerLike = "glorot_uniform",
        bias_initializer: InitializerLike = "zeros",
        kernel_regularizer: RegularizerLike = None,
        bias_regularizer: RegularizerLike = None,
        activity_regularizer: RegularizerLike = None,
        kernel_constraint: ConstraintLike = None,
        bias_constraint: ConstraintLike = None,
        *,
        padding_mode: PaddingMode = "zeros",
        **common: Unpack[BaseOptions],
    ):
        super().__init__(
            kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias,
            (bias_initializer, bias_regularizer, bias_constraint),
            activity_regularizer=activity_regularizer, **common,
        )  # fmt: skip
        one_of(padding_mode, "padding_mode", PADDING_MODES)
        self.padding_mode = padding_mode
        if self.padding_mode != "zeros" and self.padding == "valid":
            raise ValueError(
                f"`padding_mode` {padding_mode!r} must come with a `padding` other than 'valid', "
                "which adds nothing around the image"
            )
        self.kernel_spec: WeightSpec = WeightSpec.of(
            "kernel", kernel_initializer, kernel_regularizer, kernel_constraint
        )
        self.filters: int = normalize_int(filters, "filters")
        self.groups: int = normalize_int(groups, "groups")
        if self.filters % self.groups:
            raise ValueError(
                f"`filters` (={self.filters}) must be a multiple of `groups` (={self.groups})"
            )
        self.kernel: Variable | None = None

    def kernel_shape(self, channels: int) -> tuple[int, ...]:
        """Return (KH, KW, channels / groups, filters), of volumes with KD before."""
        return (*self.pair(self.kernel_size), channels // self.groups, self.filters)

    def check_groups(self, channels: int) -> None:
        """Raise ValueError unless the groups divide the channels of the input."""
        if channels % self.groups:
            raise ValueError(
                f"the input channels (={channels}) must be a multiple of `groups` (={self.groups})"
            )

    def image_output(self, image: Image) -> Image:
        self.check_groups(image[-1])
        geometry = self.geometry_on(image)
        if self.padding_mode != "zeros":
            self._padding_maps(geometry)
        return geometry.output_shape[1:]

    def geometry_on(self, image: Image) -> Conv2DGeometry:
        """Return how the window moves over `image`, with its padding."""
        return self.geometry_of(image, self.kernel_shape(image[-1]), self.groups)

    def build(self, input_shape: Shape) -> None:
        shape = self.kernel_shape(self.image_of(input_shape)[-1])
        self.kernel = self.kernel_spec.create(self, shape[1:] if self.rank == 1 else shape)
        self.add_bias(self.filters)
        super().build(input_shape)

    def image_operations(self, image: Image) -> list[Operation]:
        geometry = self.geometry_on(image)
        before: list[Operation] = []
        if self.padding_mode != "zeros":
            maps, padded = self._padding_maps(geometry)
            before = [operations.AxisMaps((*maps, None))]
            window = self.window() | {"padding": "valid"}
            geometry = _geometry(padded, self.kernel_shape(image[-1]), self.groups, **window)
        convolution = operations.Convolution(built(self.kernel), self.bias, geometry)
        return [*before, convolution, *self.activation_operations(geometry.output_shape[1:])]

    def _padding_maps(self, geometry: Conv2DGeometry) -> tuple[tuple[AxisMap, AxisMap], Image]:
        """Return what pads rows and columns, and the padded image; ValueError for a reflection
        that is larger than the image."""
        g = geometry
        sides = ((g.pad_top, g.pad_bottom), (g.pad_left, g.pad_right))
        sizes = (g.height, g.width)
        self.check_reflection(sides, sizes)
        rows, columns = (
            pad_axis(size, *side, self.padding_mode)
            for size, side in zip(sizes, sides, strict=True)
        )
        return (rows, columns), (rows.output_size, columns.output_size, g.channels)

    def check_reflection(self, sides: Sequence[tuple[int, int]], sizes: Sequence[int]) -> None:
        """Raise ValueError if the padding mirrors more than there is."""
        if self.padding_mode == "reflect" and any(map(_exceeds, sides, sizes)):
            raise ValueError(
                f"the padding {tuple(sides)} must be smaller than the image {tuple(sizes)} for "
                "`padding_mode` 'reflect'"
            )

    def get_config(self) -> dict[str, Any]:
        # Keras does not have the other modes, so it is not written for "zeros".
        mode = {} if self.padding_mode == "zeros" else {"padding_mode": self.padding_mode}
        return super().get_config() | mode


def _exceeds(side: tuple[int, int], size: int) -> bool:
    return max(side) >= size


class Conv2D(Conv):
    """2-D convolution of images (batch, height, width, channels).

    y[n,i,j,k] = activation(b[k] + sum over (p,q,c) of x[n, i s + p d, j s + q d, c] w[p,q,c,k])

    Args:
        filters: number of output channels.
        kernel_size: (height, width) of the window, or one integer for both.
        strides: stride of the window, (rows, columns) or one integer.
        padding: "valid", no padding, or "same", zero padding such that the output size is
            ceil(size / stride); an odd amount has the extra zero at the end.
        data_format: None or "channels_last", or "channels_first" for images (batch, channels,
            height, width).
        dilation_rate: distance between neighbouring taps, (rows, columns) or one integer.
        groups: number of groups into which the channels are split and convolved separately.
        activation: None, one of `fastconv.activations`, or a layer without weights that is an
            activation, such as `LeakyReLU(0.1)`.
        use_bias: whether to add a bias per filter.
        kernel_initializer, bias_initializer: see `fastconv.initializers`.
        kernel_regularizer, bias_regularizer, activity_regularizer: see `fastconv.regularizers`.
        kernel_constraint, bias_constraint: see `fastconv.constraints`.
        padding_mode: values of the padding: "zeros"; beyond Keras "edge", the outermost pixel
            repeated, or "reflect", the image mirrored at its outermost pixel.
        name, trainable, dtype, input_shape: see `Layer`.

    Weights: kernel (kernel height, kernel width, channels / groups, filters), bias (filters,).

    Raises:
        ValueError: a size is not positive, `filters` or the channels are not a multiple of
            `groups`, the window is larger than the padded image, an option is unknown, or
            `padding_mode` needs a padding, or a larger image to mirror.
        TypeError: a size is not an integer.

    >>> from fastconv import layers
    >>> layers.Conv2D(32, (3, 3), activation="relu").compute_output_shape((None, 28, 28, 1))
    (None, 26, 26, 32)
    """


class Conv1D(Conv):
    """1-D convolution of sequences (batch, steps, channels).

    Arguments and errors are those of `Conv2D` with one number, or a tuple of one, instead of two;
    `padding` may also be "causal": zeros only before the start, so that output t does not depend on
    inputs after t.

    Weights: kernel (kernel size, channels / groups, filters), bias (filters,).

    >>> from fastconv import layers
    >>> layers.Conv1D(8, 3, padding="causal", dilation_rate=2).compute_output_shape((None, 20, 4))
    (None, 20, 8)
    """

    rank = 1
    paddings: tuple[str, ...] = ("causal",)
