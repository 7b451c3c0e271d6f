"""Run real Keras to compute the golden values of activations (see `make_golden` for the how).

    python -m tests.golden.make_activations     # rewrites activations.npz beside this script

Every function and layer: outputs, and the gradient of sum(dy * y) with respect to the input (and to
alpha, where it is trained) from TensorFlow's own automatic differentiation.
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

FUNCTIONS = (
    "relu", "leaky_relu", "relu6", "elu", "selu", "gelu", "silu", "swish", "mish", "hard_silu",
    "hard_swish", "sigmoid", "hard_sigmoid", "tanh", "softplus", "softsign", "exponential",
    "softmax", "log_softmax", "linear",
)  # fmt: skip
CHAINS = (
    "celu", "hard_shrink", "hard_tanh", "log_sigmoid", "soft_shrink", "sparse_plus",
    "sparse_sigmoid", "squareplus", "tanh_shrink",
)  # fmt: skip
LAYERS = [
    # name, class, arguments
    ("relu", "ReLU", {}),
    ("relu_max", "ReLU", {"max_value": 1.5}),
    ("relu_slope", "ReLU", {"negative_slope": 0.25}),
    ("relu_threshold", "ReLU", {"threshold": 0.5}),
    ("relu_all", "ReLU", {"max_value": 1.5, "negative_slope": 0.25, "threshold": 0.5}),
    ("leaky", "LeakyReLU", {}),
    ("leaky_slope", "LeakyReLU", {"negative_slope": 0.125}),
    ("elu", "ELU", {}),
    ("elu_alpha", "ELU", {"alpha": 0.5}),
    ("softmax", "Softmax", {}),
    ("softmax_axes", "Softmax", {"axis": [2, 3]}),
    ("prelu", "PReLU", {}),
    ("prelu_channels", "PReLU", {"shared_axes": [1, 2]}),
    ("prelu_rows", "PReLU", {"shared_axes": [1]}),
    ("prelu_pixels", "PReLU", {"shared_axes": [3]}),
    ("prelu_one", "PReLU", {"shared_axes": [1, 2, 3]}),
]


def grid_normal(rng: np.random.Generator, *shape: int, scale: float = 1.0) -> np.ndarray:
    """Normal numbers rounded to odd multiples of 1/512: exact, and away from every kink."""
    return ((np.round(rng.standard_normal(shape) * scale * 256) * 2 + 1) / 512).astype(np.float32)


def main() -> None:
    rng = np.random.default_rng(20250601)
    cases, arrays = [], {}
    made = [(name, "Activation", {"activation": name}) for name in FUNCTIONS]
    made += [(f"layer_{n}", k, a) for n, k, a in LAYERS]
    made += [(name, "Activation", {"activation": name}) for name in CHAINS]
    for name, kind, arguments in made:
        layer = getattr(layers, kind)(**arguments)
        x = grid_normal(rng, 2, 3, 2, 5, scale=2.0)
        layer.build(x.shape)
        named = {"x": x}
        if layer.weights:
            named["alpha"] = grid_normal(rng, *layer.weights[0].shape, scale=0.25)
            layer.set_weights([named["alpha"]])
        with tf.GradientTape() as tape:
            source = tf.constant(x)
            tape.watch(source)
            y = layer(source)
            named["dy"] = grid_normal(rng, *y.shape)
            objective = tf.reduce_sum(y * named["dy"])
        gradients = tape.gradient(objective, [source, *[v.value for v in layer.weights]])
        named |= {"y": y.numpy(), "dx": gradients[0].numpy()}
        if layer.weights:
            named["dalpha"] = gradients[1].numpy()
        cases.append({"name": name, "class_name": kind, "arguments": arguments})
        arrays |= {f"{name}/{key}": value for key, value in named.items()}
    save("activations.npz", cases, arrays)


if __name__ == "__main__":
    main()
