"""Run real Keras to compute what training is made of: ``training_*.npz``, read by the tests.

Run by hand in an environment with Keras 3.15 and TensorFlow::

    python tests/golden/make_training.py [name ...]

Every file holds ``cases``, which say how to make the object with fastconv (class and arguments,
or a name), and the arrays that Keras computed with it; inputs are multiples of 1/256.

=======================  ==========================================================================
``training_weights``     regularizers and constraints, alone and in a network that trains
=======================  ==========================================================================
"""

from __future__ import annotations

import os
import sys

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import keras  # the environment above decides the backend
import numpy as np
import tensorflow as tf
from golden_file import Arrays, save
from keras import layers


def grid_normal(rng: np.random.Generator, *shape: int, scale: float = 1.0) -> np.ndarray:
    """Normal numbers rounded to multiples of 1/256: exact in float32 and well compressible."""
    return (np.round(rng.standard_normal(shape) * scale * 256) / 256).astype(np.float32)


def make(module, entry):
    """The Keras object of a case: ("Class", {arguments})."""
    name, arguments = entry
    return getattr(module, name)(**arguments)


# --------------------------------------------------------------------- regularizers, constraints

REGULARIZERS = [
    ("L1", {}),
    ("L1", {"l1": 0.3}),
    ("L2", {}),
    ("L2", {"l2": 0.125}),
    ("L1L2", {}),
    ("L1L2", {"l1": 0.5, "l2": 0.25}),
    ("OrthogonalRegularizer", {}),
    ("OrthogonalRegularizer", {"factor": 0.5, "mode": "columns"}),
]
CONSTRAINTS = [
    # class, arguments, shape
    ("MaxNorm", {}, (6, 5)),
    ("MaxNorm", {"max_value": 1.5, "axis": [0, 1, 2]}, (3, 3, 2, 21)),
    ("MaxNorm", {"max_value": 1, "axis": 1}, (4, 70)),
    ("MaxNorm", {"max_value": 1, "axis": -1}, (3, 2, 4, 5)),
    ("MaxNorm", {"max_value": 1, "axis": [0, 2]}, (3, 4, 5)),
    ("NonNeg", {}, (6, 5)),
    ("UnitNorm", {}, (6, 5)),
    ("UnitNorm", {"axis": [0, 1]}, (3, 4, 2, 3)),
    ("MinMaxNorm", {}, (6, 5)),
    ("MinMaxNorm", {"min_value": 1.0, "max_value": 2.0, "rate": 0.3, "axis": 0}, (6, 70)),
]
PENALISED = [  # arguments of the convolution and of the dense layer, as (class, arguments)
    (
        {"kernel_regularizer": ("L2", {"l2": 0.1}), "bias_regularizer": ("L1", {"l1": 0.2})},
        {"activity_regularizer": ("L2", {"l2": 0.3})},
    ),
    (
        {"activity_regularizer": ("L1L2", {"l1": 0.1, "l2": 0.2})},
        {"kernel_regularizer": ("OrthogonalRegularizer", {"factor": 0.4, "mode": "columns"})},
    ),
    (
        {"kernel_constraint": ("MaxNorm", {"max_value": 1.0, "axis": [0, 1, 2]})},
        {
            "kernel_constraint": ("UnitNorm", {}),
            "bias_constraint": ("NonNeg", {}),
            "kernel_regularizer": ("L1", {}),
        },
    ),
]


def made(arguments):
    modules = {"regularizer": keras.regularizers, "constraint": keras.constraints}
    return {key: make(modules[key.rpartition("_")[2]], entry) for key, entry in arguments.items()}


def penalised_network(convolution, dense):
    return keras.Sequential(
        [
            keras.Input((5, 5, 2)),
            layers.Conv2D(4, 3, activation="relu", **made(convolution)),
            layers.Flatten(),
            layers.Dense(3, **made(dense)),
        ]
    )


def make_weights() -> tuple[list[dict], Arrays]:
    rng = np.random.default_rng(1)
    cases, arrays = [], {}
    matrix = grid_normal(rng, 6, 5)
    arrays["matrix"] = matrix
    for number, entry in enumerate(REGULARIZERS):
        x = tf.constant(matrix)
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = make(keras.regularizers, entry)(x)
        cases.append({"name": f"regularizer{number}", "group": "regularizer", "object": entry})
        arrays[f"regularizer{number}/value"] = value.numpy()
        # TensorFlow gives no gradient for the penalty that is zero for every matrix.
        gradient = tape.gradient(value, x)
        arrays[f"regularizer{number}/gradient"] = (
            np.zeros_like(matrix) if gradient is None else gradient.numpy()
        )
    for number, (name, arguments, shape) in enumerate(CONSTRAINTS):
        w = grid_normal(rng, *shape)
        case = {"name": f"constraint{number}", "group": "constraint", "object": (name, arguments)}
        cases.append(case)
        arrays[f"constraint{number}/before"] = w
        arrays[f"constraint{number}/after"] = np.asarray(
            make(keras.constraints, (name, arguments))(tf.constant(w))
        )
    x, y = grid_normal(rng, 10, 5, 5, 2), grid_normal(rng, 10, 3)
    arrays |= {"x": x, "y": y}
    for number, (convolution, dense) in enumerate(PENALISED):
        model = penalised_network(convolution, dense)
        start = [grid_normal(rng, *w.shape, scale=0.5) for w in model.get_weights()]
        model.set_weights(start)
        model.compile(keras.optimizers.SGD(0.05, clipnorm=1.0), "mse")
        name = f"network{number}"
        cases.append({"name": name, "group": "network", "convolution": convolution, "dense": dense})
        arrays[f"{name}/evaluate"] = np.float32(model.evaluate(x, y, batch_size=4, verbose=0))
        history = model.fit(x, y, batch_size=4, epochs=3, shuffle=False, verbose=0)
        arrays[f"{name}/loss"] = np.float32(history.history["loss"])
        for index, (before, after) in enumerate(zip(start, model.get_weights(), strict=True)):
            arrays[f"{name}/before/{index}"] = before
            arrays[f"{name}/after/{index}"] = after
    return cases, arrays


MAKERS = {"weights": make_weights}


def main() -> None:
    for name in sys.argv[1:] or MAKERS:
        save(f"training_{name}.npz", *MAKERS[name]())


if __name__ == "__main__":
    main()
