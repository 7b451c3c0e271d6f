"""Run real Keras to compute the golden values of recurrent layers (see `make_golden` for the how).

    python -m tests.golden.make_recurrent     # rewrites recurrent.npz beside this script

Outputs, and the gradients of sum(dy * y).
"""

from __future__ import annotations

import os

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import numpy as np
import tensorflow as tf
from keras import layers

from tests.golden.golden_file import save
from tests.golden.make_normalization import grid_normal

LAYERS = [
    # name, class, arguments
    ("lstm", "LSTM", {"units": 5}),
    ("lstm_sequences", "LSTM", {"units": 5, "return_sequences": True}),
    ("lstm_backwards", "LSTM", {"units": 5, "return_sequences": True, "go_backwards": True}),
    ("lstm_no_bias", "LSTM", {"units": 5, "use_bias": False, "go_backwards": True}),
    ("gru", "GRU", {"units": 5}),
    ("gru_sequences", "GRU", {"units": 5, "return_sequences": True}),
    ("gru_backwards", "GRU", {"units": 5, "return_sequences": True, "go_backwards": True}),
    ("gru_no_bias", "GRU", {"units": 5, "use_bias": False, "go_backwards": True}),
]


def main() -> None:
    rng = np.random.default_rng(23)
    cases, arrays = [], {}
    for name, kind, arguments in LAYERS:
        layer = getattr(layers, kind)(**arguments)
        x = grid_normal(rng, 3, 4, 6)
        layer.build(x.shape)
        layer.set_weights([grid_normal(rng, *w.shape, scale=0.5) for w in layer.weights])
        with tf.GradientTape() as tape:
            source = tf.constant(x)
            tape.watch(source)
            y = layer(source)
            dy = grid_normal(rng, *y.shape)
            objective = tf.reduce_sum(y * dy)
        variables = [v.value for v in layer.trainable_variables]
        dx, *gradients = tape.gradient(objective, [source, *variables])
        found = {f"before_{i}": w for i, w in enumerate(layer.get_weights())}
        found |= {f"gradient_{i}": g.numpy() for i, g in enumerate(gradients)}
        found |= {"x": x, "y": y.numpy(), "dy": dy, "dx": dx.numpy()}
        arrays |= {f"{name}/{key}": value for key, value in found.items()}
        cases.append({"name": name, "class": kind, "arguments": arguments})
    save("recurrent.npz", cases, arrays)


if __name__ == "__main__":
    main()
