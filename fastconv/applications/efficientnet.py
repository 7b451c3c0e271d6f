"""EfficientNet: Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural
Networks", arXiv 1905.11946 (2019), table 1; B1 to B7 scale width, depth and image size together.

The blocks of MobileNetV2 with swish and squeeze-and-excitation. The networks begin with the scaling
of their pixels from 0 to 255.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from fastconv.applications.building import (
    Arguments,
    application,
    build,
    classifier,
    divisible,
    padding_before_stride,
)
from fastconv.applications.imagenet_utils import decode_predictions
from fastconv.common.literals import ActivationName, Padding
from fastconv.initializers import VarianceScaling
from fastconv.layers import (
    Activation,
    BatchNormalization,
    Conv2D,
    DepthwiseConv2D,
    Dropout,
    GlobalAveragePooling2D,
    Normalization,
    Rescaling,
    Reshape,
    ZeroPadding2D,
    add,
    multiply,
)
from fastconv.layers.symbolic import SymbolicTensor
from fastconv.models import Model
from fastconv.shapes import channels_of

__all__ = [
    "EfficientNetB0",
    "EfficientNetB1",
    "EfficientNetB2",
    "EfficientNetB3",
    "EfficientNetB4",
    "EfficientNetB5",
    "EfficientNetB6",
    "EfficientNetB7",
    "decode_predictions",
    "preprocess_input",
]


class Stage(NamedTuple):
    """A sequence of equal blocks; the first one has the stride."""

    kernel_size: int
    blocks: int
    filters_in: int
    filters_out: int
    expansion: int
    strides: int


_STAGES = (
    Stage(3, 1, 32, 16, 1, 1),
    Stage(3, 2, 16, 24, 6, 2),
    Stage(5, 2, 24, 40, 6, 2),
    Stage(3, 3, 40, 80, 6, 2),
    Stage(5, 3, 80, 112, 6, 1),
    Stage(5, 4, 112, 192, 6, 2),
    Stage(3, 1, 192, 320, 6, 1),
)

_DROP_CONNECT = 0.2  # rate of the last block; those before have proportionally less
_DEVIATION = (0.229, 0.224, 0.225)  # of the pixels of ImageNet


def preprocess_input(x: Any, data_format: str | None = None) -> Any:
    """Return `x`: the networks begin with the scaling of their pixels."""
    return x


def conv_initializer() -> VarianceScaling:
    """Return the initializer of convolution kernels."""
    return VarianceScaling(2.0, "fan_out", "truncated_normal")


def dense_initializer() -> VarianceScaling:
    """Return the initializer of the classifier."""
    return VarianceScaling(1 / 3, "fan_out", "uniform")


def _efficientnet(
    arguments: Arguments, *, width: float, depth: float, size: int, dropout: float, file: str
) -> Model:
    def features(x: SymbolicTensor) -> SymbolicTensor:
        x = Normalization()(Rescaling(1 / 255)(x))
        if arguments.imagenet:  # what the trained weights expect, although it is a square root
            x = Rescaling([1 / math.sqrt(deviation) for deviation in _DEVIATION])(x)
        x = ZeroPadding2D(padding_before_stride(x, 3), name="stem_conv_pad")(x)
        x = conv(x, divisible(32 * width), 3, "stem_conv", strides=2, padding="valid")
        x = _activated(x, "stem_bn", "stem_activation")
        repeats = [math.ceil(depth * stage.blocks) for stage in _STAGES]
        number = 0
        for letter, (stage, blocks) in enumerate(zip(_STAGES, repeats, strict=True), 1):
            filters_out = divisible(stage.filters_out * width)
            for index in range(blocks):
                first = index == 0
                filters_in = divisible(stage.filters_in * width) if first else filters_out
                block = stage._replace(
                    filters_in=filters_in,
                    filters_out=filters_out,
                    strides=stage.strides if first else 1,
                )
                rate = _DROP_CONNECT * number / sum(repeats)
                x = _block(x, block, rate, f"block{letter}{chr(ord('a') + index)}_")
                number += 1
        x = conv(x, divisible(1280 * width), 1, "top_conv")
        return _activated(x, "top_bn", "top_activation")

    return build(
        arguments,
        features,
        dropped_classifier(arguments, dropout),
        default_size=size,
        file=f"{file}.h5",
        file_without_top=f"{file}_notop.h5",
    )


def dropped_classifier(arguments: Arguments, dropout: float) -> Any:
    """Return the top: means of the feature maps, dropout, one dense layer."""

    def top(x: SymbolicTensor) -> SymbolicTensor:
        x = GlobalAveragePooling2D(name="avg_pool")(x)
        x = Dropout(dropout, name="top_dropout")(x)
        return classifier(arguments, kernel_initializer=dense_initializer())(x)

    return top


def _block(inputs: SymbolicTensor, block: Stage, rate: float, name: str) -> SymbolicTensor:
    x, filters = inputs, block.filters_in * block.expansion
    if block.expansion != 1:
        x = conv(x, filters, 1, f"{name}expand_conv")
        x = _activated(x, f"{name}expand_bn", f"{name}expand_activation")
    padding = "same"
    if block.strides == 2:
        padding = "valid"
        x = ZeroPadding2D(padding_before_stride(x, block.kernel_size), name=f"{name}dwconv_pad")(x)
    x = DepthwiseConv2D(
        block.kernel_size,
        strides=block.strides,
        padding=padding,
        use_bias=False,
        depthwise_initializer=conv_initializer(),
        name=f"{name}dwconv",
    )(x)
    x = _activated(x, f"{name}bn", f"{name}activation")
    x = squeezed(x, max(1, int(block.filters_in * 0.25)), name)
    x = conv(x, block.filters_out, 1, f"{name}project_conv")
    x = BatchNormalization(name=f"{name}project_bn")(x)
    if block.strides == 1 and block.filters_in == block.filters_out:
        x = residual(x, inputs, rate, name)
    return x


def conv(
    x: SymbolicTensor,
    filters: int,
    kernel_size: int,
    name: str,
    strides: Any = 1,
    padding: Padding = "same",
) -> SymbolicTensor:
    """Apply a convolution without a bias."""
    return Conv2D(
        filters,
        kernel_size,
        strides=strides,
        padding=padding,
        use_bias=False,
        kernel_initializer=conv_initializer(),
        name=name,
    )(x)


def squeezed(x: SymbolicTensor, filters: int, name: str) -> SymbolicTensor:
    """Multiply each channel by a factor that two layers compute from the means of all channels;
    the first has so many `filters`."""
    channels = channels_of(x.shape)
    se = GlobalAveragePooling2D(name=f"{name}se_squeeze")(x)
    se = Reshape((1, 1, channels), name=f"{name}se_reshape")(se)
    steps: tuple[tuple[int, ActivationName, str], ...]
    steps = (filters, "swish", "reduce"), (channels, "sigmoid", "expand")
    for count, activation, part in steps:
        se = Conv2D(
            count,
            1,
            padding="same",
            activation=activation,
            kernel_initializer=conv_initializer(),
            name=f"{name}se_{part}",
        )(se)
    return multiply([x, se], name=f"{name}se_excite")


def residual(x: SymbolicTensor, shortcut: SymbolicTensor, rate: float, name: str) -> SymbolicTensor:
    """Add the `shortcut`; in training, `x` is dropped for whole samples at this rate."""
    if rate > 0:
        x = Dropout(rate, noise_shape=(None, 1, 1, 1), name=f"{name}drop")(x)
    return add([x, shortcut], name=f"{name}add")


def _activated(x: SymbolicTensor, normalization: str, activation: str) -> SymbolicTensor:
    return Activation("swish", name=activation)(BatchNormalization(name=normalization)(x))


def _application(
    number: int, parameters: str, width: float, depth: float, size: int, dropout: float
):
    name = f"efficientnetb{number}"
    return application(
        __name__,
        f"EfficientNetB{number}",
        name,
        f"""{parameters} parameters; images are {size} x {size} by default.

    Arguments and errors: see `fastconv.applications`. Images are at least 32 x 32, with pixels from
    0 to 255.

    >>> from fastconv import applications
    >>> from fastconv.parameters import undrawn_weights
    >>> with undrawn_weights():
    ...     model = applications.EfficientNetB{number}(weights=None)
    >>> f"{{model.count_params():,}}"
    '{parameters}'
    """,
        partial(_efficientnet, width=width, depth=depth, size=size, dropout=dropout, file=name),
    )


EfficientNetB0: Callable[..., Model] = _application(0, "5,330,571", 1.0, 1.0, 224, 0.2)
EfficientNetB1: Callable[..., Model] = _application(1, "7,856,239", 1.0, 1.1, 240, 0.2)
EfficientNetB2: Callable[..., Model] = _application(2, "9,177,569", 1.1, 1.2, 260, 0.3)
EfficientNetB3: Callable[..., Model] = _application(3, "12,320,535", 1.2, 1.4, 300, 0.3)
EfficientNetB4: Callable[..., Model] = _application(4, "19,466,823", 1.4, 1.8, 380, 0.4)
EfficientNetB5: Callable[..., Model] = _application(5, "30,562,527", 1.6, 2.2, 456, 0.4)
EfficientNetB6: Callable[..., Model] = _application(6, "43,265,143", 1.8, 2.6, 528, 0.5)
EfficientNetB7: Callable[..., Model] = _application(7, "66,658,687", 2.0, 3.1, 600, 0.5)
