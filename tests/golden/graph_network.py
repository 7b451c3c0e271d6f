"""The network of `make_graph`, for either library."""

from __future__ import annotations

from typing import Any

# In the order of Keras, on which the layout of its files depends.
NAMES = [
    "image", "first", "vector", "second", "dense", "sum", "twice", "relu", "pool", "larger", "flat",
    "scaled", "both", "probabilities", "values",
]  # fmt: skip


def build(layers: Any, Model: Any) -> Any:
    image = layers.Input((8, 6, 3), name="image")
    vector = layers.Input((5,), name="vector")
    x = layers.Conv2D(4, 3, padding="same", activation="relu", name="first")(image)
    y = layers.Conv2D(4, 3, padding="same", name="second")(x)
    y = layers.ReLU(name="relu")(layers.Add(name="sum")([x, y]))
    flat = layers.Flatten(name="flat")(layers.MaxPooling2D(name="pool")(y))
    twice = layers.Dense(6, activation="tanh", name="twice")
    v = twice(twice(layers.Dense(6, name="dense")(vector)))
    scaled = layers.Multiply(name="scaled")([v, layers.Maximum(name="larger")([v, v])])
    both = layers.Concatenate(name="both")([flat, scaled])
    probabilities = layers.Dense(4, activation="softmax", name="probabilities")(both)
    return Model([image, vector], [probabilities, layers.Dense(2, name="values")(both)])
