"""Transposed convolution: every input adds a scaled filter to the output, `strides` apart."""

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
from fastconv.layers.conv import Convolutional
from fastconv.layers.spatial import Image, normalize_sizes
from fastconv.layers.weight_spec import KernelFields, WeightSpec, built, of_weight
from fastconv.parameters import Variable
from fastconv.plan import operations
from fastconv.plan.operations import Operation
from fastconv.shapes import Shape, checked_product, effective_kernel

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from fastconv.layers.options import BaseOptions


class ConvTranspose(KernelFields, Convolutional):
    """Base class of Conv1DTranspose, Conv2DTranspose and Conv3DTranspose."""

    settings: tuple[str, ...] = ("filters", "output_padding", *of_weight("kernel"))

    def __init__(
        self,
        filters: int,
        kernel_size: int | tuple[int, ...],
        strides: int | tuple[int, ...] = 1,
        padding: Padding = "valid",
        output_padding: int | tuple[int, ...] | None = None,
        data_format: DataFormat | None = None,
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
            kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias,
            (bias_initializer, bias_regularizer, bias_constraint),
            activity_regularizer=activity_regularizer, **common,
        )  # fmt: skip
        self.kernel_spec: WeightSpec = WeightSpec.of(
            "kernel", kernel_initializer, kernel_regularizer, kernel_constraint
        )
        self.filters: int = normalize_int(filters, "filters")
        self.output_padding: tuple[int, ...] | None = None
        if output_padding is not None:
            self.output_padding = normalize_sizes(
                output_padding, self.rank, "output_padding", minimum=0
            )
            if any(p >= s for p, s in zip(self.output_padding, self.strides, strict=True)):
                raise ValueError(
                    f"`output_padding` must be less than `strides` (={self.strides}), "
                    f"received {output_padding!r}"
                )
            self._check_output_padding()
        self.kernel: Variable | None = None

    def _check_output_padding(self) -> None:
        """Raise ValueError if no convolution has the output size of "same" for an input."""
        for axis, extra in enumerate(self.output_padding or ()):
            span = effective_kernel(self.kernel_size[axis], self.dilation_rate[axis])
            if self.padding == "same" and extra == 0 and span % 2 == 0:
                allowed = ("", "1 or ")[min(self.strides[axis], 2) - 1]
                if self.strides[axis] > 2:
                    allowed = f"1 to {self.strides[axis] - 1} or "
                raise ValueError(
                    f"`output_padding` must be {allowed}None (an output of size * stride) for a "
                    f"window of {span} elements, an even number, with padding 'same', received "
                    f"{self.output_padding}"
                )

    def kernel_shape(self, channels: int) -> tuple[int, ...]:
        """Return (KH, KW, filters, channels), of volumes with KD before."""
        return (*self.pair(self.kernel_size), self.filters, channels)

    def _length(self, size: int, axis: int) -> int:
        """Return the output length for the input length `size` along a spatial axis."""
        stride = self.strides[axis]
        span = effective_kernel(self.kernel_size[axis], self.dilation_rate[axis])
        if self.output_padding is None:
            extra = stride if self.padding == "same" else max(span, stride)
        else:
            extra = self.output_padding[axis]
            extra += span % 2 if self.padding == "same" else span
        return (size - 1) * stride + extra

    def image_output(self, image: Image) -> Image:
        space = [self._length(size, axis) for axis, size in enumerate(image[-1 - self.rank : -1])]
        checked_product((*space, self.filters, 8), "the output (in bytes, 8 per element)")
        return (*self.pair(tuple(space)), self.filters)

    def build(self, input_shape: Shape) -> None:
        shape = self.kernel_shape(self.image_of(input_shape)[-1])
        self.kernel = self.kernel_spec.create(self, shape[1:] if self.rank == 1 else shape)
        self.add_bias(self.filters)
        super().build(input_shape)

    def image_operations(self, image: Image) -> list[Operation]:
        output = self.image_output(image)
        geometry = self.geometry_of(output, self.kernel_shape(image[-1]))
        convolution = operations.TransposedConvolution(built(self.kernel), self.bias, geometry)
        return [convolution, *self.activation_operations(output)]


class Conv2DTranspose(ConvTranspose):
    """The transpose of a 2-D convolution; enlarges images where the convolution shrinks them.

    y[n, i s + p d, j s + q d, k] += x[n,i,j,c] w[p,q,k,c], plus the bias; padding "same" crops the
    border. The passes are those of a convolution with swapped roles (Dumoulin & Visin, arXiv
    1603.07285, chapter 4).

    Args:
        output_padding: None for an output size of size * stride ("same") or (size - 1) * stride +
            max(window, stride) ("valid"); otherwise the number of rows and columns in addition to
            (size - 1) * stride + window % 2 ("same") or + window ("valid"), less than `strides`.
        all others: as in `Conv2D`, without `groups`.

    Weights: kernel (kernel height, kernel width, filters, channels), bias (filters,).

    Raises the errors of `Conv2D`, and ValueError for an invalid `output_padding`.

    >>> from fastconv import layers
    >>> layers.Conv2DTranspose(8, 3, strides=2, padding="same").compute_output_shape(
    ...     (None, 7, 7, 16)
    ... )
    (None, 14, 14, 8)
    """


class Conv1DTranspose(ConvTranspose):
    """The transpose of a 1-D convolution of sequences (batch, steps, channels).

    Arguments and errors are those of `Conv2DTranspose` with one number instead of two.

    Weights: kernel (kernel size, filters, channels), bias (filters,).

    >>> from fastconv import layers
    >>> layers.Conv1DTranspose(8, 3, strides=2).compute_output_shape((None, 7, 16))
    (None, 15, 8)
    """

    rank = 1
