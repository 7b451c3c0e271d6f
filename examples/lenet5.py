"""Trains LeNet-5 on handwritten digits: `python examples/lenet5.py`.

By default on the 1,437 small digits that come with the package, in a few seconds; with `--mnist` on
the 60,000 of MNIST, framed to 32x32 as the paper of 1998 has it.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import numpy as np

from fastconv import zoo
from fastconv.datasets import digits, mnist
from fastconv.utils import set_random_seed

Images = Iterator[tuple[np.ndarray, np.ndarray]]  # training, then test: images and labels


def small_digits() -> Images:
    """8x8 pixels, each made 4x4: (N, 32, 32, 1) from 0 to 1, and the labels."""
    for images, labels in digits.load_data():
        large = images.repeat(4, axis=1).repeat(4, axis=2)
        yield large[..., None].astype("float32") / 16, labels


def framed_mnist() -> Images:
    """28x28 pixels with a border of 2: the ends of strokes come to the middle of filters, too."""
    for images, labels in mnist.load_data():
        framed = np.pad(images, ((0, 0), (2, 2), (2, 2)))
        yield framed[..., None].astype("float32") / 255, labels


def main(arguments: list[str] | None = None) -> float:
    """Train and test; returns the accuracy on the test images."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mnist", action="store_true", help="train on MNIST")
    parser.add_argument("--epochs", type=int, default=10)
    options = parser.parse_args(arguments)

    set_random_seed(1)
    (x_train, y_train), (x_test, y_test) = framed_mnist() if options.mnist else small_digits()
    model = zoo.lenet5()
    model.summary()
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x_train, y_train, batch_size=32, epochs=options.epochs, verbose=2)
    _, accuracy = model.evaluate(x_test, y_test, verbose=0)
    print(f"{len(x_test)} test images: accuracy {accuracy:.4f}")
    return float(accuracy)


if __name__ == "__main__":
    main()
