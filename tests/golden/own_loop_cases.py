"""The network, the data and the optimizers of `own_loops.npz`, for Keras and for fastconv."""

from __future__ import annotations

from typing import Any

import numpy as np

STEPS = 4

LOOPS = [
    ("SGD", {"learning_rate": 0.1, "momentum": 0.9, "clipnorm": 0.1}),
    ("Adam", {"learning_rate": 0.01, "weight_decay": 0.1, "global_clipnorm": 0.5}),
    ("RMSprop", {"learning_rate": 0.01, "use_ema": True, "ema_overwrite_frequency": 3}),
    ("Adam", {"learning_rate": 0.01, "gradient_accumulation_steps": 2, "clipvalue": 0.01}),
]

# (class, arguments, which of two weights each call changes)
SUBSETS = [
    ("Adam", {"learning_rate": 0.1, "weight_decay": 0.2, "clipnorm": 0.5}, [[0], [0, 1], [1], [1]]),
    ("SGD", {"momentum": 0.5, "use_ema": True, "ema_momentum": 0.5}, [[0, 1], [0], [1], [1, 0]]),
    ("SGD", {"use_ema": True, "ema_overwrite_frequency": 2, "ema_momentum": 0.5}, [[0], [1], [0]]),
    ("RMSprop", {"gradient_accumulation_steps": 2, "momentum": 0.5}, [[0], [0, 1], [1], [0], [0]]),
]


def network(library: Any) -> Any:
    """The same network in `library`, Keras or fastconv, with weights by rule."""
    layers = library.layers
    model = library.models.Sequential(
        [
            layers.Input((9, 9, 2)),
            layers.Conv2D(
                4, 3, activation="relu", kernel_regularizer=library.regularizers.L2(0.01),
                name="conv",
            ),
            layers.BatchNormalization(name="norm"),
            layers.Conv2D(3, 3, strides=2, activation="tanh", name="second"),
            layers.GlobalAveragePooling2D(name="mean"),
            layers.Dense(3, activation="softmax", name="last"),
        ]
    )  # fmt: skip
    rng = np.random.default_rng(5)
    weights = [rng.normal(size=tuple(weight.shape)) * 0.3 for weight in model.weights]
    model.set_weights([np.abs(w) if w.ndim == 1 else w for w in weights])
    return model


def patterns() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(x, y, sample_weight)."""
    rng = np.random.default_rng(6)
    x = rng.normal(size=(6, 9, 9, 2)).astype(np.float32)
    return x, rng.integers(0, 3, 6), rng.uniform(0.5, 2, 6).astype(np.float32)
