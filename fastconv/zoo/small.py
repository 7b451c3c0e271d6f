"""Two small networks of today's make, which train in minutes."""

from __future__ import annotations

from fastconv.layers import Conv2D, MaxPooling2D
from fastconv.models import Sequential
from fastconv.zoo.common import chain, dense_top


def mnist_cnn(
    input_shape: tuple[int, int, int] = (28, 28, 1),
    classes: int = 10,
    include_top: bool = True,
    name: str = "mnist_cnn",
) -> Sequential:
    """The network with which Chollet's "Deep Learning with Python" begins: some 99 % on MNIST.

    3x3 convolutions of 32, 64 and 64 filters, 2x2 max pooling between them, a dense layer of 64.

    93,322 parameters; 55,744 without the top, which gives (3, 3, 64).

    Raises ValueError or TypeError for a shape or a number of classes that cannot be.
    """
    features = [
        Conv2D(32, 3, activation="relu", name="conv2d_1"),
        MaxPooling2D(2, name="max_pooling2d_1"),
        Conv2D(64, 3, activation="relu", name="conv2d_2"),
        MaxPooling2D(2, name="max_pooling2d_2"),
        Conv2D(64, 3, activation="relu", name="conv2d_3"),
    ]
    top = dense_top(classes, [64], names=["dense_1", "dense_2"]) if include_top else []
    return chain(name, input_shape, features, top)


def cifar_cnn(
    input_shape: tuple[int, int, int] = (32, 32, 3),
    classes: int = 10,
    include_top: bool = True,
    name: str = "cifar_cnn",
) -> Sequential:
    """Three pairs of 3x3 convolutions (32, 64 and 128 filters), each pair followed by 2x2 max
    pooling, and a dense layer of 128: for pictures the size of CIFAR-10's.

    550,570 parameters; 287,008 without the top, which gives (4, 4, 128).

    Raises ValueError or TypeError for a shape or a number of classes that cannot be.
    """
    features = []
    for block, filters in enumerate((32, 64, 128), 1):
        features += [
            Conv2D(filters, 3, padding="same", activation="relu", name=f"block{block}_conv1"),
            Conv2D(filters, 3, padding="same", activation="relu", name=f"block{block}_conv2"),
            MaxPooling2D(2, name=f"block{block}_pool"),
        ]
    top = dense_top(classes, [128], names=["dense", "predictions"]) if include_top else []
    return chain(name, input_shape, features, top)
