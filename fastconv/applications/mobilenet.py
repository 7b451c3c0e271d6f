"""MobileNet: Howard et al., "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision
Applications", arXiv 1704.04861 (2017), table 1.

Thirteen pairs of a 3x3 depthwise and a 1x1 convolution, each with normalization and a ReLU bounded
by 6.
"""

from __future__ import annotations

import os
from typing import Any

from fastconv.applications import imagenet_utils
from fastconv.applications.building import IMAGENET_CLASSES, Arguments, build
from fastconv.applications.imagenet_utils import decode_predictions
from fastconv.common.arguments import number
from fastconv.layers import (
    Activation,
    BatchNormalization,
    Conv2D,
    DepthwiseConv2D,
    Dropout,
    GlobalAveragePooling2D,
    ReLU,
    Reshape,
    ZeroPadding2D,
)
from fastconv.layers.symbolic import SymbolicTensor
from fastconv.models import Model
from fastconv.shapes import normalize_int

__all__ = ["MobileNet", "decode_predictions", "preprocess_input"]

# (filters, stride) of the pairs
_PAIRS = (
    (64, 1),
    (128, 2), (128, 1),
    (256, 2), (256, 1),
    (512, 2), (512, 1), (512, 1), (512, 1), (512, 1), (512, 1),
    (1024, 2), (1024, 1),
)  # fmt: skip

_TRAINED_SIZES = (128, 160, 192, 224)
_TRAINED_WIDTHS = {1.0: "1_0", 0.75: "7_5", 0.5: "5_0", 0.25: "2_5"}  # and their name in files


def preprocess_input(x: Any, data_format: str | None = None) -> Any:
    """From -1 to 1: `imagenet_utils.preprocess_input`, mode "tf"."""
    return imagenet_utils.preprocess_input(x, data_format, mode="tf")


def MobileNet(
    input_shape: tuple[int | None, ...] | None = None,
    alpha: float = 1.0,
    depth_multiplier: int = 1,
    dropout: float = 1e-3,
    include_top: bool = True,
    weights: str | os.PathLike[str] | None = "imagenet",
    input_tensor: SymbolicTensor | None = None,
    pooling: str | None = None,
    classes: int = IMAGENET_CLASSES,
    classifier_activation: Any = "softmax",
    name: str | None = None,
) -> Model:
    """28 layers with weights: 4,253,864 parameters.

    Args:
        alpha: factor of the numbers of filters, positive; trained weights exist for 0.25, 0.5, 0.75
            and 1.
        depth_multiplier: outputs per channel of the depthwise convolutions; trained weights exist
            for 1.
        dropout: rate before the classifier.
        name: by default "mobilenet_1.00_224", with `alpha` and the height.

    Other arguments and errors: see `fastconv.applications`. Images are 224 x 224 by default, at
    least 32 x 32, and go through `preprocess_input` of this module. Trained weights with the top
    exist for square images of 128, 160, 192 and 224 pixels.

    >>> from fastconv.applications import MobileNet
    >>> MobileNet((64, 64, 3), alpha=0.25, weights=None, classes=10).count_params()
    221114
    """
    arguments = Arguments(
        include_top, weights, input_tensor, input_shape, pooling, classes, classifier_activation,
        name,
    )  # fmt: skip
    alpha = number(alpha, "alpha", 0, above=True)
    if arguments.imagenet and (depth_multiplier != 1 or alpha not in _TRAINED_WIDTHS):
        raise ValueError(
            f"`alpha` must be one of {sorted(_TRAINED_WIDTHS)} and `depth_multiplier` 1 with "
            f"`weights='imagenet'`, received {alpha} and {depth_multiplier}"
        )
    size = arguments.size_in(_TRAINED_SIZES) or 224
    stem = f"mobilenet_{_TRAINED_WIDTHS.get(alpha)}_{size}_tf"

    def features(x: SymbolicTensor) -> SymbolicTensor:
        x = Conv2D(
            _width(32, alpha), 3, strides=2, padding="same", use_bias=False, name="conv1"
        )(x)  # fmt: skip
        x = _normalized_relu(x, "conv1")
        for block, (filters, strides) in enumerate(_PAIRS, 1):
            x = _pair(x, block, _width(filters, alpha), strides, depth_multiplier)
        return x

    def top(x: SymbolicTensor) -> SymbolicTensor:
        x = GlobalAveragePooling2D(keepdims=True)(x)
        x = Dropout(dropout, name="dropout")(x)
        x = Conv2D(classes, 1, padding="same", name="conv_preds")(x)
        x = Reshape((classes,), name="reshape_2")(x)
        return Activation(classifier_activation, name="predictions")(x)

    return build(
        arguments,
        features,
        top,
        default_size=size,
        file=f"{stem}.h5",
        file_without_top=f"{stem}_no_top.h5",
        named_pooling=False,
        name=lambda shape: f"mobilenet_{alpha:0.2f}_{shape[0]}",
    )


def _pair(
    x: SymbolicTensor, block: int, filters: int, strides: int, multiplier: int
) -> SymbolicTensor:
    if strides > 1:  # zeros below and to the right, whether the size is odd or even
        x = ZeroPadding2D(((0, 1), (0, 1)), name=f"conv_pad_{block}")(x)
    depthwise, pointwise = f"conv_dw_{block}", f"conv_pw_{block}"
    x = DepthwiseConv2D(
        3,
        strides=strides,
        padding="valid" if strides > 1 else "same",
        depth_multiplier=multiplier,
        use_bias=False,
        name=depthwise,
    )(x)
    x = _normalized_relu(x, depthwise)
    x = Conv2D(filters, 1, padding="same", use_bias=False, name=pointwise)(x)
    return _normalized_relu(x, pointwise)


def _normalized_relu(x: SymbolicTensor, name: str) -> SymbolicTensor:
    return ReLU(6.0, name=f"{name}_relu")(BatchNormalization(name=f"{name}_bn")(x))


def _width(filters: int, alpha: float) -> int:
    return normalize_int(int(filters * alpha), f"filters of a layer with `alpha` {alpha!r}")
