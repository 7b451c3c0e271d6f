"""The layers that models are made of, with Keras's names, arguments and defaults.

    base            Layer, Input: shapes, weights, configuration
    conv            Conv2D
    pooling         MaxPooling2D, AveragePooling2D
    dense           Dense
    activation      Activation, ReLU, LeakyReLU, Softmax
    regularization  Dropout
    reshaping       Flatten

Arguments that Keras has and fastconv has not are refused by an error, never ignored. All images are
channels-last, (batch, height, width, channels), and all models compute in float32.
"""

from fastconv.layers.activation import Activation, LeakyReLU, ReLU, Softmax
from fastconv.layers.base import Input, InputLayer, Layer
from fastconv.layers.conv import Conv2D
from fastconv.layers.dense import Dense
from fastconv.layers.pooling import AveragePooling2D, MaxPooling2D
from fastconv.layers.regularization import Dropout
from fastconv.layers.reshaping import Flatten

# What a file may ask for by name (`fastconv.serialization`).
CLASSES = {
    cls.__name__: cls
    for cls in (
        Activation, AveragePooling2D, Conv2D, Dense, Dropout, Flatten, InputLayer, LeakyReLU,
        MaxPooling2D, ReLU, Softmax,
    )
}  # fmt: skip

__all__ = [
    "Activation",
    "AveragePooling2D",
    "Conv2D",
    "Dense",
    "Dropout",
    "Flatten",
    "Input",
    "InputLayer",
    "Layer",
    "LeakyReLU",
    "MaxPooling2D",
    "ReLU",
    "Softmax",
]
