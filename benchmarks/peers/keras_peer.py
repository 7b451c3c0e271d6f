"""Keras on TensorFlow, compiled: a traced function for inference, `train_on_batch` for training."""

from __future__ import annotations

import os

import numpy as np

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import tensorflow as tf
from keras import layers

from benchmarks.nets import Conv, Dense, Net, Pool
from benchmarks.peers import EPSILON, LEARNING_RATE, RHO, Session


def version() -> str:
    return f"Keras {keras.__version__} on TensorFlow {tf.__version__}"


def model(net: Net, weights: list[np.ndarray]) -> keras.Sequential:
    made = keras.Sequential([keras.Input(net.input_shape)])
    for layer in net.layers:
        if isinstance(layer, Conv):
            made.add(
                layers.Conv2D(
                    layer.filters,
                    layer.kernel,
                    strides=layer.stride,
                    padding=layer.padding,
                    activation=layer.activation,
                )
            )
        elif isinstance(layer, Pool):
            pool = layers.MaxPooling2D if layer.kind == "max" else layers.AveragePooling2D
            made.add(pool(layer.size, strides=layer.stride))
        elif isinstance(layer, Dense):
            made.add(layers.Dense(layer.units, activation=layer.activation))
        else:
            made.add(layers.Flatten())
    made.set_weights(weights)
    return made


def inference(net: Net, weights: list[np.ndarray], x: np.ndarray, threads: int) -> Session:
    _set_threads(threads)
    network, batch = model(net, weights), tf.constant(x)
    function = tf.function(lambda images: network(images, training=False))
    latest = [None]

    def call():
        latest[0] = function(batch)

    return Session(call, lambda: latest[0].numpy())


def training(
    net: Net, weights: list[np.ndarray], x: np.ndarray, labels: np.ndarray, threads: int
) -> Session:
    _set_threads(threads)
    network = model(net, weights)
    rmsprop = keras.optimizers.RMSprop(LEARNING_RATE, rho=RHO, epsilon=EPSILON)
    network.compile(rmsprop, "sparse_categorical_crossentropy")
    batch, target = tf.constant(x), tf.constant(labels)
    latest = [None]

    def call():
        latest[0] = network.train_on_batch(batch, target)

    return Session(call, lambda: np.asarray(latest[0]))


def _set_threads(threads: int) -> None:
    """TensorFlow takes the number before its first operation; later only the same one again."""
    if tf.config.threading.get_intra_op_parallelism_threads() != threads:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
