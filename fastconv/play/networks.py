"""Small networks to choose from, for pictures of 8x8 pixels and more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from fastconv import layers
from fastconv.models import Model, Sequential

Shape = tuple[int, int, int]


def _pooled() -> list[layers.Layer]:
    return [
        layers.Conv2D(8, 3, padding="same", activation="relu", name="conv_1"),
        layers.MaxPooling2D(2, name="pool_1"),
        layers.Conv2D(16, 3, padding="same", activation="relu", name="conv_2"),
        layers.MaxPooling2D(2, name="pool_2"),
        layers.Flatten(name="flatten"),
    ]


def _stacked() -> list[layers.Layer]:
    sizes = enumerate((8, 8, 16), 1)
    convolutions = [
        layers.Conv2D(filters, 3, activation="relu", name=f"conv_{index}")
        for index, filters in sizes
    ]
    return [*convolutions, layers.Flatten(name="flatten")]


def _dense() -> list[layers.Layer]:
    return [
        layers.Flatten(name="flatten"),
        layers.Dense(32, activation="relu", name="hidden"),
    ]


def _linear() -> list[layers.Layer]:
    return [layers.Flatten(name="flatten")]


NETWORKS: dict[str, Callable[[], Sequence[layers.Layer]]] = {
    "two convolutions with pooling": _pooled,
    "three convolutions": _stacked,
    "dense": _dense,
    "one layer": _linear,
}


def small_networks(input_shape: Shape, classes: int) -> dict[str, Callable[[], Model]]:
    """Functions that return a new network with random weights, by the names of `NETWORKS`.

    Args:
        input_shape: (height, width, channels) of a picture, at least 8x8.
        classes: number of outputs of the softmax at the end.

    >>> from fastconv import play
    >>> networks = play.small_networks((8, 8, 1), 10)
    >>> networks["dense"]().count_params()
    2410
    """
    return {
        name: partial(_with_softmax, middle, input_shape, classes)
        for name, middle in NETWORKS.items()
    }


def _with_softmax(
    middle: Callable[[], Sequence[layers.Layer]], input_shape: Shape, classes: int
) -> Model:
    end = layers.Dense(classes, activation="softmax", name="classes")
    return Sequential([layers.Input(input_shape), *middle(), end])
