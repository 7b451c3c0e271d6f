"""ResNet, the second version: see `fastconv.applications.resnet`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from fastconv.applications import imagenet_utils
from fastconv.applications.building import application
from fastconv.applications.imagenet_utils import decode_predictions
from fastconv.applications.resnet import resnet
from fastconv.models import Model

__all__ = ["ResNet50V2", "ResNet101V2", "ResNet152V2", "decode_predictions", "preprocess_input"]


def preprocess_input(x: Any, data_format: str | None = None) -> Any:
    """From -1 to 1: `imagenet_utils.preprocess_input`, mode "tf"."""
    return imagenet_utils.preprocess_input(x, data_format, mode="tf")


def _resnet_v2(layers: int, parameters: str, blocks: Sequence[int]):
    return application(
        __name__,
        f"ResNet{layers}V2",
        f"resnet{layers}v2",
        f"""{sum(blocks)} blocks with activations before the convolutions: {parameters} parameters.

    Arguments and errors: see `fastconv.applications`. Images are 224 x 224 by default, at least
    32 x 32, and go through `preprocess_input` of this module.

    >>> from fastconv import applications
    >>> from fastconv.parameters import undrawn_weights
    >>> with undrawn_weights():
    ...     model = applications.ResNet{layers}V2(weights=None)
    >>> f"{{model.count_params():,}}"
    '{parameters}'
    """,
        partial(resnet, blocks=blocks, version=2, file=f"resnet{layers}v2"),
    )


ResNet50V2: Callable[..., Model] = _resnet_v2(50, "25,613,800", (3, 4, 6, 3))
ResNet101V2: Callable[..., Model] = _resnet_v2(101, "44,675,560", (3, 4, 23, 3))
ResNet152V2: Callable[..., Model] = _resnet_v2(152, "60,380,648", (3, 8, 36, 3))
