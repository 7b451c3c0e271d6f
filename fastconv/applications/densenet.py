"""DenseNet: Huang et al., "Densely Connected Convolutional Networks", arXiv 1608.06993 (2016).

Every convolution of a block receives the outputs of all earlier ones of the block, concatenated,
and adds 32 channels. Between blocks a 1x1 convolution halves the channels, and pooling the size.
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
    AveragePooling2D,
    BatchNormalization,
    Concatenate,
    Conv2D,
    MaxPooling2D,
    ZeroPadding2D,
)
from fastconv.layers.symbolic import SymbolicTensor
from fastconv.models import Model
from fastconv.shapes import channels_of

__all__ = ["DenseNet121", "DenseNet169", "DenseNet201", "decode_predictions", "preprocess_input"]

_GROWTH = 32


def preprocess_input(x: Any, data_format: str | None = None) -> Any:
    """From 0 to 1, minus the mean and divided by the deviation of ImageNet:
    `imagenet_utils.preprocess_input`, mode "torch"."""
    return imagenet_utils.preprocess_input(x, data_format, mode="torch")


def _densenet(arguments: Arguments, *, blocks: Sequence[int], file: str) -> Model:
    def features(x: SymbolicTensor) -> SymbolicTensor:
        x = ZeroPadding2D(3)(x)
        x = Conv2D(64, 7, strides=2, use_bias=False, name="conv1_conv")(x)
        x = _normalized_relu(x, "conv1")
        x = ZeroPadding2D(1)(x)
        x = MaxPooling2D(3, strides=2, name="pool1")(x)
        for block, count in enumerate(blocks, 2):
            if block > 2:
                x = _transition(x, f"pool{block - 1}")
            for index in range(1, count + 1):
                x = _growth(x, f"conv{block}_block{index}")
        x = BatchNormalization(epsilon=1.001e-5, name="bn")(x)
        return Activation("relu", name="relu")(x)

    return build(
        arguments,
        features,
        pooled_classifier(arguments),
        default_size=224,
        file=f"{file}_weights_tf_dim_ordering_tf_kernels.h5",
        file_without_top=f"{file}_weights_tf_dim_ordering_tf_kernels_notop.h5",
    )


def _growth(x: SymbolicTensor, name: str) -> SymbolicTensor:
    """Adds `_GROWTH` channels."""
    new = _normalized_relu(x, f"{name}_0")
    new = Conv2D(4 * _GROWTH, 1, use_bias=False, name=f"{name}_1_conv")(new)
    new = _normalized_relu(new, f"{name}_1")
    new = Conv2D(_GROWTH, 3, padding="same", use_bias=False, name=f"{name}_2_conv")(new)
    return Concatenate(name=f"{name}_concat")([x, new])


def _transition(x: SymbolicTensor, name: str) -> SymbolicTensor:
    """Halves channels, height and width."""
    channels = channels_of(x.shape)
    x = _normalized_relu(x, name)
    x = Conv2D(channels // 2, 1, use_bias=False, name=f"{name}_conv")(x)
    return AveragePooling2D(2, strides=2, name=f"{name}_pool")(x)


def _normalized_relu(x: SymbolicTensor, name: str) -> SymbolicTensor:
    x = BatchNormalization(epsilon=1.001e-5, name=f"{name}_bn")(x)
    return Activation("relu", name=f"{name}_relu")(x)


def _application(layers: int, parameters: str, blocks: Sequence[int]):
    return application(
        __name__,
        f"DenseNet{layers}",
        f"densenet{layers}",
        f"""{layers} layers with weights, in blocks of {blocks}: {parameters} parameters.

    Arguments and errors: see `fastconv.applications`. Images are 224 x 224 by default, at least
    32 x 32, and go through `preprocess_input` of this module.

    >>> from fastconv import applications
    >>> from fastconv.parameters import undrawn_weights
    >>> with undrawn_weights():
    ...     model = applications.DenseNet{layers}(weights=None)
    >>> f"{{model.count_params():,}}"
    '{parameters}'
    """,
        partial(_densenet, blocks=blocks, file=f"densenet{layers}"),
    )


DenseNet121: Callable[..., Model] = _application(121, "8,062,504", (6, 12, 24, 16))
DenseNet169: Callable[..., Model] = _application(169, "14,307,880", (6, 12, 32, 32))
DenseNet201: Callable[..., Model] = _application(201, "20,242,984", (6, 12, 48, 32))
