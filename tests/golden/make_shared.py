"""Run real Keras for layers called several times, for `test_shared_layers_in_training`.

Run by hand, never by the tests, in an environment that holds Keras 3.15 and TensorFlow::

    python -m tests.golden.make_shared

Writes ``shared.npz``: for every network of `shared_networks` its input, labels, weights before and
after two epochs of one batch, and the losses.
"""

from __future__ import annotations

import os

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import keras
import numpy as np
from keras import layers

from tests.golden.golden_file import Arrays, save
from tests.golden.shared_networks import NETWORKS


def normal(rng: np.random.Generator, *shape: int, scale: float = 1.0) -> np.ndarray:
    """Multiples of 1/64: exact in float32 and well compressible."""
    return (np.round(rng.standard_normal(shape) * scale * 64) / 64).astype(np.float32)


def make() -> tuple[list[dict], Arrays]:
    rng = np.random.default_rng(7)
    cases, arrays = [], {}
    for name, build in NETWORKS.items():
        model = build(layers, keras.Model)
        start = [np.abs(normal(rng, *w.shape, scale=0.5)) + 0.25 for w in model.get_weights()]
        model.set_weights(start)
        x = [1 + 2 * normal(rng, 8, *tensor.shape[1:]) for tensor in model.inputs]
        y = [normal(rng, 8, *tensor.shape[1:]) for tensor in model.outputs]
        data = [each if len(each) > 1 else each[0] for each in (x, y)]
        model.compile(keras.optimizers.SGD(0.0625), "mse")
        arrays[f"{name}/evaluate"] = np.float32(np.ravel(model.evaluate(*data, verbose=0))[0])
        history = model.fit(*data, batch_size=8, epochs=2, verbose=0).history
        arrays[f"{name}/loss"] = np.float32(history["loss"])
        for kind, group in {"x": x, "y": y, "before": start, "after": model.get_weights()}.items():
            arrays |= {f"{name}/{kind}/{index}": array for index, array in enumerate(group)}
        counts = {"x": len(x), "y": len(y), "weights": len(start)}
        cases.append({"name": name, **counts})
    return cases, arrays


if __name__ == "__main__":
    save("shared.npz", *make())
