"""MobileNet: Howard et al., "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision
Applications", arXiv 1704.04861 (2017), table 1.

A 3x3 convolution of C channels into K filters is done in two steps: 3x3 in every channel by itself
(9 C weights), then 1x1 over the channels (C K weights). That is nearly nine times less work than
9 C K. Normalization and a ReLU that ends at 6 follow both steps.

The first layer and four of the 13 pairs have stride 2: 224 pixels become 7.
"""

from __future__ import annotations

from typing import Any

from fastconv.common.arguments import normalize_int, number
from fastconv.layers import (
    Activation,
    BatchNormalization,
    Conv2D,
    DepthwiseConv2D,
    Dropout,
    GlobalAveragePooling2D,
    Layer,
    ReLU,
    Reshape,
    ZeroPadding2D,
)
from fastconv.models import Sequential
from fastconv.zoo.common import chain

# (filters, stride) of the pairs
_PAIRS = (
    (64, 1),
    (128, 2), (128, 1),
    (256, 2), (256, 1),
    (512, 2), (512, 1), (512, 1), (512, 1), (512, 1), (512, 1),
    (1024, 2), (1024, 1),
)  # fmt: skip


def mobilenet(
    input_shape: tuple[int, int, int] = (224, 224, 3),
    classes: int = 1000,
    include_top: bool = True,
    alpha: float = 1.0,
    dropout: float = 0.001,
    name: str = "mobilenet",
) -> Sequential:
    """MobileNet, version 1. Layers and weights are those of Keras's MobileNet.

    Args:
        input_shape, classes, include_top, name: see `fastconv.zoo`.
        alpha: the width: every layer has so many times its filters, rounded down; positive, in the
            paper 1, 0.75, 0.5 and 0.25.
        dropout: the rate before the last layer.

    4,253,864 parameters with alpha 1, of which training changes 4,231,976 (the others are moving
    means and variances); 3,228,864 without the top, which gives (7, 7, 1024).

    Raises ValueError or TypeError for a shape or a number that cannot be.
    """
    features = [
        Conv2D(_width(32, alpha), 3, strides=2, padding="same", use_bias=False, name="conv1"),
        *_normalized_relu("conv1"),
    ]
    for block, (filters, stride) in enumerate(_PAIRS, 1):
        features += _pair(block, _width(filters, alpha), stride)
    top: list[Layer] = []
    if include_top:
        classes = normalize_int(classes, "classes")
        top = [
            GlobalAveragePooling2D(keepdims=True, name="global_average_pooling2d"),
            Dropout(dropout, name="dropout"),
            Conv2D(classes, 1, padding="same", name="conv_preds"),
            Reshape((classes,), name="reshape_2"),
            Activation("softmax", name="predictions"),
        ]
    return chain(name, input_shape, features, top)


def _pair(block: int, filters: int, stride: int) -> list[Layer]:
    pad: list[Layer] = []
    if stride > 1:  # zeros below and to the right, whether the size is odd or even
        pad = [ZeroPadding2D(((0, 1), (0, 1)), name=f"conv_pad_{block}")]
    padding = "valid" if pad else "same"
    depthwise, pointwise = f"conv_dw_{block}", f"conv_pw_{block}"
    return [
        *pad,
        DepthwiseConv2D(3, strides=stride, padding=padding, use_bias=False, name=depthwise),
        *_normalized_relu(depthwise),
        Conv2D(filters, 1, padding="same", use_bias=False, name=pointwise),
        *_normalized_relu(pointwise),
    ]


def _normalized_relu(name: str) -> list[Layer]:
    return [BatchNormalization(name=f"{name}_bn"), ReLU(6.0, name=f"{name}_relu")]


def _width(filters: int, alpha: Any) -> int:
    alpha = number(alpha, "alpha", 0, above=True)
    return normalize_int(int(filters * alpha), f"filters of a layer with `alpha` {alpha!r}")
