"""Run real Keras where losses have no derivative: what `test_losses_against_keras` compares with.

Run by hand, never by the tests, in an environment that holds Keras 3.15 and TensorFlow::

    python -m tests.golden.make_kinks

Writes ``kinks.npz``: per loss labels, predictions at ties, margins and bounds, and what Keras
makes of them.
"""

from __future__ import annotations

import os

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import keras
import numpy as np
import tensorflow as tf

from tests.golden.golden_file import Arrays, save

ONE_HOT = [[1, 0, 0, 0, 0]] * 7
TIES = [
    [0.5, 2, 2, 1, 0],  # two equal wrong scores
    [0.5, 2, 2, 2, 0],
    [0.5, 2, 2, 2, 2],
    [0.5, 0, 0, -1, -2],  # equal to the place of the right class, which counts as 0
    [0.5, -1, -2, -1, -1],  # all below it
    [0.5, 2, 1, 0, -1],  # none
    [3, 2, 2, 1, 0],  # a margin of exactly 1
]
SIGNS = [[1, -1, 1, -1, 1]] * 3
MARGINS = [[1, -1, 0.5, -0.5, 2], [1, 1, 1, 1, 1], [-1, 1, 0, 0, 1]]
EQUAL = [[1, 2, -1, 0.5, 0], [0, 0, 0, 0, 0]]
NEAR = [[1, 2.5, -1, 0, 0.5], [0, 0.5, -0.5, 1, 0]]
KINKS = {
    "CategoricalHinge": (ONE_HOT, TIES),
    "Hinge": (SIGNS, MARGINS),
    "SquaredHinge": (SIGNS, MARGINS),
    "MeanAbsoluteError": (EQUAL, NEAR),
    "MeanAbsolutePercentageError": (EQUAL[:1], NEAR[:1]),
    "Huber": (EQUAL, [[2, 2, -2, 1.5, 1], [1, 0, -1, 0.5, 2]]),
    "LogCosh": (EQUAL, NEAR),
}


def make() -> tuple[list[dict], Arrays]:
    arrays: Arrays = {}
    for name, (labels, predictions) in KINKS.items():
        y, p = np.float32(labels), np.float32(predictions)
        x = tf.constant(p)
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = getattr(keras.losses, name)(reduction="none")(y, x)
            total = tf.reduce_sum(value)
        arrays |= {f"{name}/labels": y, f"{name}/predictions": p, f"{name}/values": value.numpy()}
        arrays[f"{name}/gradient"] = tape.gradient(total, x).numpy()
    return [{"name": name} for name in KINKS], arrays


if __name__ == "__main__":
    save("kinks.npz", *make())
