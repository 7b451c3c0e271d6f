"""Convolution and pooling under Keras's names, on sequences, images or volumes, by the compiled
operations.

`convolution` and `pooling` have the operations on images (N, H, W, C) themselves, and `volumes`
those on volumes (N, D, H, W, C), which are made of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.common.literals import DataFormat, Padding, WindowPadding
from fastconv.ops._function import Spec, composite, function
from fastconv.ops.convolution import conv2d, conv2d_backward_input, conv2d_backward_kernel
from fastconv.ops.pooling import (
    avg_pool2d,
    avg_pool2d_backward,
    max_pool2d,
    max_pool2d_backward,
)
from fastconv.ops.volumes import (
    conv3d,
    conv3d_backward_input,
    conv3d_backward_kernel,
    pool3d,
    pool3d_backward,
)
from fastconv.shapes import (
    Pool2DGeometry,
    conv2d_geometry,
    conv_output_length,
    folding,
    normalize_int,
    pool2d_geometry,
)

_FORMATS = ("channels_last", "channels_first")


class _Images:
    """How inputs become images (N, H, W, C) or volumes (N, D, H, W, C): channels first or last, one
    to three spatial axes. The operations on them follow."""

    def __init__(self, rank: int, data_format: str | None):
        if rank not in (3, 4, 5):
            raise ValueError(
                f"`inputs` must have 1, 2 or 3 spatial axes between batch and channels, received "
                f"{rank} axes"
            )
        if data_format not in (None, *_FORMATS):
            raise ValueError(f"`data_format` must be one of {_FORMATS}, received {data_format!r}")
        self.first, self.spatial = data_format == "channels_first", rank - 2

    def of(self, x: np.ndarray) -> np.ndarray:
        x = np.moveaxis(x, 1, -1) if self.first else x
        return np.ascontiguousarray(x[:, None] if self.spatial == 1 else x)

    def back(self, y: Any) -> np.ndarray:
        y = y[:, 0] if self.spatial == 1 else y
        return np.moveaxis(y, -1, 1) if self.first else y

    def shape(self, shape: tuple) -> tuple:
        """Return the shape as images."""
        shape = (shape[0], *shape[2:], shape[1]) if self.first else tuple(shape)
        return (shape[0], 1, *shape[1:]) if self.spatial == 1 else shape

    def shape_back(self, shape: tuple) -> tuple:
        shape = (shape[0], *shape[2:]) if self.spatial == 1 else tuple(shape)
        return (shape[0], shape[-1], *shape[1:-1]) if self.first else shape

    def pair(self, value: Any, name: str) -> Any:
        values = list(value) if isinstance(value, (tuple, list)) else [value] * self.spatial
        if len(values) != self.spatial:
            raise ValueError(f"`{name}` must hold {self.spatial} integers, received {value!r}")
        pair = tuple(normalize_int(each, name) for each in values)
        return (1, *pair) if self.spatial == 1 else pair

    def kernel(self, kernel: np.ndarray) -> np.ndarray:
        """Return a kernel as one of images."""
        if kernel.ndim != self.spatial + 2:
            raise ValueError(
                f"`kernel` must have {self.spatial} spatial axes, received shape {kernel.shape}"
            )
        return kernel[None] if self.spatial == 1 else kernel

    def conv_shape(self, shape: tuple, kernel: tuple, window: dict[str, Any]) -> tuple:
        if self.spatial < 3:
            return conv2d_geometry(shape, kernel, **window).output_shape
        return (shape[0], *folding(tuple(shape[1:]), tuple(kernel), **window).output)

    def conv(self, x: np.ndarray, w: np.ndarray, window: dict[str, Any]) -> np.ndarray:
        return (conv2d if self.spatial < 3 else conv3d)(x, w, **window)

    def conv_backward_input(self, dy, w, shape: tuple, window: dict[str, Any]) -> np.ndarray:
        backward = conv2d_backward_input if self.spatial < 3 else conv3d_backward_input
        return backward(dy, w, input_shape=shape, **window)

    def conv_backward_kernel(self, x, dy, w, window: dict[str, Any]) -> np.ndarray:
        if self.spatial == 3:
            return conv3d_backward_kernel(x, dy, kernel_shape=w.shape, **window)
        return conv2d_backward_kernel(x, dy, kernel_size=w.shape[:2], **window)[0]


def _known(shape: tuple) -> tuple:
    """Return a shape with a number for every unknown size."""
    return (shape[0] or 1, *(n or 64 for n in shape[1:-1]), shape[-1])


def _output(shape: tuple, whole: tuple) -> tuple:
    """Return the shape of the output with None where the input's size is unknown."""
    return tuple(None if n is None else m for n, m in zip((*shape[:-1], 1), whole, strict=True))


