"""Networks of today that are measured: models, which other libraries are given as ONNX.

Unlike the chains of `nets`, these networks branch, and have batch normalizations. Each is written
down once, as a model of fastconv. Their weights are random (from one seed); the moving statistics
are those of two images, so that no values vanish or explode.

==============  ====================================================================================
resnet18        He et al., arXiv 1512.03385, 224x224
resnet50        the same, with bottlenecks
mobilenet       MobileNet v1, Howard et al., arXiv 1704.04861
mobilenet_v2    Sandler et al., arXiv 1801.04381
efficientnet    EfficientNet-B0, Tan and Le, arXiv 1905.11946
densenet        DenseNet-121, Huang et al., arXiv 1608.06993
squeezenet      SqueezeNet 1.1, Iandola et al., arXiv 1602.07360
unet            U-Net with batch normalization, 256x256, Ronneberger et al., arXiv 1505.04597
==============  ====================================================================================
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.nets import Net

if TYPE_CHECKING:
    from fastconv.models import Model


@dataclass(frozen=True)
class ModelNet:
    """`make` returns the model; `inference` and `training` are the batch sizes measured.

    `training` is None for a network that drops whole branches: no export says so.
    """

    name: str
    title: str
    make: Callable[[], Model]
    inference: tuple[int, ...]
    training: int | None
    input_shape: tuple[int, int, int] = (224, 224, 3)
    classes: int = 1000
    dense: bool = False  # whether every pixel has a class

    def model(self) -> Model:
        """The network with its weights."""
        from fastconv import utils

        utils.set_random_seed(1)
        model = self.make()
        _settle(model, self.batch(2)[0])
        return model

    def weights(self) -> list[np.ndarray]:
        """Nothing: the model brings its weights."""
        return []

    def batch(self, size: int, seed: int = 2) -> tuple[np.ndarray, np.ndarray]:
        """`size` random images (NHWC, float32, 0 to 1) and their labels, or those of each pixel."""
        rng = np.random.default_rng(seed)
        x = rng.random((size, *self.input_shape), dtype=np.float32)
        return x, rng.integers(0, self.classes, x.shape[:3] if self.dense else size)


def _settle(model: Model, x: np.ndarray) -> None:
    """Set the moving statistics of all batch normalizations to those of the images `x`."""
    from fastconv import layers

    norms = [layer for layer in model.layers if isinstance(layer, layers.BatchNormalization)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    model(x, training=True)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


def squeezenet() -> Model:
    """SqueezeNet 1.1: fire modules, a 1x1 convolution that is split into 1x1 and 3x3 ones."""
    from fastconv import Model, layers

    image = layers.Input((224, 224, 3))
    x = layers.Conv2D(64, 3, strides=2, activation="relu")(image)
    for squeezed, expanded, pooled in (
        (16, 64, True), (16, 64, False), (32, 128, True), (32, 128, False),
        (48, 192, True), (48, 192, False), (64, 256, False), (64, 256, False),
    ):  # fmt: skip
        if pooled:
            x = layers.MaxPooling2D(3, strides=2)(x)
        x = layers.Conv2D(squeezed, 1, activation="relu")(x)
        one = layers.Conv2D(expanded, 1, activation="relu")(x)
        three = layers.Conv2D(expanded, 3, padding="same", activation="relu")(x)
        x = layers.Concatenate()([one, three])
    x = layers.Conv2D(1000, 1, activation="relu")(x)
    return Model(image, layers.Softmax()(layers.GlobalAveragePooling2D()(x)))


def unet() -> Model:
    """Four levels of 32 to 256 filters; two classes per pixel."""
    from fastconv import Model, layers

    image = layers.Input((256, 256, 3))
    x, skipped = image, []
    for filters in (32, 64, 128, 256):
        if skipped:
            x = layers.MaxPooling2D(2)(x)
        x = _normalized(_normalized(x, filters), filters)
        skipped.append(x)
    skipped.pop()
    for filters in (128, 64, 32):
        x = layers.Conv2DTranspose(filters, 2, strides=2)(x)
        x = layers.Concatenate()([skipped.pop(), x])
        x = _normalized(_normalized(x, filters), filters)
    return Model(image, layers.Conv2D(2, 1, activation="softmax")(x))


def _normalized(x: Any, filters: int) -> Any:
    from fastconv import layers

    x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
    return layers.ReLU()(layers.BatchNormalization()(x))


def _application(name: str, **options: Any) -> Callable[[], Model]:
    def make() -> Model:
        from fastconv import applications

        return getattr(applications, name)(weights=None, **options)

    return make


def resnet18() -> Model:
    from fastconv import zoo

    return zoo.resnet18()


_ALL = (
    ModelNet("resnet18", "ResNet-18", resnet18, (1, 8), 8),
    ModelNet("resnet50", "ResNet-50", _application("ResNet50"), (1, 8), 4),
    ModelNet("mobilenet", "MobileNet v1", _application("MobileNet", dropout=0), (1, 16), 8),
    ModelNet("mobilenet_v2", "MobileNet v2", _application("MobileNetV2"), (1, 16), 8),
    ModelNet("efficientnet", "EfficientNet-B0", _application("EfficientNetB0"), (1, 8), None),
    ModelNet("densenet", "DenseNet-121", _application("DenseNet121"), (1, 8), 4),
    ModelNet("squeezenet", "SqueezeNet 1.1", squeezenet, (1, 16), 16),
    ModelNet("unet", "U-Net", unet, (1, 4), 2, (256, 256, 3), classes=2, dense=True),
)
MODEL_NETS: dict[str, ModelNet] = {net.name: net for net in _ALL}
AnyNet = Net | ModelNet
