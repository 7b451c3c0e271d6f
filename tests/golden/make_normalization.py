"""Run real Keras to compute the golden values of normalizations (see `make_golden` for the how).

    python -m tests.golden.make_normalization     # rewrites normalization.npz beside this script

Every layer in training: outputs, the gradients of sum(dy * y), the weights afterwards (which are
those before but for the moving averages), and its outputs outside of training with those weights.
A small residual network with batch normalization: three steps of training and what it predicts.
Local response normalization comes from TensorFlow, as Keras has none.
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

from tests.golden.golden_file import save

LAYERS = [
    # name, class, arguments
    ("batch", "BatchNormalization", {}),
    ("batch_options", "BatchNormalization", {"momentum": 0.75, "epsilon": 0.1}),
    ("batch_plain", "BatchNormalization", {"center": False, "scale": False}),
    ("batch_no_gamma", "BatchNormalization", {"scale": False}),
    ("batch_axis_1", "BatchNormalization", {"axis": 1}),
    ("batch_frozen", "BatchNormalization", {"trainable": False}),
    ("layer", "LayerNormalization", {}),
    ("layer_axes", "LayerNormalization", {"axis": [2, 3], "epsilon": 0.01}),
    ("layer_sample", "LayerNormalization", {"axis": [-3, -2, -1]}),
    ("layer_axis_1", "LayerNormalization", {"axis": 1}),
    ("layer_plain", "LayerNormalization", {"center": False, "scale": False}),
    ("group", "GroupNormalization", {"groups": 3}),
    ("group_instance", "GroupNormalization", {"groups": -1}),
    ("group_axis_1", "GroupNormalization", {"groups": 2, "axis": 1}),
    ("unit", "UnitNormalization", {}),
    ("unit_axes", "UnitNormalization", {"axis": [1, 3]}),
]
RESPONSES = [
    ("response", {}),
    ("response_alexnet", {"depth_radius": 2, "bias": 2.0, "alpha": 1e-1, "beta": 0.75}),
]


def grid_normal(rng: np.random.Generator, *shape: int, scale: float = 1.0) -> np.ndarray:
    """Normal numbers rounded to multiples of 1/256: exact in float32 and well compressible."""
    return (np.round(rng.standard_normal(shape) * scale * 256) / 256).astype(np.float32)


def one_layer(rng, name, kind, arguments) -> dict[str, np.ndarray]:
    layer = getattr(layers, kind)(**arguments)
    x = grid_normal(rng, 3, 4, 2, 6) * grid_normal(rng, 6) + grid_normal(rng, 6)
    layer.build(x.shape)
    layer.set_weights(
        [np.abs(grid_normal(rng, *w.shape)) + np.float32(0.25) for w in layer.weights]
    )
    named = {f"before_{i}": w for i, w in enumerate(layer.get_weights())}
    with tf.GradientTape() as tape:
        source = tf.constant(x)
        tape.watch(source)
        y = layer(source, training=True) if "Batch" in kind else layer(source)
        dy = grid_normal(rng, *y.shape)
        objective = tf.reduce_sum(y * dy)
    variables = [v.value for v in layer.trainable_variables]
    dx, *gradients = tape.gradient(objective, [source, *variables])
    named |= {f"after_{i}": w for i, w in enumerate(layer.get_weights())}
    named |= {f"gradient_{i}": g.numpy() for i, g in enumerate(gradients)}
    inferred = layer(x, training=False) if "Batch" in kind else layer(x)
    return named | {"x": x, "y": y.numpy(), "dy": dy, "dx": dx.numpy(), "z": inferred.numpy()}


def response(rng, arguments) -> dict[str, np.ndarray]:
    x, dy = grid_normal(rng, 2, 3, 2, 9), grid_normal(rng, 2, 3, 2, 9)
    with tf.GradientTape() as tape:
        source = tf.constant(x)
        tape.watch(source)
        y = tf.nn.local_response_normalization(source, **arguments)
        objective = tf.reduce_sum(y * dy)
    dx = tape.gradient(objective, source)
    return {"x": x, "y": y.numpy(), "dy": dy, "dx": dx.numpy(), "z": y.numpy()}


def residual_network() -> keras.Model:
    """The test builds the same with fastconv."""
    start = layers.Input((6, 6, 2))
    x = layers.Conv2D(4, 3, padding="same", use_bias=False)(start)
    x = layers.BatchNormalization(momentum=0.9)(x)
    x = short = layers.ReLU()(x)
    x = layers.Conv2D(4, 3, padding="same")(x)
    x = layers.BatchNormalization()(x)
    x = layers.Add()([x, short])
    x = layers.Activation("relu")(x)
    x = layers.MaxPooling2D(2)(x)
    x = layers.Flatten()(x)
    x = layers.Dense(5)(x)
    x = layers.BatchNormalization(scale=False)(x)
    return keras.Model(start, layers.Dense(3)(x))


def training(rng) -> dict[str, np.ndarray]:
    model = residual_network()
    named = {}
    weights = [w.numpy() for w in model.weights]
    for index, (variable, weight) in enumerate(zip(model.weights, weights, strict=True)):
        if "kernel" in variable.path:
            weights[index] = grid_normal(rng, *weight.shape, scale=0.3)
    model.set_weights(weights)
    named |= {f"before_{i}": w for i, w in enumerate(model.get_weights())}
    named |= {"x": grid_normal(rng, 16, 6, 6, 2), "y": grid_normal(rng, 16, 3)}
    model.compile(keras.optimizers.SGD(0.05, momentum=0.9), "mse")
    history = model.fit(named["x"], named["y"], 8, 3, shuffle=False, verbose=0)
    named |= {f"after_{i}": w for i, w in enumerate(model.get_weights())}
    named["loss"] = np.float32(history.history["loss"])
    named["prediction"] = model.predict(named["x"], verbose=0)
    return named


def main() -> None:
    rng = np.random.default_rng(20250602)
    cases, arrays = [], {}

    def add(name, kind, arguments, named):
        cases.append({"name": name, "class_name": kind, "arguments": arguments})
        arrays.update({f"{name}/{key}": value for key, value in named.items()})

    for name, kind, arguments in LAYERS:
        add(name, kind, arguments, one_layer(rng, name, kind, arguments))
    for name, arguments in RESPONSES:
        add(name, "LocalResponseNormalization", arguments, response(rng, arguments))
    add("network", "network", {}, training(rng))
    save("normalization.npz", cases, arrays)


if __name__ == "__main__":
    main()