# -------------------------------------------------------------------------------------- convolution


def _window(images: _Images, strides: Any, padding: Any, dilation_rate: Any) -> dict[str, Any]:
    return {
        "strides": images.pair(strides, "strides"),
        "padding": padding.lower() if isinstance(padding, str) else padding,
        "dilation_rate": images.pair(dilation_rate, "dilation_rate"),
    }


def _conv_shape(inputs, kernel, strides, padding, data_format, dilation_rate):
    images = _Images(inputs.ndim, data_format)
    shape, w = images.shape(inputs.shape), kernel.shape
    w = (1, *w) if images.spatial == 1 else w
    window = _window(images, strides, padding, dilation_rate)
    window["groups"] = shape[-1] // max(1, w[-2])
    return images.shape_back(_output(shape, images.conv_shape(_known(shape), w, window)))


def _conv_gradient(dy, y, inputs, kernel, strides, padding, data_format, dilation_rate):
    images = _Images(inputs.ndim, data_format)
    x, dy, w = images.of(inputs), images.of(dy), images.kernel(kernel)
    window = _window(images, strides, padding, dilation_rate)
    window["groups"] = x.shape[-1] // w.shape[-2]
    dx = images.conv_backward_input(dy, w, x.shape, window)
    dw = images.conv_backward_kernel(x, dy, w, window)
    return images.back(dx), dw.reshape(kernel.shape)


