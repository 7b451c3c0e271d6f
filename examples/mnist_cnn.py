"""Trains a small convolutional network on MNIST and tests it: `python examples/mnist_cnn.py`.

Three convolutions, two poolings and two dense layers, 93,322 parameters.  Five epochs over the
60,000 training images bring it to about 99 % on the 10,000 test images it has never seen.
"""

from __future__ import annotations

import argparse
import os
import sys

import numpy as np

from fastconv import layers, models
from fastconv.datasets import mnist
from fastconv.utils import set_random_seed, to_categorical

Images = tuple[np.ndarray, np.ndarray]  # images and labels


def build_model() -> models.Sequential:
    model = models.Sequential()
    # Features: 3x3 filters look for strokes, then, on a coarser and coarser grid, for their parts
    # in relation to each other.
    model.add(layers.Conv2D(32, (3, 3), activation="relu", input_shape=(28, 28, 1)))
    model.add(layers.MaxPooling2D((2, 2)))
    model.add(layers.Conv2D(64, (3, 3), activation="relu"))
    model.add(layers.MaxPooling2D((2, 2)))
    model.add(layers.Conv2D(64, (3, 3), activation="relu"))
    # Decision: one probability for each of the ten digits.
    model.add(layers.Flatten())
    model.add(layers.Dense(64, activation="relu"))
    model.add(layers.Dense(10, activation="softmax"))
    return model


def load_images(limit: int | None) -> tuple[Images, Images]:
    """Images (N, 28, 28, 1) from 0 to 1 and one-hot labels (N, 10), to train and to test with."""
    (train_images, train_labels), (test_images, test_labels) = mnist.load_data()
    train_images, train_labels = train_images[:limit], train_labels[:limit]
    test_images, test_labels = test_images[:limit], test_labels[:limit]
    train_images = train_images.reshape((len(train_images), 28, 28, 1))
    train_images = train_images.astype("float32") / 255
    test_images = test_images.reshape((len(test_images), 28, 28, 1))
    test_images = test_images.astype("float32") / 255
    train_labels = to_categorical(train_labels, 10)
    test_labels = to_categorical(test_labels, 10)
    return (train_images, train_labels), (test_images, test_labels)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--seed", type=int, default=1, help="the same seed trains the same bits")
    parser.add_argument("--limit", type=int, help="use only the first LIMIT images of each part")
    parser.add_argument("--save", default="mnist.keras", help="file for the trained model")
    options = parser.parse_args()

    set_random_seed(options.seed)
    (train_images, train_labels), (test_images, test_labels) = load_images(options.limit)

    model = build_model()
    model.summary()
    model.compile(optimizer="rmsprop", loss="categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(
        train_images, train_labels, epochs=options.epochs, batch_size=options.batch_size
    )
    test_loss, test_acc = model.evaluate(test_images, test_labels, verbose=0)

    print()
    for epoch in range(options.epochs):
        loss, accuracy = history.history["loss"][epoch], history.history["accuracy"][epoch]
        print(f"epoch {epoch + 1}: loss {loss:.4f}, accuracy {accuracy:.4f}")
    print(f"{len(test_images)} test images: loss {test_loss:.4f}, accuracy {test_acc:.4f}")

    model.save(options.save)
    program = os.path.join(os.path.relpath(os.path.dirname(sys.executable)), "fastconv")
    print(f"\nSaved to {options.save}. The class of a picture of your own, light on dark:\n")
    print(f"    {program} predict {options.save} PICTURE\n")
    print("In Python, this line loads the network and reads the first test image:\n")
    print(
        "from fastconv import models; from fastconv.datasets import mnist; "
        f"print(models.load_model({os.path.abspath(options.save)!r})"
        '.predict(mnist.load_data()[1][0][:1, :, :, None].astype("float32") / 255).argmax())'
    )


if __name__ == "__main__":
    main()
