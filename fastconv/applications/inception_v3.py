"""Inception v3: Szegedy et al., "Rethinking the Inception Architecture for Computer Vision",
arXiv 1512.00567 (2015).

A block computes several convolutions of its input side by side and concatenates them. Large kernels
are replaced by two: 7x7 by 1x7 and 7x1. The blocks "mixed0" to "mixed2" see 35x35 pixels of an
image of 299x299, "mixed3" to "mixed7" 17x17, "mixed8" to "mixed10" 8x8.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastconv.applications import imagenet_utils
from fastconv.applications.building import Arguments, application, build, pooled_classifier
from fastconv.applications.imagenet_utils import decode_predictions
from fastconv.common.literals import Padding
from fastconv.layers import (
    Activation,
    AveragePooling2D,
    BatchNormalization,
    Conv2D,
    MaxPooling2D,
    concatenate,
)
from fastconv.layers.symbolic import SymbolicTensor
from fastconv.models import Model

__all__ = ["InceptionV3", "decode_predictions", "preprocess_input"]

# A branch is a list of convolutions: (filters, height, width) of the kernel, and after the last one
# of a block that shrinks, stride 2.
Branch = list[tuple[int, int, int]]


def preprocess_input(x: Any, data_format: str | None = None) -> Any:
    """From -1 to 1: `imagenet_utils.preprocess_input`, mode "tf"."""
    return imagenet_utils.preprocess_input(x, data_format, mode="tf")


def _inception_v3(arguments: Arguments) -> Model:
    return build(
        arguments,
        _features,
        pooled_classifier(arguments),
        default_size=299,
        min_size=75,
        file="inception_v3_weights_tf_dim_ordering_tf_kernels.h5",
        file_without_top="inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5",
        named_pooling=False,
    )


def _features(x: SymbolicTensor) -> SymbolicTensor:
    x = _convolution(x, 32, 3, 3, strides=2, padding="valid")
    x = _convolution(x, 32, 3, 3, padding="valid")
    x = _convolution(x, 64, 3, 3)
    x = MaxPooling2D(3, strides=2)(x)
    x = _convolution(x, 80, 1, 1, padding="valid")
    x = _convolution(x, 192, 3, 3, padding="valid")
    x = MaxPooling2D(3, strides=2)(x)

    for block, pooled in enumerate((32, 64, 64)):
        x = _mixed(
            x,
            f"mixed{block}",
            [(64, 1, 1)],
            [(48, 1, 1), (64, 5, 5)],
            [(64, 1, 1), (96, 3, 3), (96, 3, 3)],
            pooled=pooled,
        )
    x = _shrinking(x, "mixed3", [(384, 3, 3)], [(64, 1, 1), (96, 3, 3), (96, 3, 3)])
    for block, n in enumerate((128, 160, 160, 192), 4):
        x = _mixed(
            x,
            f"mixed{block}",
            [(192, 1, 1)],
            [(n, 1, 1), (n, 1, 7), (192, 7, 1)],
            [(n, 1, 1), (n, 7, 1), (n, 1, 7), (n, 7, 1), (192, 1, 7)],
            pooled=192,
        )
    x = _shrinking(
        x,
        "mixed8",
        [(192, 1, 1), (320, 3, 3)],
        [(192, 1, 1), (192, 1, 7), (192, 7, 1), (192, 3, 3)],
    )
    for index in range(2):
        x = _widest(x, index)
    return x


def _mixed(x: SymbolicTensor, name: str, *branches: Branch, pooled: int) -> SymbolicTensor:
    """Branches of the same size, and one that averages before its `pooled` filters."""
    outputs = [_chain(x, branch) for branch in branches]
    return concatenate([*outputs, _averaged(x, pooled)], name=name)


def _shrinking(x: SymbolicTensor, name: str, *branches: Branch) -> SymbolicTensor:
    """Branches that end with stride 2, and one of max pooling."""
    outputs = []
    for *start, last in branches:
        outputs.append(_convolution(_chain(x, start), *last, strides=2, padding="valid"))
    return concatenate([*outputs, MaxPooling2D(3, strides=2)(x)], name=name)


def _widest(x: SymbolicTensor, index: int) -> SymbolicTensor:
    """A block whose branches fork once more, into 1x3 and 3x1."""
    single = _convolution(x, 320, 1, 1)
    forked = _chain(x, [(384, 1, 1)])
    wide, high = _convolution(forked, 384, 1, 3), _convolution(forked, 384, 3, 1)
    first = concatenate([wide, high], name=f"mixed9_{index}")
    forked = _chain(x, [(448, 1, 1), (384, 3, 3)])
    wide, high = _convolution(forked, 384, 1, 3), _convolution(forked, 384, 3, 1)
    second = concatenate([wide, high])
    return concatenate([single, first, second, _averaged(x, 192)], name=f"mixed{9 + index}")


def _averaged(x: SymbolicTensor, filters: int) -> SymbolicTensor:
    return _convolution(AveragePooling2D(3, strides=1, padding="same")(x), filters, 1, 1)


def _chain(x: SymbolicTensor, branch: Branch) -> SymbolicTensor:
    for filters, height, width in branch:
        x = _convolution(x, filters, height, width)
    return x


def _convolution(
    x: SymbolicTensor,
    filters: int,
    height: int,
    width: int,
    strides: int = 1,
    padding: Padding = "same",
) -> SymbolicTensor:
    x = Conv2D(filters, (height, width), strides=strides, padding=padding, use_bias=False)(x)
    return Activation("relu")(BatchNormalization(scale=False)(x))


InceptionV3: Callable[..., Model] = application(
    __name__,
    "InceptionV3",
    "inception_v3",
    """94 convolutions in 11 blocks: 23,851,784 parameters.

    Arguments and errors: see `fastconv.applications`. Images are 299 x 299 by default, at least
    75 x 75, and go through `preprocess_input` of this module.

    >>> from fastconv import applications
    >>> from fastconv.parameters import undrawn_weights
    >>> with undrawn_weights():
    ...     model = applications.InceptionV3(weights=None)
    >>> f"{model.count_params():,}"
    '23,851,784'
    """,
    _inception_v3,
)
