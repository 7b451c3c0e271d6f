"""Training inside of one's own loop: `python examples/embedded_loop.py`.

A program that gets its data bit by bit, and cannot hand its main loop to `fit`, trains with
`train_on_batch`. Here a stream delivers a few digits at a time; a model predicts each lot before it
learns from it, so the score is of images it had never seen. Between two batches the program does
what it likes; here it lowers the learning rate when progress slows down.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import numpy as np

from fastconv import layers, models, optimizers
from fastconv.datasets import digits
from fastconv.utils import set_random_seed


def stream(lots: int, size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """`lots` times `size` images (size, 8, 8, 1) and their labels, drawn at random."""
    (images, labels), _ = digits.load_data()
    rng = np.random.default_rng(0)
    for _ in range(lots):
        rows = rng.integers(len(images), size=size)
        yield images[rows, :, :, None].astype("float32") / 16, labels[rows]


def build_model() -> models.Sequential:
    return models.Sequential(
        [
            layers.Input((8, 8, 1)),
            layers.Conv2D(16, 3, activation="relu"),
            layers.Conv2D(32, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ]
    )


def main(arguments: list[str] | None = None) -> list[float]:
    """Returns the accuracy of every hundred lots, each predicted before it was learned from."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lots", type=int, default=600)
    options = parser.parse_args(arguments)

    set_random_seed(1)
    model = build_model()
    optimizer = optimizers.Adam()
    model.compile(optimizer, "sparse_categorical_crossentropy")
    right: list[float] = []
    accuracies: list[float] = []
    for lot, (x, y) in enumerate(stream(options.lots, size=16), start=1):
        right.append(float(np.mean(model.predict_on_batch(x).argmax(axis=1) == y)))
        loss = model.train_on_batch(x, y)
        if lot % 100 == 0:
            accuracies.append(float(np.mean(right)))
            right.clear()
            print(f"lot {lot}: accuracy of the last hundred {accuracies[-1]:.4f}, loss {loss:.4f}")
            if len(accuracies) > 1 and accuracies[-1] - accuracies[-2] < 0.01:
                optimizer.learning_rate /= 2
    return accuracies


if __name__ == "__main__":
    main()
