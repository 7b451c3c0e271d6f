"""The network that is built where the user names none."""

from __future__ import annotations

from fastconv import layers
from fastconv.common.literals import ActivationName
from fastconv.models import Sequential

__all__ = ["default_network"]


def default_network(
    input_shape: tuple[int, ...], outputs: int, activation: ActivationName
) -> Sequential:
    """A small network: for pictures (H, W, C) two convolutions of 3x3, each halved by max-pooling
    as long as there are four pixels to halve; then, or for tables, one dense layer of 64."""
    network = Sequential([layers.Input(input_shape)])
    if len(input_shape) == 3:
        side = min(input_shape[:2])
        for filters in (16, 32):
            if side >= 4:
                network.add(layers.Conv2D(filters, 3, padding="same", activation="relu"))
                network.add(layers.MaxPooling2D(2))
                side //= 2
        network.add(layers.Flatten())
    network.add(layers.Dense(64, activation="relu"))
    network.add(layers.Dense(outputs, activation=activation))
    return network
