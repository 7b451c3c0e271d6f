"""Twenty samples and a small model over them: what the tests of training train."""

from __future__ import annotations

import numpy as np

from fastconv import layers, models

_RNG = np.random.default_rng(8)
X = _RNG.standard_normal((20, 5)).astype(np.float32)
LABELS = _RNG.integers(0, 3, 20)
Y = np.eye(3, dtype=np.float32)[LABELS]


def linear(loss="mse", optimizer="sgd", **arguments):
    """A small model with weights that are always the same."""
    model = models.Sequential([layers.Input((5,)), layers.Dense(4, "tanh"), layers.Dense(3)])
    rng = np.random.default_rng(9)
    model.set_weights([rng.standard_normal(w.shape) * 0.5 for w in model.get_weights()])
    model.compile(optimizer, loss, **arguments)
    return model


def assert_same_weights(first, second):
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def fit(x=X, y=Y, model=None, **arguments):
    model = model or linear()
    arguments = {"shuffle": False, "verbose": 0, "batch_size": 6} | arguments
    history = model.fit(x, y, **arguments)
    return model, history.history
