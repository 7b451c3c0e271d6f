"""ResNet: He, Zhang, Ren and Sun, "Deep Residual Learning for Image Recognition", arXiv 1512.03385
(2015), table 1 and figure 5.

A block adds a residual to its input. If the block changes the shape, a 1x1 convolution and a
normalization adapt the input: option B of the paper.

                 resnet18                   resnet50                     gives (of 224x224)
    conv1        7x7, 64, stride 2, and 3x3 max pooling, stride 2        112x112, then 56x56
    conv2        2 x [3x3, 64;  3x3, 64]    3 x [1x1, 64; 3x3, 64; 1x1, 256]       56x56
    conv3        2 x [3x3, 128; 3x3, 128]   4 x [1x1, 128; 3x3, 128; 1x1, 512]     28x28
    conv4        2 x [3x3, 256; 3x3, 256]   6 x [1x1, 256; 3x3, 256; 1x1, 1024]    14x14
    conv5        2 x [3x3, 512; 3x3, 512]   3 x [1x1, 512; 3x3, 512; 1x1, 2048]    7x7
                 the mean of every map, and a dense layer

Every convolution is followed by batch normalization, and that by a ReLU, which at the end of a
block comes after the sum.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fastconv.common.arguments import normalize_int
from fastconv.layers import (
    Activation,
    Add,
    BatchNormalization,
    Conv2D,
    Dense,
    GlobalAveragePooling2D,
    Input,
    MaxPooling2D,
    ZeroPadding2D,
)
from fastconv.models import Model
from fastconv.zoo.common import image_shape

_EPSILON = 1.001e-5  # of the normalizations, as in Keras's networks
_SMALL = 64  # pixels: images of less lose too much to a first layer that divides them by 4

STEMS = ("7x7", "3x3")


def resnet18(
    input_shape: tuple[int, int, int] = (224, 224, 3),
    classes: int = 1000,
    include_top: bool = True,
    stem: str | None = None,
    name: str = "resnet18",
) -> Model:
    """ResNet-18, with blocks of two 3x3 convolutions and without biases before normalizations.

    Args:
        input_shape, classes, include_top, name: see `fastconv.zoo`.
        stem: how the network begins: "7x7", with 7x7 at stride 2 and max pooling, or "3x3", one
            convolution at stride 1 for pictures like CIFAR's. None: "3x3" if height or width is
            less than 64 pixels.

    11,699,112 parameters, of which training changes 11,689,512 (the others are moving means and
    variances); 11,186,112 without the top, which gives (7, 7, 512). For 32x32x3 and 10 classes
    with the stem "3x3" 11,183,562, of which training changes 11,173,962.

    Raises ValueError or TypeError for a shape or a number of classes that cannot be, or an unknown
    stem.
    """
    return _resnet(name, _basic, (2, 2, 2, 2), input_shape, classes, include_top, stem, False)


def resnet50(
    input_shape: tuple[int, int, int] = (224, 224, 3),
    classes: int = 1000,
    include_top: bool = True,
    stem: str | None = None,
    use_bias: bool = True,
    name: str = "resnet50",
) -> Model:
    """ResNet-50, with blocks of 1x1, 3x3 and 1x1 convolutions ("bottlenecks"). Layers and weights
    are those of Keras's ResNet50.

    Args:
        input_shape, classes, include_top, stem, name: as for `resnet18`.
        use_bias: whether the convolutions have biases, as in Keras but not in the paper; the
            normalizations after them make biases redundant.

    25,636,712 parameters (25,610,152 without biases), of which training changes 25,583,592
    (25,557,032); 23,587,712 without the top, which gives (7, 7, 2048).

    Raises as `resnet18`.
    """
    return _resnet(
        name, _bottleneck, (3, 4, 6, 3), input_shape, classes, include_top, stem, bool(use_bias)
    )


def _resnet(
    name: str,
    block: Callable[..., Any],
    counts: Sequence[int],
    input_shape: Any,
    classes: Any,
    include_top: bool,
    stem: str | None,
    use_bias: bool,
) -> Model:
    shape = image_shape(input_shape)
    classes = normalize_int(classes, "classes")
    if stem not in (None, *STEMS):
        raise ValueError(f"`stem` must be None or one of {STEMS}, received {stem!r}")
    small = min(shape[:2]) < _SMALL if stem is None else stem == "3x3"
    inputs = x = Input(shape)
    if small:
        x = Conv2D(64, 3, padding="same", use_bias=use_bias, name="conv1_conv")(x)
        x = _normalized_relu(x, "conv1")
    else:
        x = ZeroPadding2D(3, name="conv1_pad")(x)
        x = Conv2D(64, 7, strides=2, use_bias=use_bias, name="conv1_conv")(x)
        x = _normalized_relu(x, "conv1")
        x = ZeroPadding2D(1, name="pool1_pad")(x)  # behind a ReLU zeros change no maximum
        x = MaxPooling2D(3, strides=2, name="pool1_pool")(x)
    for stage, count in enumerate(counts):
        for index in range(count):
            stride = 2 if stage > 0 and index == 0 else 1
            layer = f"conv{stage + 2}_block{index + 1}"
            x = block(x, 64 * 2**stage, stride, use_bias, layer)
    if include_top:
        x = GlobalAveragePooling2D(name="avg_pool")(x)
        x = Dense(classes, activation="softmax", name="predictions")(x)
    return Model(inputs, x, name=name)


def _basic(x: Any, filters: int, stride: int, use_bias: bool, name: str) -> Any:
    """[3x3, filters; 3x3, filters]"""
    # 3x3 with a border of 1 on every side, as in the paper; "same" would put it on one side only.
    shortcut = _shortcut(x, filters, stride, use_bias, name)
    if stride > 1:
        x = ZeroPadding2D(1, name=f"{name}_1_pad")(x)
    padding = "valid" if stride > 1 else "same"
    x = Conv2D(
        filters, 3, strides=stride, padding=padding, use_bias=use_bias, name=f"{name}_1_conv"
    )(x)
    x = _normalized_relu(x, f"{name}_1")
    x = Conv2D(filters, 3, padding="same", use_bias=use_bias, name=f"{name}_2_conv")(x)
    return _sum(shortcut, _normalized(x, f"{name}_2"), name)


def _bottleneck(x: Any, filters: int, stride: int, use_bias: bool, name: str) -> Any:
    """[1x1, filters; 3x3, filters; 1x1, 4 filters]"""
    shortcut = _shortcut(x, 4 * filters, stride, use_bias, name)
    x = Conv2D(filters, 1, strides=stride, use_bias=use_bias, name=f"{name}_1_conv")(x)
    x = _normalized_relu(x, f"{name}_1")
    x = Conv2D(filters, 3, padding="same", use_bias=use_bias, name=f"{name}_2_conv")(x)
    x = _normalized_relu(x, f"{name}_2")
    x = Conv2D(4 * filters, 1, use_bias=use_bias, name=f"{name}_3_conv")(x)
    return _sum(shortcut, _normalized(x, f"{name}_3"), name)


def _shortcut(x: Any, filters: int, stride: int, use_bias: bool, name: str) -> Any:
    """`x` in the shape that comes out of the block."""
    if stride == 1 and x.shape[-1] == filters:
        return x
    y = Conv2D(filters, 1, strides=stride, use_bias=use_bias, name=f"{name}_0_conv")(x)
    return _normalized(y, f"{name}_0")


def _sum(shortcut: Any, x: Any, name: str) -> Any:
    return Activation("relu", name=f"{name}_out")(Add(name=f"{name}_add")([shortcut, x]))


def _normalized(x: Any, name: str) -> Any:
    return BatchNormalization(epsilon=_EPSILON, name=f"{name}_bn")(x)


def _normalized_relu(x: Any, name: str) -> Any:
    return Activation("relu", name=f"{name}_relu")(_normalized(x, name))
