"""Convolution: a small window slides over an image; at each place every filter gives a number."""

from __future__ import annotations

from typing import Any

from fastconv import activations, constraints, initializers, regularizers
from fastconv.layers.activation import fusible_nodes
from fastconv.layers.base import (
    Layer,
    check_data_format,
    image_shape,
)
from fastconv.plan import nodes
from fastconv.serialization import serialize
from fastconv.shapes import conv2d_geometry, normalize_int, normalize_padding, normalize_pair


class Conv2D(Layer):
    """2-D convolution of images (batch, height, width, channels).

    y[n,i,j,k] = activation(b[k] + sum over (p,q,c) of x[n, i s + p d, j s + q d, c] w[p,q,c,k])

    Args:
        filters: how many numbers come out at each place.
        kernel_size: (height, width) of the window, or one integer for both.
        strides: how far the window moves, (rows, columns) or one integer.
        padding: "valid", no padding, or "same", as many zeros as it takes for an output of
            ceil(size / stride); an odd number of them puts the extra one at the end.
        data_format: None or "channels_last".
        dilation_rate: the distance of neighbouring taps, (rows, columns) or one integer.
        groups: the channels are split into so many groups that do not see each other.
        activation: None, "relu", "leaky_relu", "sigmoid", "tanh" or "softmax".
        use_bias: whether every filter has a number of its own to add.
        kernel_initializer, bias_initializer: see `fastconv.initializers`.
        kernel_regularizer, bias_regularizer, activity_regularizer: see `fastconv.regularizers`.
        kernel_constraint, bias_constraint: see `fastconv.constraints`.
        name, trainable, dtype, input_shape: see `Layer`.

    Weights: kernel (kernel height, kernel width, channels / groups, filters), bias (filters,).

    Raises:
        ValueError: a size is not positive, `filters` or the channels are no multiple of `groups`,
            the window is larger than the padded image, an unknown or unsupported option.
        TypeError: a size is no integer.

    >>> from fastconv import layers
    >>> layers.Conv2D(32, (3, 3), activation="relu").compute_output_shape((None, 28, 28, 1))
    (None, 26, 26, 32)
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | tuple[int, int],
        strides: int | tuple[int, int] = (1, 1),
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: int | tuple[int, int] = (1, 1),
        groups: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **common: Any,
    ):
        super().__init__(activity_regularizer=activity_regularizer, **common)
        check_data_format(data_format)
        self.filters = normalize_int(filters, "filters")
        self.kernel_size = normalize_pair(kernel_size, "kernel_size")
        self.strides = normalize_pair(strides, "strides")
        self.padding = check_padding(padding)
        self.dilation_rate = normalize_pair(dilation_rate, "dilation_rate")
        self.groups = normalize_int(groups, "groups")
        if self.filters % self.groups:
            raise ValueError(
                f"`filters` (={self.filters}) must be a multiple of `groups` (={self.groups})"
            )
        self.activation = activations.get(activation)
        self.use_bias = bool(use_bias)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.kernel = self.bias = None

    def compute_output_shape(self, input_shape):
        shape = image_shape(self, input_shape)
        if shape[-1] % self.groups:
            raise ValueError(
                f"layer {self.name!r}: the input channels (={shape[-1]}) must be a multiple of "
                f"`groups` (={self.groups})"
            )
        try:
            geometry = conv2d_geometry(
                shape,
                (*self.kernel_size, shape[-1] // self.groups, self.filters),
                strides=self.strides,
                padding=self.padding,
                dilation_rate=self.dilation_rate,
                groups=self.groups,
            )
        except ValueError as error:
            raise ValueError(f"layer {self.name!r} on input {input_shape}: {error}") from error
        return (None, *geometry.output_shape[1:])

    def build(self, input_shape):
        channels = image_shape(self, input_shape)[-1]
        shape = (*self.kernel_size, channels // self.groups, self.filters)
        self.kernel = self.add_weight(
            "kernel",
            shape,
            self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        if self.use_bias:
            self.bias = self.add_weight(
                "bias",
                (self.filters,),
                self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
        super().build(input_shape)

    def nodes(self, input_shape):
        convolution = nodes.Convolution(
            self.kernel, self.bias, self.strides, self.padding, self.dilation_rate, self.groups
        )
        return [convolution, *fusible_nodes(self.activation)]

    def get_config(self):
        return super().get_config() | {
            "filters": self.filters,
            "kernel_size": list(self.kernel_size),
            "strides": list(self.strides),
            "padding": self.padding,
            "data_format": "channels_last",
            "dilation_rate": list(self.dilation_rate),
            "groups": self.groups,
            "activation": self.activation.__name__,
            "use_bias": self.use_bias,
            "kernel_initializer": serialize(self.kernel_initializer),
            "bias_initializer": serialize(self.bias_initializer),
            "kernel_regularizer": serialize(self.kernel_regularizer),
            "bias_regularizer": serialize(self.bias_regularizer),
            "activity_regularizer": serialize(self.activity_regularizer),
            "kernel_constraint": serialize(self.kernel_constraint),
            "bias_constraint": serialize(self.bias_constraint),
        }


def check_padding(padding: str) -> str:
    """Layers pad by name only: "valid" or "same", in any case of letters."""
    if not isinstance(padding, str) or padding.lower() not in ("valid", "same"):
        raise ValueError(f"`padding` must be 'valid' or 'same', received {padding!r}")
    return normalize_padding(padding)
