"""EfficientNet, version 2: Tan and Le, "EfficientNetV2: Smaller Models and Faster Training",
arXiv 2104.00298 (2021), tables 4 and 7; B0 to B3 scale width, depth and image size together.

Early blocks convolve at once (3x3) where later ones do it per channel ("fused" blocks). By default
the networks begin with the scaling of their pixels from 0 to 255.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import Any, NamedTuple

from fastconv.applications.building import IMAGENET_CLASSES, Arguments, Part, build
from fastconv.applications.efficientnet import (
    conv,
    conv_initializer,
    dropped_classifier,
    residual,
    squeezed,
)
from fastconv.applications.imagenet_utils import decode_predictions
from fastconv.layers import (
    Activation,
    BatchNormalization,
    DepthwiseConv2D,
    Normalization,
    Rescaling,
)
from fastconv.layers.symbolic import SymbolicTensor
from fastconv.models import Model

__all__ = [
    "EfficientNetV2B0",
    "EfficientNetV2B1",
    "EfficientNetV2B2",
    "EfficientNetV2B3",
    "EfficientNetV2L",
    "EfficientNetV2M",
    "EfficientNetV2S",
    "decode_predictions",
    "preprocess_input",
]


class Stage(NamedTuple):
    """A sequence of equal blocks; the first one has the stride. `fused`: with 3x3 convolutions
    instead of depthwise ones and squeeze-and-excitation."""

    blocks: int
    filters_in: int
    filters_out: int
    expansion: int
    strides: int
    fused: bool


_B = (
    Stage(1, 32, 16, 1, 1, True),
    Stage(2, 16, 32, 4, 2, True),
    Stage(2, 32, 48, 4, 2, True),
    Stage(3, 48, 96, 4, 2, False),
    Stage(5, 96, 112, 6, 1, False),
    Stage(8, 112, 192, 6, 2, False),
)
_S = (
    Stage(2, 24, 24, 1, 1, True),
    Stage(4, 24, 48, 4, 2, True),
    Stage(4, 48, 64, 4, 2, True),
    Stage(6, 64, 128, 4, 2, False),
    Stage(9, 128, 160, 6, 1, False),
    Stage(15, 160, 256, 6, 2, False),
)
_M = (
    Stage(3, 24, 24, 1, 1, True),
    Stage(5, 24, 48, 4, 2, True),
    Stage(5, 48, 80, 4, 2, True),
    Stage(7, 80, 160, 4, 2, False),
    Stage(14, 160, 176, 6, 1, False),
    Stage(18, 176, 304, 6, 2, False),
    Stage(5, 304, 512, 6, 1, False),
)
_L = (
    Stage(4, 32, 32, 1, 1, True),
    Stage(7, 32, 64, 4, 2, True),
    Stage(7, 64, 96, 4, 2, True),
    Stage(10, 96, 192, 4, 2, False),
    Stage(19, 192, 224, 6, 1, False),
    Stage(25, 224, 384, 6, 2, False),
    Stage(7, 384, 640, 6, 1, False),
)

_DROP_CONNECT = 0.2  # rate of the last block; those before have proportionally less
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of the pixels of ImageNet


def preprocess_input(x: Any, data_format: str | None = None) -> Any:
    """Return `x`: the networks begin with the scaling of their pixels."""
    return x


def _features(
    stages: tuple[Stage, ...], width: float, depth: float, scaled: bool, by_channel: bool
) -> Part:
    """`scaled`: with the scaling of pixels; `by_channel`: by mean and deviation of each channel."""

    def features(x: SymbolicTensor) -> SymbolicTensor:
        if scaled and by_channel and x.shape[-1] == 3:
            x = Rescaling(1 / 255)(x)
            x = Normalization(mean=_MEAN, variance=[each**2 for each in _DEVIATION])(x)
        elif scaled:
            x = Rescaling(1 / 128, offset=-1.0)(x)
        x = conv(x, _rounded(stages[0].filters_in * width), 3, "stem_conv", strides=2)
        x = _activated(x, "stem_bn", "stem_activation")
        number, total = 0, sum(stage.blocks for stage in stages)
        for digit, stage in enumerate(stages, 1):
            filters_out = _rounded(stage.filters_out * width)
            for index in range(math.ceil(depth * stage.blocks)):
                block = stage._replace(
                    filters_in=filters_out if index else _rounded(stage.filters_in * width),
                    filters_out=filters_out,
                    strides=1 if index else stage.strides,
                )
                rate = _DROP_CONNECT * number / total
                x = _block(x, block, rate, f"block{digit}{chr(ord('a') + index)}_")
                number += 1
        x = conv(x, _rounded(1280 * width), 1, "top_conv")
        return _activated(x, "top_bn", "top_activation")

    return features


def _block(inputs: SymbolicTensor, block: Stage, rate: float, name: str) -> SymbolicTensor:
    x, filters = inputs, block.filters_in * block.expansion
    if block.fused:
        if block.expansion != 1:
            x = conv(x, filters, 3, f"{name}expand_conv", strides=block.strides)
            x = _activated(x, f"{name}expand_bn", f"{name}expand_activation")
            x = conv(x, block.filters_out, 1, f"{name}project_conv")
        else:
            x = conv(x, block.filters_out, 3, f"{name}project_conv", strides=block.strides)
        x = _normalized(x, f"{name}project_bn")
        if block.expansion == 1:
            x = Activation("swish", name=f"{name}project_activation")(x)
    else:
        x = conv(x, filters, 1, f"{name}expand_conv")
        x = _activated(x, f"{name}expand_bn", f"{name}expand_activation")
        x = DepthwiseConv2D(
            3,
            strides=block.strides,
            padding="same",
            use_bias=False,
            depthwise_initializer=conv_initializer(),
            name=f"{name}dwconv2",
        )(x)
        x = _activated(x, f"{name}bn", f"{name}activation")
        x = squeezed(x, max(1, int(block.filters_in * 0.25)), name)
        x = conv(x, block.filters_out, 1, f"{name}project_conv")
        x = _normalized(x, f"{name}project_bn")
    if block.strides == 1 and block.filters_in == block.filters_out:
        x = residual(x, inputs, rate, name)
    return x


def _rounded(filters: float) -> int:
    """Return a multiple of 8."""
    return max(8, int(filters + 4) // 8 * 8)


def _normalized(x: SymbolicTensor, name: str) -> SymbolicTensor:
    return BatchNormalization(momentum=0.9, name=name)(x)


def _activated(x: SymbolicTensor, normalization: str, activation: str) -> SymbolicTensor:
    return Activation("swish", name=activation)(_normalized(x, normalization))


def _network(
    kind: str, parameters: str, stages: tuple[Stage, ...], size: int, width=1.0, depth=1.0
) -> Callable[..., Model]:
    model_name = f"efficientnetv2-{kind.lower()}"

    def function(
        include_top: bool = True,
        weights: str | os.PathLike[str] | None = "imagenet",
        input_tensor: SymbolicTensor | None = None,
        input_shape: tuple[int | None, ...] | None = None,
        pooling: str | None = None,
        classes: int = IMAGENET_CLASSES,
        classifier_activation: Any = "softmax",
        include_preprocessing: bool = True,
        name: str = model_name,
    ) -> Model:
        arguments = Arguments(
            include_top, weights, input_tensor, input_shape, pooling, classes,
            classifier_activation, name,
        )  # fmt: skip
        return build(
            arguments,
            _features(stages, width, depth, include_preprocessing, kind.startswith("B")),
            dropped_classifier(arguments, 0.2),
            default_size=size,
            file=f"{model_name}.h5",
            file_without_top=f"{model_name}_notop.h5",
        )

    function.__name__ = function.__qualname__ = f"EfficientNetV2{kind}"
    function.__doc__ = f"""{parameters} parameters; images are {size} x {size} by default.

    Args:
        include_preprocessing: whether the first layers scale pixels from 0 to 255.

    Other arguments and errors: see `fastconv.applications`. Images are at least 32 x 32.

    >>> from fastconv import applications
    >>> from fastconv.parameters import undrawn_weights
    >>> with undrawn_weights():
    ...     model = applications.EfficientNetV2{kind}(weights=None)
    >>> f"{{model.count_params():,}}"
    '{parameters}'
    """
    return function


EfficientNetV2B0: Callable[..., Model] = _network("B0", "7,200,312", _B, 224)
EfficientNetV2B1: Callable[..., Model] = _network("B1", "8,212,124", _B, 240, 1.0, 1.1)
EfficientNetV2B2: Callable[..., Model] = _network("B2", "10,178,374", _B, 260, 1.1, 1.2)
EfficientNetV2B3: Callable[..., Model] = _network("B3", "14,467,622", _B, 300, 1.2, 1.4)
EfficientNetV2S: Callable[..., Model] = _network("S", "21,612,360", _S, 384)
EfficientNetV2M: Callable[..., Model] = _network("M", "54,431,388", _M, 480)
EfficientNetV2L: Callable[..., Model] = _network("L", "119,027,848", _L, 480)
