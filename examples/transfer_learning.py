"""Learns new digits from five images each: `python examples/transfer_learning.py`.

A network learns to tell 0 to 6 apart. Then its convolutions are frozen, and a new last layer learns
7, 8 and 9 from five images each. A network that learns everything anew from the same fifteen images
stands beside it: frozen features leave less to learn, and train faster, since no gradient has to go
below the last layer.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import numpy as np

from fastconv import layers, models, optimizers
from fastconv.datasets import digits
from fastconv.utils import set_random_seed

FIRST, LATER, PER_CLASS = range(7), range(7, 10), 5

Images = tuple[np.ndarray, np.ndarray]  # and their labels


def load(classes: range, per_class: int | None = None) -> Iterator[Images]:
    """Training and test images (N, 8, 8, 1) of some digits; the labels are counted from 0."""
    for (images, labels), limit in zip(digits.load_data(), (per_class, None), strict=True):
        rows = [np.flatnonzero(labels == digit)[:limit] for digit in classes]
        chosen = np.concatenate(rows)
        yield images[chosen, :, :, None].astype("float32") / 16, labels[chosen] - classes.start


def feature_layers() -> list[layers.Layer]:
    return [
        layers.Conv2D(32, 3, padding="same", activation="relu"),
        layers.Conv2D(32, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Flatten(),
    ]


def chain(features: list[layers.Layer], *head: layers.Layer) -> models.Sequential:
    return models.Sequential([layers.Input((8, 8, 1)), *features, *head])


def train(model: models.Sequential, data: list[Images], epochs: int, learning_rate: float) -> float:
    """The accuracy on the test images after training."""
    (x_train, y_train), (x_test, y_test) = data
    optimizer = optimizers.Adam(learning_rate)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x_train, y_train, batch_size=16, epochs=epochs, verbose=0)
    return float(model.evaluate(x_test, y_test, verbose=0)[1])


def main(arguments: list[str] | None = None) -> dict[str, float]:
    """Returns the test accuracies on the first digits, and on the others by both ways."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=20)
    options = parser.parse_args(arguments)

    set_random_seed(1)
    old = feature_layers()
    dense = layers.Dense(32, activation="relu")
    first = chain(old, dense, layers.Dense(len(FIRST), activation="softmax"))
    found = {"0 to 6, all images": train(first, list(load(FIRST)), options.epochs, 1e-3)}

    few = list(load(LATER, PER_CLASS))
    # A layer belongs to one model: the second has layers of its own, with the first one's weights.
    frozen = feature_layers()
    second = chain(frozen, layers.Dense(len(LATER), activation="softmax"))
    for layer, source in zip(frozen, old, strict=True):
        layer.set_weights(source.get_weights())
        layer.trainable = False
    found["7 to 9, frozen features"] = train(second, few, 3 * options.epochs, 3e-3)

    third = chain(feature_layers(), layers.Dense(len(LATER), activation="softmax"))
    found["7 to 9, all anew"] = train(third, few, 3 * options.epochs, 3e-3)
    for name, accuracy in found.items():
        print(f"{name:<24} accuracy {accuracy:.4f}")
    trained = sum(weight.size for weight in second.trainable_weights)
    print(f"frozen: {trained:,} of {second.count_params():,} parameters are trained")
    return found


if __name__ == "__main__":
    main()
