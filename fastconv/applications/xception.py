"""Xception: Chollet, "Xception: Deep Learning with Depthwise Separable Convolutions",
arXiv 1610.02357 (2016).

Fourteen blocks of separable convolutions; all but the first and the last are residual.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastconv.applications import imagenet_utils
from fastconv.applications.building import Arguments, application, build, pooled_classifier
from fastconv.applications.imagenet_utils import decode_predictions
from fastconv.layers import (
    Activation,
    BatchNormalization,
    Conv2D,
    MaxPooling2D,
    SeparableConv2D,
    add,
)
from fastconv.layers.symbolic import SymbolicTensor
from fastconv.models import Model

__all__ = ["Xception", "decode_predictions", "preprocess_input"]

_ENTRY = (128, 256, 728)  # filters of blocks 2 to 4


def preprocess_input(x: Any, data_format: str | None = None) -> Any:
    """From -1 to 1: `imagenet_utils.preprocess_input`, mode "tf"."""
    return imagenet_utils.preprocess_input(x, data_format, mode="tf")


def _xception(arguments: Arguments) -> Model:
    return build(
        arguments,
        _features,
        pooled_classifier(arguments),
        default_size=299,
        min_size=71,
        file="xception_weights_tf_dim_ordering_tf_kernels.h5",
        file_without_top="xception_weights_tf_dim_ordering_tf_kernels_notop.h5",
        named_pooling=False,
    )


def _features(x: SymbolicTensor) -> SymbolicTensor:
    x = Conv2D(32, 3, strides=2, use_bias=False, name="block1_conv1")(x)
    x = _activated(_normalized(x, "block1_conv1"), "block1_conv1")
    x = Conv2D(64, 3, use_bias=False, name="block1_conv2")(x)
    x = _activated(_normalized(x, "block1_conv2"), "block1_conv2")
    for block, filters in enumerate(_ENTRY, 2):
        x = _shrinking(x, (filters, filters), f"block{block}", first=block == 2)
    for block in range(5, 13):
        shortcut = x
        for index in (1, 2, 3):
            name = f"block{block}_sepconv{index}"
            x = _separable(_activated(x, name), 728, name)
        x = add([x, shortcut])
    x = _shrinking(x, (728, 1024), "block13")
    for index, filters in enumerate((1536, 2048), 1):
        name = f"block14_sepconv{index}"
        x = _activated(_separable(x, filters, name), name)
    return x


def _shrinking(
    x: SymbolicTensor, filters: tuple[int, int], name: str, first: bool = False
) -> SymbolicTensor:
    """A residual block that halves height and width; the `first` has no activation at its start."""
    shortcut = Conv2D(filters[-1], 1, strides=2, padding="same", use_bias=False)(x)
    shortcut = BatchNormalization()(shortcut)
    if not first:
        x = _activated(x, f"{name}_sepconv1")
    x = _separable(x, filters[0], f"{name}_sepconv1")
    x = _separable(_activated(x, f"{name}_sepconv2"), filters[1], f"{name}_sepconv2")
    x = MaxPooling2D(3, strides=2, padding="same", name=f"{name}_pool")(x)
    return add([x, shortcut])


def _separable(x: SymbolicTensor, filters: int, name: str) -> SymbolicTensor:
    return _normalized(
        SeparableConv2D(filters, 3, padding="same", use_bias=False, name=name)(x), name
    )


def _normalized(x: SymbolicTensor, name: str) -> SymbolicTensor:
    return BatchNormalization(name=f"{name}_bn")(x)


def _activated(x: SymbolicTensor, name: str) -> SymbolicTensor:
    return Activation("relu", name=f"{name}_act")(x)


Xception: Callable[..., Model] = application(
    __name__,
    "Xception",
    "xception",
    """36 convolutional layers, nearly all of them separable: 22,910,480 parameters.

    Arguments and errors: see `fastconv.applications`. Images are 299 x 299 by default, at least
    71 x 71, and go through `preprocess_input` of this module.

    >>> from fastconv import applications
    >>> from fastconv.parameters import undrawn_weights
    >>> with undrawn_weights():
    ...     model = applications.Xception(weights=None)
    >>> f"{model.count_params():,}"
    '22,910,480'
    """,
    _xception,
)
