"""VGG: Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image
Recognition", arXiv 1409.1556 (2014), table 1, configurations D and E.

Two 3x3 windows on top of each other see as much as one of 5x5, three as much as one of 7x7, with
fewer weights and more activations between. So there is nothing else here: five blocks of 3x3
convolutions, each ending in 2x2 max pooling that halves height and width, while the filters double.

Most of the memory and most of the work is in the first blocks, most of the weights in the first
dense layer: `fastconv.explain` shows it.
"""

from __future__ import annotations

from fastconv.layers import Conv2D, Layer, MaxPooling2D
from fastconv.models import Sequential
from fastconv.zoo.common import chain, dense_top

_FILTERS = (64, 128, 256, 512, 512)


def vgg16(
    input_shape: tuple[int, int, int] = (224, 224, 3),
    classes: int = 1000,
    include_top: bool = True,
    dropout: float = 0.0,
    name: str = "vgg16",
) -> Sequential:
    """Configuration D: 13 convolutions and 3 dense layers. Layers are named as in Keras's VGG16.

    `dropout` is the rate before each of the two large dense layers (in the paper, behind them, 0.5;
    by default none, as in Keras).

    138,357,544 parameters; 14,714,688 without the top, which gives (7, 7, 512).

    Raises ValueError or TypeError for a shape, a number of classes or a rate that cannot be.
    """
    return _vgg(name, (2, 2, 3, 3, 3), input_shape, classes, include_top, dropout)


def vgg19(
    input_shape: tuple[int, int, int] = (224, 224, 3),
    classes: int = 1000,
    include_top: bool = True,
    dropout: float = 0.0,
    name: str = "vgg19",
) -> Sequential:
    """Configuration E: 16 convolutions and 3 dense layers; otherwise like `vgg16`.

    143,667,240 parameters; 20,024,384 without the top.
    """
    return _vgg(name, (2, 2, 4, 4, 4), input_shape, classes, include_top, dropout)


def _vgg(name, convolutions, input_shape, classes, include_top, dropout) -> Sequential:
    features: list[Layer] = []
    for block, (filters, count) in enumerate(zip(_FILTERS, convolutions, strict=True), 1):
        for index in range(1, count + 1):
            layer = f"block{block}_conv{index}"
            features.append(Conv2D(filters, 3, padding="same", activation="relu", name=layer))
        features.append(MaxPooling2D(2, name=f"block{block}_pool"))
    top = []
    if include_top:
        names = ["fc1", "fc2", "predictions"]
        top = dense_top(classes, [4096, 4096], dropout=dropout, names=names)
    return chain(name, input_shape, features, top)
