"""A layer of one's own in NumPy: `python examples/custom_layer.py`.

Squeeze and excitation (Hu, Shen and Sun, arXiv 1709.01507), without its bottleneck: how bright a
map is on average decides, through a sigmoid, how much of it goes on. The layer is checked against
finite differences first, then trained within a network.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from fastconv import layers, models, testing
from fastconv.datasets import digits
from fastconv.utils import set_random_seed


class ChannelGate(layers.CustomLayer):
    """y = x * sigmoid(mean of x over its places * gain + bias), channel by channel."""

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.gain = self.add_weight("gain", input_shape[-1:], "ones")
        self.bias = self.add_weight("bias", input_shape[-1:], "zeros")
        super().build(input_shape)

    def forward(self, x: np.ndarray, training: bool) -> tuple[np.ndarray, Any]:
        mean = x.mean(axis=(1, 2), keepdims=True)
        gate = 1 / (1 + np.exp(-(mean * self.gain.numpy() + self.bias.numpy())))
        return x * gate, (x, mean, gate)

    def backward(self, dy: np.ndarray, saved: Any) -> tuple[np.ndarray, list[np.ndarray]]:
        x, mean, gate = saved
        # dy * x, summed over places, is the gradient of the gate; its slope is gate * (1 - gate).
        inner = (dy * x).sum(axis=(1, 2), keepdims=True) * gate * (1 - gate)
        places = x.shape[1] * x.shape[2]
        dx = dy * gate + inner * self.gain.numpy() / places
        return dx, [(inner * mean).sum(axis=(0, 1, 2)), inner.sum(axis=(0, 1, 2))]


def build_model() -> models.Sequential:
    return models.Sequential(
        [
            layers.Input((8, 8, 1)),
            layers.Conv2D(16, 3, padding="same", activation="relu"),
            ChannelGate(),
            layers.MaxPooling2D(2),
            layers.Conv2D(32, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ]
    )


def main(arguments: list[str] | None = None) -> float:
    """Returns the accuracy on the test images."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=10)
    options = parser.parse_args(arguments)

    set_random_seed(1)
    testing.check_layer(ChannelGate(), (6, 6, 3))
    print("the gradients of ChannelGate agree with finite differences")

    (x_train, y_train), (x_test, y_test) = digits.load_data()
    model = build_model()
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x_train[..., None] / 16, y_train, epochs=options.epochs, verbose=0)
    _, accuracy = model.evaluate(x_test[..., None] / 16, y_test, verbose=0)
    print(f"{len(x_test)} test images: accuracy {accuracy:.4f}")
    return float(accuracy)


if __name__ == "__main__":
    main()
