"""What `make_curves` and test_training_curves.py train: networks, weights, batches, optimizers.

Everything is drawn by NumPy from fixed seeds, so that only the losses need to be stored.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.datasets import digits

STEPS, BATCH = 100, 64

# Class, arguments, and the learning rate for each network. Rounding is now and then enough to
# choose another maximum of a window or another side of a ReLU, and training amplifies the
# difference. At these rates the losses fall clearly, and Keras in float32 stays within 2e-4 of
# Keras in float64. With SGD at ten times its rate, the losses of the lecture's network with
# fastconv's own two convolution algorithms are 10 % apart after 100 steps; with RMSprop at ten
# times, 0.1 %.
OPTIMIZERS = {
    "rmsprop": ("RMSprop", {}, {"lecture": 1e-5, "residual": 1e-4}),
    "momentum": ("SGD", {"momentum": 0.9}, {"lecture": 3e-4, "residual": 3e-3}),
    "adam": ("Adam", {}, {"lecture": 5e-5, "residual": 1e-4}),
}


def lecture(layers: Any, models: Any) -> Any:
    """The convolutional network of the lecture, for MNIST."""
    return models.Sequential(
        [
            layers.Input((28, 28, 1)),
            layers.Conv2D(32, (3, 3), activation="relu"),
            layers.MaxPooling2D((2, 2)),
            layers.Conv2D(64, (3, 3), activation="relu"),
            layers.MaxPooling2D((2, 2)),
            layers.Conv2D(64, (3, 3), activation="relu"),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )


def residual(layers: Any, models: Any) -> Any:
    """Two residual blocks, the second strided with a projection; every convolution normalized."""

    def normalized(x, filters, size, stride=1):
        x = layers.Conv2D(filters, size, strides=stride, padding="same", use_bias=False)(x)
        return layers.BatchNormalization()(x)

    def block(x, filters, stride):
        y = layers.ReLU()(normalized(x, filters, 3, stride))
        y = normalized(y, filters, 3)
        if stride != 1:
            x = normalized(x, filters, 1, stride)
        return layers.ReLU()(layers.Add()([x, y]))

    image = layers.Input((28, 28, 1))
    x = layers.ReLU()(normalized(image, 16, 3))
    x = layers.MaxPooling2D()(x)
    x = block(x, 16, 1)
    x = block(x, 32, 2)
    x = layers.GlobalAveragePooling2D()(x)
    return models.Model(image, layers.Dense(10, activation="softmax")(x))


NETWORKS = {"lecture": lecture, "residual": residual}


def initial_weights(given: list[np.ndarray]) -> list[np.ndarray]:
    """Kernels uniform within He's limit; vectors (biases, scales, averages) as they are."""
    rng = np.random.default_rng(20240504)
    drawn = []
    for values in given:
        shape = values.shape
        if len(shape) > 1:
            limit = np.sqrt(6 / np.prod(shape[:-1]))
            values = rng.uniform(-limit, limit, shape).astype(np.float32)
        drawn.append(values)
    return drawn


def batches() -> list[tuple[np.ndarray, np.ndarray]]:
    """(images (64, 28, 28, 1), labels (64,)) for every step.

    The embedded digits, every pixel three times in both directions, with a margin. The noise keeps
    neighbouring windows from being equal: among equals rounding would choose the maximum.
    """
    (images, labels), _ = digits.load_data()
    rng = np.random.default_rng(20240505)
    images = np.kron(images / 16, np.ones((1, 3, 3)))
    images = np.pad(images, ((0, 0), (2, 2), (2, 2)))[..., None]
    images = (images + 0.25 * rng.random(images.shape)).astype(np.float32)
    passes = -(-STEPS * BATCH // len(images))
    order = np.concatenate([rng.permutation(len(images)) for _ in range(passes)])
    parts = order[: STEPS * BATCH].reshape(STEPS, BATCH)
    return [(images[part], labels[part].astype(np.int32)) for part in parts]


def losses(layers: Any, models: Any, optimizers: Any, network: str, name: str) -> np.ndarray:
    """The loss of every batch, before the step on it."""
    model = NETWORKS[network](layers, models)
    model.set_weights(initial_weights(model.get_weights()))
    cls, settings, rates = OPTIMIZERS[name]
    optimizer = getattr(optimizers, cls)(learning_rate=rates[network], **settings)
    model.compile(optimizer, "sparse_categorical_crossentropy")
    values = []
    for x, y in batches():
        model.reset_metrics()
        values.append(float(model.train_on_batch(x, y)))
    return np.array(values)