@function("nn", "Conv", "inputs kernel", gradient=_conv_gradient, shape=_conv_shape, real=True)
def conv(
    inputs: Any,
    kernel: Any,
    strides: Any = 1,
    padding: Padding = "valid",
    data_format: DataFormat | None = None,
    dilation_rate: Any = 1,
) -> np.ndarray:
    """Convolution of sequences (N, L, C), images (N, H, W, C) or volumes (N, D, H, W, C) with a
    kernel (..., C / groups, K).

    Args:
        inputs: sequences, images or volumes; with "channels_first", (N, C, ...).
        kernel: the spatial sizes, input channels per group, and output channels.
        strides, dilation_rate: a number, or one per spatial axis.
        padding: "valid" or "same".
        data_format: "channels_last" (default) or "channels_first".

    Raises ValueError for shapes that do not fit.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.conv(np.ones((1, 4, 1)), np.ones((2, 1, 1))).ravel().tolist()
    [2.0, 2.0, 2.0]
    """
    images = _Images(inputs.ndim, data_format)
    x, w = images.of(inputs), images.kernel(kernel)
    if w.shape[-2] == 0 or x.shape[-1] % w.shape[-2]:
        raise ValueError(
            f"`kernel` must have a divisor of {x.shape[-1]} input channels, received {kernel.shape}"
        )
    window = _window(images, strides, padding, dilation_rate)
    return images.back(images.conv(x, w, window | {"groups": x.shape[-1] // w.shape[-2]}))


def _depthwise_kernel(kernel: np.ndarray) -> np.ndarray:
    """(..., C, multiplier) -> (..., 1, C * multiplier), the kernel of C groups."""
    return kernel.reshape(*kernel.shape[:-2], 1, -1)


def _depthwise_shape(inputs, kernel, **options):
    *sizes, channels, multiplier = kernel.shape
    return _conv_shape(inputs, Spec((*sizes, 1, channels * multiplier), kernel.dtype), **options)


def _depthwise_gradient(dy, y, inputs, kernel, **options):
    dx, dw = _conv_gradient(dy, y, inputs, _depthwise_kernel(kernel), **options)
    return dx, dw.reshape(kernel.shape)


@function(
    "nn",
    "DepthwiseConv",
    "inputs kernel",
    gradient=_depthwise_gradient,
    shape=_depthwise_shape,
    real=True,
)
def depthwise_conv(
    inputs: Any,
    kernel: Any,
    strides: Any = 1,
    padding: Padding = "valid",
    data_format: DataFormat | None = None,
    dilation_rate: Any = 1,
) -> np.ndarray:
    """Convolution of each channel with its own kernels (..., C, multiplier); see `conv`.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.depthwise_conv(np.ones((1, 4, 2)), np.ones((2, 2, 1))).shape
    (1, 3, 2)
    """
    whole = _depthwise_kernel(kernel)
    return conv(inputs, whole, strides, padding, data_format, dilation_rate)


@composite("nn", "SeparableConv", "inputs depthwise_kernel pointwise_kernel")
def separable_conv(
    inputs: Any,
    depthwise_kernel: Any,
    pointwise_kernel: Any,
    strides: Any = 1,
    padding: Padding = "valid",
    data_format: DataFormat | None = None,
    dilation_rate: Any = 1,
) -> np.ndarray:
    """`depthwise_conv`, and then a convolution with a kernel (1, 1, C * multiplier, K).

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.separable_conv(np.ones((1, 4, 2)), np.ones((2, 2, 1)), np.ones((1, 2, 5))).shape
    (1, 3, 5)
    """
    x = depthwise_conv(inputs, depthwise_kernel, strides, padding, data_format, dilation_rate)
    return conv(x, pointwise_kernel, 1, "valid", data_format, 1)


def _enlarged(images, size, kernel_size, strides, padding, output_padding, dilation_rate):
    """Return the spatial sizes of the output of a transposed convolution."""
    steps = images.pair(strides, "strides")
    rates = images.pair(dilation_rate, "dilation_rate")
    more = [None] * len(steps)
    if output_padding is not None:
        given = output_padding if isinstance(output_padding, (tuple, list)) else [output_padding]
        given = list(given) * (images.spatial if len(given) == 1 else 1)
        more = ([0] if images.spatial == 1 else []) + given
    sizes = []
    for n, k, s, d, o in zip(size, kernel_size, steps, rates, more, strict=True):
        whole = (k - 1) * d + 1
        if o is None:
            sizes.append(n * s if padding == "same" else (n - 1) * s + max(whole, s))
        else:
            sizes.append((n - 1) * s + whole + o - (2 * (whole // 2) if padding == "same" else 0))
    return tuple(sizes)


def _transposed_window(x_shape, w_shape, images, strides, padding, output_padding, dilation_rate):
    """Return (shape of the output as images, arguments of the convolution that it transposes);
    ValueError if the channels of the input are not those of the kernel."""
    if x_shape[-1] != w_shape[-1]:
        raise ValueError(
            f"the input channels must match the kernel (..., filters, {w_shape[-1]}), received "
            f"{x_shape[-1]}"
        )
    window = _window(images, strides, padding, dilation_rate)
    sizes, padding = (x_shape[1:-1], w_shape[:-2]), window["padding"]
    size = _enlarged(images, *sizes, strides, padding, output_padding, dilation_rate)
    return (x_shape[0], *size, w_shape[-2]), window


def _transposed_shape(inputs, kernel, strides, padding, output_padding, data_format, dilation_rate):
    images = _Images(inputs.ndim, data_format)
    w = (1, *kernel.shape) if images.spatial == 1 else kernel.shape
    shape = images.shape(inputs.shape)
    whole, _ = _transposed_window(
        _known(shape), w, images, strides, padding, output_padding, dilation_rate
    )
    return images.shape_back(_output(shape, whole))


def _transposed_gradient(
    dy, y, inputs, kernel, strides, padding, output_padding, data_format, dilation_rate
):
    images = _Images(inputs.ndim, data_format)
    x, dy, w = images.of(inputs), images.of(dy), images.kernel(kernel)
    _, window = _transposed_window(
        x.shape, w.shape, images, strides, padding, output_padding, dilation_rate
    )
    dw = images.conv_backward_kernel(dy, x, w, window)
    return images.back(images.conv(dy, w, window)), dw.reshape(kernel.shape)


@function(
    "nn",
    "ConvTranspose",
    "inputs kernel",
    gradient=_transposed_gradient,
    shape=_transposed_shape,
    real=True,
)
def conv_transpose(
    inputs: Any,
    kernel: Any,
    strides: Any = 1,
    padding: Padding = "valid",
    output_padding: Any = None,
    data_format: DataFormat | None = None,
    dilation_rate: Any = 1,
) -> np.ndarray:
    """The transpose of a convolution, with a kernel (..., K, C): from its output to its input.

    Arguments and errors are those of `conv`; `output_padding` enlarges the output.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.conv_transpose(np.ones((1, 2, 1)), np.ones((2, 1, 1)), strides=2).ravel().tolist()
    [1.0, 1.0, 1.0, 1.0]
    """
    images = _Images(inputs.ndim, data_format)
    x, w = images.of(inputs), images.kernel(kernel)
    shape, window = _transposed_window(
        x.shape, w.shape, images, strides, padding, output_padding, dilation_rate
    )
    return images.back(images.conv_backward_input(x, w, shape, window))


# ------------------------------------------------------------------------------------------ pooling


def _pool_window(images: _Images, pool_size: Any, strides: Any, padding: Any) -> dict[str, Any]:
    size = images.pair(pool_size, "pool_size")
    steps = size if strides is None else images.pair(strides, "strides")
    return {"pool_size": size, "strides": steps, "padding": _sides(images, padding)}


def _sides(images: _Images, padding: Any) -> Any:
    """Return a word, or (before, after) for each axis of images; ValueError for another number of
    axes, and for volumes."""
    if isinstance(padding, str):
        return padding
    if images.spatial == 3 or len(padding) != images.spatial:
        raise ValueError(
            f"`padding` must be 'valid', 'same' or, except for volumes, (before, after) for each "
            f"of {images.spatial} spatial axes, received {padding!r}"
        )
    return ((0, 0), *padding) if images.spatial == 1 else tuple(padding)


def pooling_geometry(
    shape: tuple[int, ...], pool_size: Any, strides: Any, padding: Any
) -> Pool2DGeometry:
    """Return the pooling of one sample of images (N, H, W, C) by `max_pool` or `average_pool`."""
    window = _pool_window(_Images(4, None), pool_size, strides, padding)
    return pool2d_geometry((1, *shape[1:]), **window)


def _pool_shape(inputs, pool_size, strides, padding, data_format):
    images = _Images(inputs.ndim, data_format)
    shape = images.shape(inputs.shape)
    window = _pool_window(images, pool_size, strides, padding)
    sizes = zip(_known(shape)[1:-1], window["pool_size"], window["strides"], strict=True)
    sides = window["padding"]
    each = [sides] * (len(shape) - 2) if isinstance(sides, str) else sides
    whole = (conv_output_length(*w, sides) for w, sides in zip(sizes, each, strict=True))
    return images.shape_back((*_output(shape, (shape[0], *whole, 1))[:-1], shape[-1]))


def _max_pool_gradient(dy, y, inputs, pool_size, strides, padding, data_format):
    images = _Images(inputs.ndim, data_format)
    x, window = images.of(inputs), _pool_window(images, pool_size, strides, padding)
    if images.spatial == 3:
        return images.back(pool3d_backward(images.of(dy), x, "max", **window))
    _, argmax = max_pool2d(x, return_argmax=True, **window)
    return images.back(max_pool2d_backward(images.of(dy), argmax, input_shape=x.shape, **window))


@function("nn", "MaxPool", "inputs", gradient=_max_pool_gradient, shape=_pool_shape, real=True)
def max_pool(
    inputs: Any,
    pool_size: Any,
    strides: Any = None,
    padding: WindowPadding = "valid",
    data_format: DataFormat | None = None,
) -> np.ndarray:
    """The maximum of every window of sequences (N, L, C), images (N, H, W, C) or volumes
    (N, D, H, W, C).

    Args:
        inputs: sequences, images or volumes; with "channels_first", (N, C, ...).
        pool_size, strides: a number, or one per spatial axis; strides are the pool size by default.
        padding: "valid", "same" or, beyond Keras, (before, after) for each spatial axis of
            sequences and images.
        data_format: "channels_last" (default) or "channels_first".

    Raises ValueError for a window that does not fit.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.max_pool(np.arange(4.0).reshape(1, 4, 1), 2).ravel().tolist()
    [1.0, 3.0]
    """
    images = _Images(inputs.ndim, data_format)
    window = _pool_window(images, pool_size, strides, padding)
    x = images.of(inputs)
    return images.back(
        pool3d(x, "max", **window) if images.spatial == 3 else max_pool2d(x, **window)
    )


def _average_pool_gradient(dy, y, inputs, pool_size, strides, padding, data_format):
    images = _Images(inputs.ndim, data_format)
    window = _pool_window(images, pool_size, strides, padding)
    if images.spatial == 3:
        x = images.of(inputs)
        return images.back(pool3d_backward(images.of(dy), x, "average", **window))
    shape = images.shape(inputs.shape)
    return images.back(avg_pool2d_backward(images.of(dy), input_shape=shape, **window))


@function(
    "nn", "AveragePool", "inputs", gradient=_average_pool_gradient, shape=_pool_shape, real=True
)
def average_pool(
    inputs: Any,
    pool_size: Any,
    strides: Any = None,
    padding: WindowPadding = "valid",
    data_format: DataFormat | None = None,
) -> np.ndarray:
    """The mean of every window, without the padding; see `max_pool`.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.average_pool(np.arange(4.0).reshape(1, 4, 1), 2).ravel().tolist()
    [0.5, 2.5]
    """
    images = _Images(inputs.ndim, data_format)
    window = _pool_window(images, pool_size, strides, padding)
    x = images.of(inputs)
    return images.back(
        pool3d(x, "average", **window) if images.spatial == 3 else avg_pool2d(x, **window)
    )
