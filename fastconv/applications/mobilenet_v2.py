"""MobileNet, version 2: Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks",
arXiv 1801.04381 (2018), table 2.

A block expands the channels by a 1x1 convolution, filters each channel (3x3), and projects to few
channels without an activation. Blocks of equal input and output shape are residual.
"""

from __future__ import annotations

import os
from typing import Any

from fastconv.applications import imagenet_utils
from fastconv.applications.building import (
    IMAGENET_CLASSES,
    Arguments,
    build,
    classifier,
    divisible,
    padding_before_stride,
)
from fastconv.applications.imagenet_utils import decode_predictions
from fastconv.common.arguments import number
from fastconv.layers import (
    Add,
    BatchNormalization,
    Conv2D,
    DepthwiseConv2D,
    GlobalAveragePooling2D,
    ReLU,
    ZeroPadding2D,
)
from fastconv.layers.symbolic import SymbolicTensor
from fastconv.models import Model
from fastconv.shapes import channels_of

__all__ = ["MobileNetV2", "decode_predictions", "preprocess_input"]

# (filters, blocks, stride of the first one, expansion)
_STAGES = (
    (16, 1, 1, 1),
    (24, 2, 2, 6),
    (32, 3, 2, 6),
    (64, 4, 2, 6),
    (96, 3, 1, 6),
    (160, 3, 2, 6),
    (320, 1, 1, 6),
)

_TRAINED_SIZES = (96, 128, 160, 192, 224)
_TRAINED_WIDTHS = (0.35, 0.5, 0.75, 1.0, 1.3, 1.4)


def preprocess_input(x: Any, data_format: str | None = None) -> Any:
    """From -1 to 1: `imagenet_utils.preprocess_input`, mode "tf"."""
    return imagenet_utils.preprocess_input(x, data_format, mode="tf")


def MobileNetV2(
    input_shape: tuple[int | None, ...] | None = None,
    alpha: float = 1.0,
    include_top: bool = True,
    weights: str | os.PathLike[str] | None = "imagenet",
    input_tensor: SymbolicTensor | None = None,
    pooling: str | None = None,
    classes: int = IMAGENET_CLASSES,
    classifier_activation: Any = "softmax",
    name: str | None = None,
) -> Model:
    """53 layers with weights: 3,538,984 parameters.

    Args:
        alpha: factor of the numbers of filters, positive; trained weights exist for 0.35, 0.5,
            0.75, 1, 1.3 and 1.4.
        name: by default "mobilenetv2_1.00_224", with `alpha` and the height.

    Other arguments and errors: see `fastconv.applications`. Images are 224 x 224 by default, at
    least 32 x 32, and go through `preprocess_input` of this module. Trained weights with the top
    exist for square images of 96, 128, 160, 192 and 224 pixels.

    >>> from fastconv.applications import MobileNetV2
    >>> MobileNetV2((64, 64, 3), alpha=0.35, weights=None, classes=10).count_params()
    423018
    """
    arguments = Arguments(
        include_top, weights, input_tensor, input_shape, pooling, classes, classifier_activation,
        name,
    )  # fmt: skip
    alpha = number(alpha, "alpha", 0, above=True)
    if arguments.imagenet and alpha not in _TRAINED_WIDTHS:
        raise ValueError(
            f"`alpha` must be one of {list(_TRAINED_WIDTHS)} with `weights='imagenet'`, received "
            f"{alpha}"
        )
    size = arguments.size_in(_TRAINED_SIZES) or 224
    stem = f"mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{alpha}_{size}"

    def features(x: SymbolicTensor) -> SymbolicTensor:
        x = Conv2D(
            divisible(32 * alpha), 3, strides=2, padding="same", use_bias=False, name="Conv1"
        )(x)
        x = ReLU(6.0, name="Conv1_relu")(_normalized(x, "bn_Conv1"))
        number = 0
        for filters, blocks, first_strides, expansion in _STAGES:
            width = divisible(int(filters * alpha))
            for index in range(blocks):
                x = _block(x, number, width, expansion, 1 if index else first_strides)
                number += 1
        last = divisible(1280 * alpha) if alpha > 1 else 1280
        x = Conv2D(last, 1, use_bias=False, name="Conv_1")(x)
        return ReLU(6.0, name="out_relu")(_normalized(x, "Conv_1_bn"))

    def top(x: SymbolicTensor) -> SymbolicTensor:
        return classifier(arguments)(GlobalAveragePooling2D()(x))

    return build(
        arguments,
        features,
        top,
        default_size=size,
        file=f"{stem}.h5",
        file_without_top=f"{stem}_no_top.h5",
        named_pooling=False,
        name=lambda shape: f"mobilenetv2_{alpha:0.2f}_{shape[0]}",
    )


def _block(
    inputs: SymbolicTensor, number: int, filters: int, expansion: int, strides: int
) -> SymbolicTensor:
    x, channels = inputs, channels_of(inputs.shape)
    name = f"block_{number}_" if number else "expanded_conv_"
    if number:
        x = Conv2D(
            expansion * channels, 1, padding="same", use_bias=False, name=f"{name}expand"
        )(x)  # fmt: skip
        x = ReLU(6.0, name=f"{name}expand_relu")(_normalized(x, f"{name}expand_BN"))
    if strides == 2:
        x = ZeroPadding2D(padding_before_stride(x, 3), name=f"{name}pad")(x)
    padding = "same" if strides == 1 else "valid"
    x = DepthwiseConv2D(
        3, strides=strides, padding=padding, use_bias=False, name=f"{name}depthwise"
    )(x)  # fmt: skip
    x = ReLU(6.0, name=f"{name}depthwise_relu")(_normalized(x, f"{name}depthwise_BN"))
    x = Conv2D(filters, 1, padding="same", use_bias=False, name=f"{name}project")(x)
    x = _normalized(x, f"{name}project_BN")
    if channels == filters and strides == 1:
        x = Add(name=f"{name}add")([inputs, x])
    return x


def _normalized(x: SymbolicTensor, name: str) -> SymbolicTensor:
    return BatchNormalization(epsilon=1e-3, momentum=0.999, name=name)(x)
