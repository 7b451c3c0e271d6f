"""VGG19: see `fastconv.applications.vgg16`."""

from __future__ import annotations

from fastconv.applications.building import application
from fastconv.applications.imagenet_utils import decode_predictions
from fastconv.applications.vgg16 import preprocess_input, vgg

__all__ = ["VGG19", "decode_predictions", "preprocess_input"]

VGG19 = application(
    __name__,
    "VGG19",
    "vgg19",
    """16 convolutions and 3 dense layers: 143,667,240 parameters; otherwise like `VGG16`.

    >>> from fastconv.applications import VGG19
    >>> VGG19(weights=None, include_top=False, input_shape=(32, 32, 3)).count_params()
    20024384
    """,
    lambda arguments: vgg(arguments, "vgg19", (2, 2, 4, 4, 4)),
)
