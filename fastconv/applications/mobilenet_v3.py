"""MobileNet, version 3: Howard et al., "Searching for MobileNetV3", arXiv 1905.02244 (2019),
tables 1 (large) and 2 (small).

The blocks of version 2, some with 5x5 kernels, the activation x * relu6(x + 3) / 6 ("hard swish"),
and squeeze-and-excitation: every channel is multiplied by a factor from 0 to 1 that a small network
computes from the means of all channels.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, NamedTuple

from fastconv.applications.building import (
    IMAGENET_CLASSES,
    Arguments,
    Part,
    build,
    divisible,
    padding_before_stride,
)
from fastconv.applications.imagenet_utils import decode_predictions
from fastconv.common.arguments import number
from fastconv.layers import (
    Activation,
    Add,
    BatchNormalization,
    Conv2D,
    DepthwiseConv2D,
    Dropout,
    Flatten,
    GlobalAveragePooling2D,
    Multiply,
    ReLU,
    Rescaling,
    ZeroPadding2D,
)
from fastconv.layers.symbolic import SymbolicTensor
from fastconv.models import Model
from fastconv.shapes import channels_of

__all__ = ["decode_predictions", "preprocess_input"]


class Block(NamedTuple):
    """One block. `large`: 5x5 kernel; `gated`: with squeeze-and-excitation; `hard`: with the
    activation hard swish. A minimalistic network has none of these."""

    expansion: float
    filters: int
    strides: int
    large: bool
    gated: bool
    hard: bool


_SMALL = (
    Block(1, 16, 2, False, True, False),
    Block(72 / 16, 24, 2, False, False, False),
    Block(88 / 24, 24, 1, False, False, False),
    Block(4, 40, 2, True, True, True),
    Block(6, 40, 1, True, True, True),
    Block(6, 40, 1, True, True, True),
    Block(3, 48, 1, True, True, True),
    Block(3, 48, 1, True, True, True),
    Block(6, 96, 2, True, True, True),
    Block(6, 96, 1, True, True, True),
    Block(6, 96, 1, True, True, True),
)

_LARGE = (
    Block(1, 16, 1, False, False, False),
    Block(4, 24, 2, False, False, False),
    Block(3, 24, 1, False, False, False),
    Block(3, 40, 2, True, True, False),
    Block(3, 40, 1, True, True, False),
    Block(3, 40, 1, True, True, False),
    Block(6, 80, 2, False, False, True),
    Block(2.5, 80, 1, False, False, True),
    Block(2.3, 80, 1, False, False, True),
    Block(2.3, 80, 1, False, False, True),
    Block(6, 112, 1, False, True, True),
    Block(6, 112, 1, False, True, True),
    Block(6, 160, 2, True, True, True),
    Block(6, 160, 1, True, True, True),
    Block(6, 160, 1, True, True, True),
)


def preprocess_input(x: Any, data_format: str | None = None) -> Any:
    """Return `x`: the networks begin with the scaling of their pixels."""
    return x


def _network(
    kind: str, model_name: str, blocks: tuple[Block, ...], last_filters: int, doc: str
) -> Callable[..., Model]:
    def function(
        input_shape: tuple[int | None, ...] | None = None,
        alpha: float = 1.0,
        minimalistic: bool = False,
        include_top: bool = True,
        weights: str | os.PathLike[str] | None = "imagenet",
        input_tensor: SymbolicTensor | None = None,
        classes: int = IMAGENET_CLASSES,
        pooling: str | None = None,
        dropout_rate: float = 0.2,
        classifier_activation: Any = "softmax",
        include_preprocessing: bool = True,
        name: str = model_name,
    ) -> Model:
        arguments = Arguments(
            include_top, weights, input_tensor, input_shape, pooling, classes,
            classifier_activation, name,
        )  # fmt: skip
        width = number(alpha, "alpha", 0, above=True)
        if arguments.imagenet and width not in ((1.0,) if minimalistic else (0.75, 1.0)):
            raise ValueError(
                "`alpha` must be 1, or 0.75 without `minimalistic`, with `weights='imagenet'`; "
                f"received {alpha}"
            )
        stem = f"{kind}{'_minimalistic' if minimalistic else ''}_224_{width}_float"
        return build(
            arguments,
            _features(blocks, width, minimalistic, include_preprocessing),
            _top(arguments, last_filters, width, minimalistic, dropout_rate),
            default_size=224,
            any_size=True,
            file=f"weights_mobilenet_v3_{stem}.h5",
            file_without_top=f"weights_mobilenet_v3_{stem}_no_top_v2.h5",
        )

    function.__doc__ = doc
    function.__name__ = function.__qualname__ = model_name
    return function


def _features(blocks: tuple[Block, ...], alpha: float, minimalistic: bool, scaled: bool) -> Part:
    def features(x: SymbolicTensor) -> SymbolicTensor:
        if scaled:
            x = Rescaling(1 / 127.5, -1.0)(x)
        x = Conv2D(16, 3, strides=2, padding="same", use_bias=False, name="conv")(x)
        x = _activated(_normalized(x, "conv_bn"), not minimalistic)
        for index, block in enumerate(blocks):
            plain = block._replace(large=False, gated=False, hard=False)
            x = _block(x, plain if minimalistic else block, index, alpha)
        filters = divisible(6 * channels_of(x.shape))
        x = Conv2D(filters, 1, padding="same", use_bias=False, name="conv_1")(x)
        return _activated(_normalized(x, "conv_1_bn"), not minimalistic)

    return features


def _top(
    arguments: Arguments, filters: int, alpha: float, minimalistic: bool, dropout_rate: float
) -> Part:
    filters = divisible(filters * alpha) if alpha > 1 else filters

    def top(x: SymbolicTensor) -> SymbolicTensor:
        x = GlobalAveragePooling2D(keepdims=True)(x)
        x = Conv2D(filters, 1, padding="same", name="conv_2")(x)
        x = _activated(x, not minimalistic)
        if dropout_rate > 0:
            x = Dropout(dropout_rate)(x)
        x = Flatten()(Conv2D(arguments.classes, 1, padding="same", name="logits")(x))
        return Activation(arguments.classifier_activation, name="predictions")(x)

    return top


def _block(inputs: SymbolicTensor, block: Block, index: int, alpha: float) -> SymbolicTensor:
    x, channels = inputs, channels_of(inputs.shape)
    name = f"expanded_conv_{index}_" if index else "expanded_conv_"
    filters, expanded = divisible(block.filters * alpha), divisible(channels * block.expansion)
    kernel = 5 if block.large else 3
    if index:
        x = Conv2D(expanded, 1, padding="same", use_bias=False, name=f"{name}expand")(x)
        x = _activated(_normalized(x, f"{name}expand_bn"), block.hard)
    if block.strides == 2:
        x = ZeroPadding2D(padding_before_stride(x, kernel), name=f"{name}depthwise_pad")(x)
    x = DepthwiseConv2D(
        kernel,
        strides=block.strides,
        padding="same" if block.strides == 1 else "valid",
        use_bias=False,
        name=f"{name}depthwise",
    )(x)
    x = _activated(_normalized(x, f"{name}depthwise_bn"), block.hard)
    if block.gated:
        x = _gated(x, expanded, f"{name}squeeze_excite_")
    x = Conv2D(filters, 1, padding="same", use_bias=False, name=f"{name}project")(x)
    x = _normalized(x, f"{name}project_bn")
    if block.strides == 1 and channels == filters:
        x = Add(name=f"{name}add")([inputs, x])
    return x


def _gated(inputs: SymbolicTensor, filters: int, name: str) -> SymbolicTensor:
    """Squeeze-and-excitation."""
    x = GlobalAveragePooling2D(keepdims=True, name=f"{name}avg_pool")(inputs)
    x = Conv2D(divisible(filters * 0.25), 1, padding="same", name=f"{name}conv")(x)
    x = ReLU(name=f"{name}relu")(x)
    x = Conv2D(filters, 1, padding="same", name=f"{name}conv_1")(x)
    return Multiply(name=f"{name}mul")([inputs, Activation("hard_sigmoid")(x)])


def _normalized(x: SymbolicTensor, name: str) -> SymbolicTensor:
    return BatchNormalization(epsilon=1e-3, momentum=0.999, name=name)(x)


def _activated(x: SymbolicTensor, hard: bool) -> SymbolicTensor:
    return Activation("hard_swish")(x) if hard else ReLU()(x)


_DOC = """The {kind} network: {parameters} parameters.

    Args:
        alpha: factor of the numbers of filters, positive; trained weights exist for 0.75 and 1.
        minimalistic: without 5x5 kernels, squeeze-and-excitation and hard swish; trained weights
            exist for `alpha` 1.
        dropout_rate: rate before the classifier; 0 for no such layer.
        include_preprocessing: whether the first layer scales pixels from 0 to 255 to -1 to 1.

    Other arguments and errors: see `fastconv.applications`. Images are 224 x 224 by default, at
    least 32 x 32; trained weights are for images of every size.

    >>> from fastconv import applications
    >>> from fastconv.parameters import undrawn_weights
    >>> with undrawn_weights():
    ...     model = applications.MobileNetV3{Kind}(weights=None)
    >>> f"{{model.count_params():,}}"
    '{parameters}'
    """

MobileNetV3Small: Callable[..., Model] = _network(
    "small", "MobileNetV3Small", _SMALL, 1024,
    _DOC.format(kind="small", Kind="Small", parameters="2,554,968"),
)  # fmt: skip
MobileNetV3Large: Callable[..., Model] = _network(
    "large", "MobileNetV3Large", _LARGE, 1280,
    _DOC.format(kind="large", Kind="Large", parameters="5,507,432"),
)  # fmt: skip
