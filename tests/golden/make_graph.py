"""Run real Keras for a small graph of layers: what `tests/test_functional.py` compares with.

Run by hand, never by the tests, in an environment that holds Keras 3.15 and TensorFlow::

    python -m tests.golden.make_graph

Writes ``graph.npz``: a network with a residual block, two inputs, a layer that is used twice and
two outputs with losses of different weights. Outputs, loss, gradients, the weights after each of
three steps of SGD, and what `evaluate` and `fit` report.
"""

from __future__ import annotations

import os

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from tests.golden.golden_file import Arrays, save
from tests.golden.graph_network import NAMES, build


def normal(rng: np.random.Generator, *shape: int, scale: float = 1.0) -> np.ndarray:
    """Multiples of 1/256: exact in float32 and well compressible."""
    return (np.round(rng.standard_normal(shape) * scale * 256) / 256).astype(np.float32)


def make() -> tuple[list[dict], Arrays]:
    rng = np.random.default_rng(20240601)
    model = build(layers, keras.Model)
    model.set_weights([normal(rng, *w.shape, scale=0.3) for w in model.get_weights()])
    arrays: Arrays = {
        "image": normal(rng, 7, 8, 6, 3),
        "vector": normal(rng, 7, 5),
        "labels": np.eye(4, dtype=np.float32)[rng.integers(0, 4, 7)],
        "values": normal(rng, 7, 2),
        "sample_weight": rng.integers(0, 4, 7).astype(np.float32) / 2,
    }
    for index, weight in enumerate(model.get_weights()):
        arrays[f"weights/{index}"] = weight
    x = [arrays["image"], arrays["vector"]]
    y = [arrays["labels"], arrays["values"]]
    for index, output in enumerate(model(x)):
        arrays[f"outputs/{index}"] = np.asarray(output)

    with tf.GradientTape() as tape:
        outputs = model([tf.constant(array) for array in x], training=True)
        loss = keras.losses.CategoricalCrossentropy()(y[0], outputs[0])
        loss += 0.25 * keras.losses.MeanSquaredError()(y[1], outputs[1])
    arrays["loss"] = np.asarray(loss)
    gradients = tape.gradient(loss, [v.value for v in model.trainable_variables])
    for index, gradient in enumerate(gradients):
        arrays[f"gradients/{index}"] = np.asarray(gradient)

    model.compile(
        keras.optimizers.SGD(0.05),
        ["categorical_crossentropy", "mse"],
        loss_weights=[1.0, 0.25],
        metrics=[["accuracy"], None],
        weighted_metrics={"probabilities": ["accuracy"]},
        run_eagerly=True,  # or losses of single outputs are means over batches of any size
    )
    evaluated = model.evaluate(x, y, batch_size=4, verbose=0, return_dict=True)
    arrays["evaluate"] = np.array(list(evaluated.values()), np.float32)
    listed = model.evaluate(x, y, batch_size=4, verbose=0)
    arrays["evaluate_list"] = np.array(listed, np.float32)
    weighted = model.evaluate(
        x, y, batch_size=4, verbose=0, return_dict=True, sample_weight=arrays["sample_weight"]
    )
    arrays["evaluate_weighted"] = np.array(list(weighted.values()), np.float32)
    for step in range(3):
        model.fit(x, y, batch_size=7, shuffle=False, verbose=0)
        for index, weight in enumerate(model.get_weights()):
            arrays[f"step{step}/{index}"] = weight
    history = model.fit(x, y, batch_size=3, shuffle=False, verbose=0).history
    arrays["history"] = np.array([values[0] for values in history.values()], np.float32)
    case = {"evaluate": list(evaluated), "history": list(history), "layers": NAMES}
    assert [layer.name for layer in model.layers] == NAMES
    return [case], arrays


if __name__ == "__main__":
    save("graph.npz", *make())
