"""VGG: Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image
Recognition", arXiv 1409.1556 (2014), table 1, configurations D (VGG16) and E (VGG19).

Five blocks of 3x3 convolutions, each followed by 2x2 max pooling, then three dense layers.
"""

from __future__ import annotations

from typing import Any

from fastconv.applications import imagenet_utils
from fastconv.applications.building import Arguments, application, build, classifier
from fastconv.applications.imagenet_utils import decode_predictions
from fastconv.layers import Conv2D, Dense, Flatten, MaxPooling2D
from fastconv.layers.symbolic import SymbolicTensor
from fastconv.models import Model

__all__ = ["VGG16", "decode_predictions", "preprocess_input"]

_FILTERS = (64, 128, 256, 512, 512)


def preprocess_input(x: Any, data_format: str | None = None) -> Any:
    """Blue first, minus the mean of ImageNet: `imagenet_utils.preprocess_input`, mode "caffe"."""
    return imagenet_utils.preprocess_input(x, data_format, mode="caffe")


def vgg(arguments: Arguments, file: str, convolutions: tuple[int, ...]) -> Model:
    """Return the network with so many convolutions in each block."""

    def features(x: SymbolicTensor) -> SymbolicTensor:
        for block, (filters, count) in enumerate(zip(_FILTERS, convolutions, strict=True), 1):
            for index in range(1, count + 1):
                name = f"block{block}_conv{index}"
                x = Conv2D(filters, 3, padding="same", activation="relu", name=name)(x)
            x = MaxPooling2D(2, strides=2, name=f"block{block}_pool")(x)
        return x

    def top(x: SymbolicTensor) -> SymbolicTensor:
        x = Flatten(name="flatten")(x)
        x = Dense(4096, activation="relu", name="fc1")(x)
        x = Dense(4096, activation="relu", name="fc2")(x)
        return classifier(arguments)(x)

    return build(
        arguments,
        features,
        top,
        default_size=224,
        file=f"{file}_weights_tf_dim_ordering_tf_kernels.h5",
        file_without_top=f"{file}_weights_tf_dim_ordering_tf_kernels_notop.h5",
        named_pooling=False,
    )


VGG16 = application(
    __name__,
    "VGG16",
    "vgg16",
    """13 convolutions and 3 dense layers: 138,357,544 parameters.

    Arguments and errors: see `fastconv.applications`. Images are 224 x 224 by default, at least
    32 x 32, and go through `preprocess_input` of this module.

    >>> from fastconv.applications import VGG16
    >>> VGG16(weights=None, include_top=False, input_shape=(32, 32, 3)).output_shape
    (None, 1, 1, 512)
    """,
    lambda arguments: vgg(arguments, "vgg16", (2, 2, 3, 3, 3)),
)
