"""AlexNet: Krizhevsky, Sutskever and Hinton, "ImageNet Classification with Deep Convolutional
Neural Networks", NIPS 2012, section 3 and figure 2.

    conv1    pool1    conv2     pool2     conv3, conv4  conv5     pool3    fc1, fc2  output
    55x55    27x27    27x27     13x13     13x13         13x13     6x6
    x 96     x 96     x 256     x 256     x 384         x 256     x 256    4096      1000

The paper says 224x224; its own numbers need 227x227: (227 - 11) / 4 + 1 = 55. Pooling windows of
3x3 at stride 2 overlap.
"""

from __future__ import annotations

from fastconv.common.arguments import normalize_int
from fastconv.layers import Conv2D, Layer, LocalResponseNormalization, MaxPooling2D
from fastconv.models import Sequential
from fastconv.zoo.common import chain, dense_top


def alexnet(
    input_shape: tuple[int, int, int] = (227, 227, 3),
    classes: int = 1000,
    include_top: bool = True,
    groups: int = 1,
    normalization: bool = False,
    dropout: float = 0.0,
    name: str = "alexnet",
) -> Sequential:
    """AlexNet.

    Args:
        input_shape, classes, include_top, name: see `fastconv.zoo`.
        groups: in the paper 2: half of the channels of conv2, conv4 and conv5 were on another
            graphics card, and the halves did not see each other there.
        normalization: whether local response normalization follows conv1 and conv2, as in the
            paper, with its numbers: over 5 channels, k = 2, alpha = 1e-4, beta = 0.75.
        dropout: the rate before each of the two large dense layers; in the paper 0.5.

    62,378,344 parameters (60,965,224 with two groups); 3,747,200 without the top, which gives
    (6, 6, 256).

    Raises ValueError or TypeError for a shape or a number that cannot be.
    """
    groups = normalize_int(groups, "groups")

    def normalized(name: str) -> list[Layer]:
        if not normalization:
            return []
        numbers = {"depth_radius": 2, "bias": 2.0, "alpha": 1e-4, "beta": 0.75}
        return [LocalResponseNormalization(**numbers, name=name)]

    features: list[Layer] = [
        Conv2D(96, 11, strides=4, activation="relu", name="conv1"),
        *normalized("norm1"),
        MaxPooling2D(3, strides=2, name="pool1"),
        Conv2D(256, 5, padding="same", groups=groups, activation="relu", name="conv2"),
        *normalized("norm2"),
        MaxPooling2D(3, strides=2, name="pool2"),
        Conv2D(384, 3, padding="same", activation="relu", name="conv3"),
        Conv2D(384, 3, padding="same", groups=groups, activation="relu", name="conv4"),
        Conv2D(256, 3, padding="same", groups=groups, activation="relu", name="conv5"),
        MaxPooling2D(3, strides=2, name="pool3"),
    ]
    top = []
    if include_top:
        names = ["fc1", "fc2", "predictions"]
        top = dense_top(classes, [4096, 4096], dropout=dropout, names=names)
    return chain(name, input_shape, features, top)
