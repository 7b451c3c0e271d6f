"""Run real Keras to compute ``convolution_layers.npz``: outputs and gradients of the layers in
`convolution_cases`, and two models saved by Keras that contain them.

Run by hand, in an environment that holds Keras 3.15 and TensorFlow::

    python -m tests.golden.make_convolution_layers
"""

from __future__ import annotations

import os

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import keras  # the environment above decides the backend
import numpy as np
import tensorflow as tf
from keras import layers

from tests.golden.convolution_cases import CASES, CONFIGURED, RANDOM_CASES
from tests.golden.golden_file import HERE, save

LAST = {"data_format": "channels_last"}


def grid_normal(rng: np.random.Generator, *shape: int, scale: float = 1.0) -> np.ndarray:
    """Normal numbers rounded to multiples of 1/256: exact in float32 and well compressible."""
    return (np.round(rng.standard_normal(shape) * scale * 256) / 256).astype(np.float32)


def on_last(name: str, settings: dict, weights: list, x: np.ndarray):
    """The output of a channels-first layer, computed channels-last, the only layout of
    TensorFlow's CPU kernels."""
    layer = getattr(layers, name)(**(settings | LAST))
    images = tf.transpose(x, (0, *range(2, x.ndim), 1))
    layer.build(images.shape)
    for variable, value in zip(layer.weights, weights, strict=True):
        variable.assign(value)
    y = layer(images)
    if y.shape.rank == x.ndim:
        y = tf.transpose(y, (0, x.ndim - 1, *range(1, x.ndim - 1)))
    return y, layer


def one_layer(rng, name, settings, shape, draw=grid_normal):
    layer = getattr(layers, name)(**settings)
    layer.build((None, *shape))
    weights = [grid_normal(rng, *w.shape, scale=0.5) for w in layer.weights]
    layer.set_weights(weights)
    x = tf.constant(draw(rng, 2, *shape))
    with tf.GradientTape() as tape:
        tape.watch(x)
        if settings.get("data_format") == "channels_first" and name != "Flatten":
            y, computed = on_last(name, settings, weights, x)
        else:
            y, computed = layer(x), layer
        dy = grid_normal(rng, *y.shape)
        objective = tf.reduce_sum(y * dy)
    dx, *dw = tape.gradient(objective, [x, *(v.value for v in computed.trainable_variables)])
    arrays = {"x": x.numpy(), "y": y.numpy(), "dy": dy, "dx": dx.numpy()}
    for index, (value, gradient) in enumerate(zip(weights, dw, strict=True)):
        arrays |= {f"w{index}": value, f"dw{index}": gradient.numpy()}
    config = keras.saving.serialize_keras_object(layer)
    config["config"].pop("seed", None)
    return config, arrays


def moved(layer, told, shape):
    """What Keras's layer calls the transformation that it is told to do."""
    if "flips" in told:
        flips = np.array(told["flips"]).reshape(-1, 1, 1, 1)
        return {"flips": tf.constant(flips), "input_shape": shape}
    if "degrees" in told:
        count = len(told["degrees"])
        zero, one = tf.zeros([count]), tf.ones([count])
        matrix = layer._compute_affine_matrix(
            0.5, 0.5, tf.constant(told["degrees"], tf.float32), zero, zero, one, zero, zero,
            shape[1], shape[2],
        )  # fmt: skip
        return {"rotation_matrix": matrix}
    rows, columns = (tf.constant(told[k], tf.float32)[:, None] for k in ("rows", "columns"))
    if isinstance(layer, layers.RandomTranslation):
        return {"translations": tf.concat([columns, rows], 1)}
    return {"height_zoom": rows, "width_zoom": columns, "input_shape": shape}


def main() -> None:
    rng = np.random.default_rng(20240601)
    cases, arrays = [], {}
    for name, kind, shape, settings in CASES:
        config, values = one_layer(rng, kind, settings, shape)
        cases.append({"name": name, "kind": "layer", "shape": shape, "config": config})
        arrays |= {f"{name}/{key}": value for key, value in values.items()}
    for name, kind, settings, shape, told in RANDOM_CASES:
        layer = getattr(layers, kind)(**settings)
        x = grid_normal(rng, 3, *shape)
        y = layer.transform_images(tf.constant(x), moved(layer, told, x.shape), training=True)
        cases.append({"name": name, "kind": "random", "class": kind, "settings": settings})
        cases[-1]["told"] = told
        arrays |= {f"{name}/x": x, f"{name}/y": y.numpy()}

    for kind, settings in CONFIGURED:
        config = keras.saving.serialize_keras_object(getattr(layers, kind)(**settings))
        cases.append({"name": kind, "kind": "configured", "config": config})

    keras.utils.set_random_seed(7)
    model = keras.Sequential(
        [
            keras.Input((12, 10, 3)),
            layers.Rescaling(1 / 4, offset=-0.5),
            layers.RandomFlip("horizontal", seed=1),
            layers.ZeroPadding2D(((1, 0), (0, 1))),
            layers.SeparableConv2D(6, 3, activation="relu", depthwise_regularizer="l2"),
            layers.DepthwiseConv2D(3, strides=2, padding="same"),
            layers.SpatialDropout2D(0.2, seed=2),
            layers.Conv2DTranspose(4, 3, strides=2, padding="same", activation="tanh"),
            layers.GaussianNoise(0.1, seed=3),
            layers.UpSampling2D(2, interpolation="bilinear"),
            layers.Cropping2D(2),
            layers.MaxPooling2D(2),
            layers.Reshape((-1, 4)),
            layers.Conv1D(5, 3, padding="causal", activation="relu"),
            layers.MaxPooling1D(2),
            layers.Permute((2, 1)),
            layers.GlobalAveragePooling1D(),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.save(HERE / "spatial.keras")
    x = grid_normal(rng, 4, 12, 10, 3)
    arrays |= {"spatial/x": x, "spatial/y": model.predict(x, verbose=0)}
    save("convolution_layers.npz", cases, arrays)


if __name__ == "__main__":
    main()
