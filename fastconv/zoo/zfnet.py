"""ZFNet: Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks", arXiv 1311.2901
(2013), figure 3.

They looked at what AlexNet's first layer had learned, found dead filters and blocks from its large
stride, and made windows and strides smaller: 7x7 at stride 2 instead of 11x11 at stride 4.

    conv1     pool1    conv2     pool2     conv3, conv4  conv5     pool5    fc6, fc7  output
    110x110   55x55    26x26     13x13     13x13         13x13     6x6
    x 96      x 96     x 256     x 256     x 384         x 256     x 256    4096      1000

The figure gives the sizes and not the padding; they follow from a border of one pixel around the
input of conv1 and from pooling that covers the border. Its contrast normalization is left out.
"""

from __future__ import annotations

from fastconv.layers import Conv2D, MaxPooling2D, ZeroPadding2D
from fastconv.models import Sequential
from fastconv.zoo.common import chain, dense_top


def zfnet(
    input_shape: tuple[int, int, int] = (224, 224, 3),
    classes: int = 1000,
    include_top: bool = True,
    dropout: float = 0.0,
    name: str = "zfnet",
) -> Sequential:
    """ZFNet; `dropout` is the rate before each of the two large dense layers (in the paper 0.5).

    62,357,608 parameters; 3,726,464 without the top, which gives (6, 6, 256).

    Raises ValueError or TypeError for a shape, a number of classes or a rate that cannot be.
    """
    features = [
        ZeroPadding2D(1, name="conv1_pad"),
        Conv2D(96, 7, strides=2, activation="relu", name="conv1"),
        MaxPooling2D(3, strides=2, padding="same", name="pool1"),
        Conv2D(256, 5, strides=2, activation="relu", name="conv2"),
        MaxPooling2D(3, strides=2, padding="same", name="pool2"),
        Conv2D(384, 3, padding="same", activation="relu", name="conv3"),
        Conv2D(384, 3, padding="same", activation="relu", name="conv4"),
        Conv2D(256, 3, padding="same", activation="relu", name="conv5"),
        MaxPooling2D(3, strides=2, name="pool5"),
    ]
    top = []
    if include_top:
        names = ["fc6", "fc7", "predictions"]
        top = dense_top(classes, [4096, 4096], dropout=dropout, names=names)
    return chain(name, input_shape, features, top)
