"""The networks of `applications` that the golden file describes, and weights by rule."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from tests.golden.zoo_weights import pictures

# Every network with its default arguments, with and without its top.
NETWORKS = (
    "VGG16", "VGG19",
    "ResNet50", "ResNet101", "ResNet152", "ResNet50V2", "ResNet101V2", "ResNet152V2",
    "MobileNet", "MobileNetV2", "MobileNetV3Small", "MobileNetV3Large",
    "DenseNet121", "DenseNet169", "DenseNet201",
    "InceptionV3", "Xception",
    *(f"EfficientNetB{number}" for number in range(8)),
    *(f"EfficientNetV2{kind}" for kind in ("B0", "B1", "B2", "B3", "S", "M", "L")),
)  # fmt: skip

# Other arguments.
VARIANTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("VGG16", {"include_top": False, "pooling": "avg", "input_shape": (32, 48, 1)}),
    ("ResNet50", {"include_top": False, "pooling": "max", "input_shape": (40, 32, 3)}),
    ("MobileNet", {"alpha": 0.5, "depth_multiplier": 2, "input_shape": (33, 65, 3)}),
    ("MobileNet", {"include_top": False, "pooling": "max", "input_shape": (128, 128, 3)}),
    ("MobileNetV2", {"alpha": 0.35, "input_shape": (35, 50, 3), "classes": 7}),
    ("MobileNetV2", {"alpha": 1.4, "include_top": False, "input_shape": (96, 96, 3)}),
    ("MobileNetV3Small", {"minimalistic": True, "input_shape": (37, 42, 3)}),
    ("MobileNetV3Small", {"alpha": 0.75, "dropout_rate": 0, "input_shape": (224, 224, 3)}),
    ("MobileNetV3Large", {"alpha": 1.25, "include_preprocessing": False, "classes": 5,
                          "input_shape": (64, 64, 3)}),
    ("MobileNetV3Large", {"include_top": False, "pooling": "avg", "input_shape": (64, 64, 3)}),
    ("EfficientNetB1", {"include_top": False, "pooling": "avg", "input_shape": (37, 46, 3)}),
    ("EfficientNetV2B0", {"include_preprocessing": False, "input_shape": (37, 46, 3)}),
    ("EfficientNetV2B1", {"include_top": False, "pooling": "max", "input_shape": (37, 46, 1)}),
    ("Xception", {"include_top": False, "pooling": "avg", "input_shape": (71, 80, 3)}),
    ("InceptionV3", {"include_top": False, "pooling": "max", "input_shape": (80, 75, 3)}),
    ("DenseNet121", {"classes": 3, "classifier_activation": None, "input_shape": (32, 32, 3)}),
)  # fmt: skip

# Outputs for weights by rule, and the scale of the normalizations, so that values neither vanish
# nor overflow.
OUTPUTS: tuple[tuple[str, dict[str, Any], float], ...] = (
    ("VGG16", {"include_top": False, "input_shape": (32, 48, 3)}, 1.0),
    ("ResNet50", {"input_shape": (40, 33, 3), "classes": 10}, 0.8),
    ("ResNet50V2", {"input_shape": (40, 33, 3), "classes": 10}, 0.8),
    ("MobileNet", {"input_shape": (33, 65, 3), "classes": 10, "alpha": 0.25}, 1.3),
    ("MobileNetV2", {"input_shape": (35, 50, 3), "classes": 10, "alpha": 0.35}, 1.0),
    ("MobileNetV3Small", {"input_shape": (37, 42, 3), "classes": 10}, 1.0),
    ("MobileNetV3Large", {"input_shape": (32, 33, 3), "classes": 10, "minimalistic": True}, 0.8),
    ("DenseNet121", {"input_shape": (32, 36, 3), "classes": 10}, 1.0),
    ("InceptionV3", {"input_shape": (75, 76, 3), "include_top": False, "pooling": "avg"}, 1.0),
    ("Xception", {"input_shape": (71, 72, 3), "include_top": False, "pooling": "avg"}, 0.65),
    ("EfficientNetB0", {"input_shape": (37, 46, 3), "classes": 10}, 1.15),
    ("EfficientNetV2B0", {"input_shape": (37, 46, 3), "classes": 10}, 0.9),
)  # fmt: skip
SCALES_PIXELS = (
    "MobileNetV3Small", "MobileNetV3Large", "EfficientNetB0", "EfficientNetV2B0"
)  # fmt: skip


def images(network: str, options: dict[str, Any]) -> np.ndarray:
    """Return images in the range that the network expects."""
    x = pictures(options["input_shape"])
    return 127.5 * (x + 1) if network in SCALES_PIXELS else x


# Networks whose files of weights, as Keras writes them, are stored; by rule, so that they compress.
FILES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("MobileNet", {"alpha": 0.1, "classes": 3, "input_shape": (32, 32, 3)}),
    ("MobileNetV3Small", {"alpha": 0.25, "classes": 3, "input_shape": (32, 32, 3)}),
    ("EfficientNetB0", {"classes": 3, "input_shape": (32, 32, 3)}),
)


def patterned(shapes: Iterable[tuple[int, ...]]) -> list[np.ndarray]:
    """Return small arrays of numbers that tell the weights apart, and are positive."""
    return [
        (np.arange(np.prod(shape, dtype=int)) % 7 / 64 + 1 + index).reshape(shape).astype("float32")
        for index, shape in enumerate(shapes)
    ]
