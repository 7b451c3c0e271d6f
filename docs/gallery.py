"""Draws every picture of `fastconv.viz` into docs/pictures: `python docs/gallery.py`.

Trains the lectures' network and a dense one on MNIST for three epochs (a minute on two cores), so
that what is shown is a network at work and not random numbers.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib import rc_context

from fastconv import filters, layers, models, utils, viz
from fastconv.datasets import mnist

FOLDER = Path(__file__).parent / "pictures"
DIAGRAMS = {
    "sliding_window_valid", "sliding_window_same", "sliding_window_stride", "pooling", "costs",
    "receptive_field", "model_graph", "model_graph_residual", "history", "translation_test",
    "confusion_matrix",
}  # fmt: skip


def convolutional() -> models.Sequential:
    return models.Sequential(
        [
            layers.Conv2D(32, (3, 3), activation="relu", input_shape=(28, 28, 1), name="conv2d_1"),
            layers.MaxPooling2D((2, 2), name="max_pooling2d_1"),
            layers.Conv2D(64, (3, 3), activation="relu", name="conv2d_2"),
            layers.MaxPooling2D((2, 2), name="max_pooling2d_2"),
            layers.Conv2D(64, (3, 3), activation="relu", name="conv2d_3"),
            layers.Flatten(name="flatten"),
            layers.Dense(64, activation="relu", name="dense_1"),
            layers.Dense(10, activation="softmax", name="dense_2"),
        ],
        name="mnist_cnn",
    )


def dense() -> models.Sequential:
    return models.Sequential(
        [
            layers.Flatten(input_shape=(28, 28, 1)),
            layers.Dense(64, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ],
        name="dense",
    )


def residual() -> models.Model:
    """Two blocks with a shortcut, to show that graphs are drawn as well."""
    x = start = layers.Input((32, 32, 3), name="input")
    for block in "ab":
        first = layers.Conv2D(16, 3, padding="same", activation="relu", name=f"{block}_first")(x)
        second = layers.Conv2D(16, 3, padding="same", name=f"{block}_second")(first)
        x = layers.Add(name=f"{block}_add")([first, second])
        x = layers.ReLU(name=f"{block}_relu")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return models.Model(
        start, layers.Dense(10, activation="softmax", name="scores")(x), name="residual"
    )


def main() -> None:
    utils.set_random_seed(0)
    (x_train, y_train), (x_test, y_test) = mnist.load_data()
    x_train, x_test = (x[..., None] / np.float32(255) for x in (x_train, x_test))
    network, other = convolutional(), dense()
    for model in (network, other):
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    log = network.fit(x_train, y_train, 64, 3, validation_data=(x_test, y_test))
    other.fit(x_train, y_train, 64, 3)
    chances = network.predict(x_test, verbose=0)
    four = x_test[np.flatnonzero(y_test == 4)[0]]
    three = x_train[7]

    pictures = {
        "sliding_window_valid": viz.sliding_window(7, 3),
        "sliding_window_same": viz.sliding_window(7, 3, 1, "same"),
        "sliding_window_stride": viz.sliding_window(7, 3, 3),
        "pooling": viz.pooling(),
        "filtering_sobel": viz.filtering(three, filters.sobel_x()),
        "filtering_sharpen": viz.filtering(three, filters.sharpen(), both=False),
        "gabor_bank": viz.filters(filters.gabor_bank()),
        "curve_detector": viz.filters(filters.curve_detector()[:, :, None]),
        "receptive_field": viz.receptive_field(network),
        "model_graph": viz.model_graph(network),
        "model_graph_residual": viz.model_graph(residual()),
        "costs": viz.costs(network),
        "filters": viz.filters(network),
        "feature_maps": viz.feature_maps(network, four, "conv2d_1"),
        "activations": viz.activations(network, four),
        "grad_cam": viz.grad_cam(network, four, layer="conv2d_2"),
        "occlusion": viz.occlusion(network, four),
        "activation_maximisation": viz.activation_maximisation(
            network, "dense_2", range(10), columns=5
        ),
        "activation_maximisation_filters": viz.activation_maximisation(network, "conv2d_2"),
        "history": viz.history(log),
        "confusion_matrix": viz.confusion_matrix(y_test, chances),
        "worst_mistakes": viz.worst_mistakes(x_test, y_test, chances),
        "translation_test": viz.translation_test(
            {"convolutional": network, "dense": other}, x_test[:2000], y_test[:2000]
        ),
    }
    FOLDER.mkdir(exist_ok=True)
    for name, figure in pictures.items():
        # Diagrams are sharp at every size; pictures have enough pixels for fine screens. Without
        # the version of matplotlib and the date in it, the same picture is the same file.
        diagram = name in DIAGRAMS
        path = FOLDER / f"{name}.{'svg' if diagram else 'png'}"
        absent = ("Creator", "Date") if diagram else ("Software",)
        with rc_context({"svg.hashsalt": name}):
            figure.savefig(path, dpi=300, metadata=dict.fromkeys(absent))
        print(path)


if __name__ == "__main__":
    main()
