"""ResNet: He et al., "Deep Residual Learning for Image Recognition", arXiv 1512.03385 (2015); the
second version: "Identity Mappings in Deep Residual Networks", arXiv 1603.05027 (2016).

A block is 1x1, 3x3 and 1x1 convolutions, whose output is added to the input of the block. In the
first version activations follow the convolutions; in the second they precede them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from fastconv.applications import imagenet_utils
from fastconv.applications.building import Arguments, application, build, pooled_classifier
from fastconv.applications.imagenet_utils import decode_predictions
from fastconv.layers import (
    Activation,
    Add,
    BatchNormalization,
    Conv2D,
    MaxPooling2D,
    ZeroPadding2D,
)
from fastconv.layers.symbolic import SymbolicTensor
from fastconv.models import Model

__all__ = ["ResNet50", "ResNet101", "ResNet152", "decode_predictions", "preprocess_input"]

_EPSILON = 1.001e-5
_FILTERS = (64, 128, 256, 512)


def preprocess_input(x: Any, data_format: str | None = None) -> Any:
    """Blue first, minus the mean of ImageNet: `imagenet_utils.preprocess_input`, mode "caffe"."""
    return imagenet_utils.preprocess_input(x, data_format, mode="caffe")


def resnet(arguments: Arguments, *, blocks: Sequence[int], version: int, file: str) -> Model:
    """Return the network with so many blocks in each of its four stacks."""

    def features(x: SymbolicTensor) -> SymbolicTensor:
        x = ZeroPadding2D(3, name="conv1_pad")(x)
        x = Conv2D(64, 7, strides=2, name="conv1_conv")(x)
        if version == 1:
            x = _normalized_relu(x, "conv1_bn", "conv1_relu")
        x = ZeroPadding2D(1, name="pool1_pad")(x)
        x = MaxPooling2D(3, strides=2, name="pool1_pool")(x)
        for stack, (filters, count) in enumerate(zip(_FILTERS, blocks, strict=True), 2):
            if version == 1:
                x = _stack1(x, filters, count, 1 if stack == 2 else 2, f"conv{stack}")
            else:
                x = _stack2(x, filters, count, 1 if stack == 5 else 2, f"conv{stack}")
        return x if version == 1 else _normalized_relu(x, "post_bn", "post_relu")

    return build(
        arguments,
        features,
        pooled_classifier(arguments),
        default_size=224,
        file=f"{file}_weights_tf_dim_ordering_tf_kernels.h5",
        file_without_top=f"{file}_weights_tf_dim_ordering_tf_kernels_notop.h5",
    )


def _stack1(x: SymbolicTensor, filters: int, blocks: int, strides: int, name: str):
    """Blocks of the first version; the first one has the stride."""
    for index in range(1, blocks + 1):
        x = _block1(x, filters, strides if index == 1 else 1, index == 1, f"{name}_block{index}")
    return x


def _block1(x: SymbolicTensor, filters: int, strides: int, convolved: bool, name: str):
    """A block of the first version; `convolved`: whether its input is convolved before the sum."""
    shortcut = x
    if convolved:
        shortcut = Conv2D(4 * filters, 1, strides=strides, name=f"{name}_0_conv")(x)
        shortcut = BatchNormalization(epsilon=_EPSILON, name=f"{name}_0_bn")(shortcut)
    x = Conv2D(filters, 1, strides=strides, name=f"{name}_1_conv")(x)
    x = _normalized_relu(x, f"{name}_1_bn", f"{name}_1_relu")
    x = Conv2D(filters, 3, padding="same", name=f"{name}_2_conv")(x)
    x = _normalized_relu(x, f"{name}_2_bn", f"{name}_2_relu")
    x = Conv2D(4 * filters, 1, name=f"{name}_3_conv")(x)
    x = BatchNormalization(epsilon=_EPSILON, name=f"{name}_3_bn")(x)
    x = Add(name=f"{name}_add")([shortcut, x])
    return Activation("relu", name=f"{name}_out")(x)


def _stack2(x: SymbolicTensor, filters: int, blocks: int, strides: int, name: str):
    """Blocks of the second version; the last one has the stride."""
    for index in range(1, blocks + 1):
        stride = strides if index == blocks else 1
        x = _block2(x, filters, stride, index == 1, f"{name}_block{index}")
    return x


def _block2(x: SymbolicTensor, filters: int, strides: int, convolved: bool, name: str):
    """A block of the second version; `convolved`: whether its input is convolved before the
    sum."""
    active = _normalized_relu(x, f"{name}_preact_bn", f"{name}_preact_relu")
    if convolved:
        shortcut = Conv2D(4 * filters, 1, strides=strides, name=f"{name}_0_conv")(active)
    else:
        shortcut = MaxPooling2D(1, strides=strides)(x) if strides > 1 else x
    x = Conv2D(filters, 1, use_bias=False, name=f"{name}_1_conv")(active)
    x = _normalized_relu(x, f"{name}_1_bn", f"{name}_1_relu")
    x = ZeroPadding2D(1, name=f"{name}_2_pad")(x)
    x = Conv2D(filters, 3, strides=strides, use_bias=False, name=f"{name}_2_conv")(x)
    x = _normalized_relu(x, f"{name}_2_bn", f"{name}_2_relu")
    x = Conv2D(4 * filters, 1, name=f"{name}_3_conv")(x)
    return Add(name=f"{name}_out")([shortcut, x])


def _normalized_relu(x: SymbolicTensor, normalization: str, activation: str):
    x = BatchNormalization(epsilon=_EPSILON, name=normalization)(x)
    return Activation("relu", name=activation)(x)


def _resnet(layers: int, parameters: str, blocks: Sequence[int]):
    return application(
        __name__,
        f"ResNet{layers}",
        f"resnet{layers}",
        f"""{layers} layers with weights, {sum(blocks)} blocks: {parameters} parameters.

    Arguments and errors: see `fastconv.applications`. Images are 224 x 224 by default, at least
    32 x 32, and go through `preprocess_input` of this module.

    >>> from fastconv import applications
    >>> from fastconv.parameters import undrawn_weights
    >>> with undrawn_weights():
    ...     model = applications.ResNet{layers}(weights=None)
    >>> f"{{model.count_params():,}}"
    '{parameters}'
    """,
        partial(resnet, blocks=blocks, version=1, file=f"resnet{layers}"),
    )


ResNet50: Callable[..., Model] = _resnet(50, "25,636,712", (3, 4, 6, 3))
ResNet101: Callable[..., Model] = _resnet(101, "44,707,176", (3, 4, 23, 3))
ResNet152: Callable[..., Model] = _resnet(152, "60,419,944", (3, 8, 36, 3))
