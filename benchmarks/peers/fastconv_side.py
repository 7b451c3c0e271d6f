"""fastconv itself, through the interface that users have: a call, and `fit` of one batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

import fastconv
from benchmarks.nets import Conv, Dense, Net, Pool
from benchmarks.peers import EPSILON, LEARNING_RATE, RHO, Session
from fastconv import layers, models, optimizers, runtime

if TYPE_CHECKING:
    from fastconv.models import Sequential


def version() -> str:
    return f"fastconv {fastconv.__version__} ({runtime.isa()})"


def model(net: Net, weights: list[np.ndarray] | None = None) -> Sequential:
    """The network with `weights`; without them all are zero, in memory that nothing has touched."""
    made = models.Sequential()
    made.draw_weights = False
    made.add(layers.Input(net.input_shape))
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
    if weights is not None:
        made.set_weights(weights)
    return made


def inference(net: Net, weights: list[np.ndarray], x: np.ndarray, threads: int) -> Session:
    runtime.set_num_threads(threads)
    network = model(net, weights)
    latest = [None]

    def call():
        latest[0] = network(x)

    return Session(call, lambda: latest[0])


def training(
    net: Net, weights: list[np.ndarray], x: np.ndarray, labels: np.ndarray, threads: int
) -> Session:
    runtime.set_num_threads(threads)
    network = model(net, weights)
    rmsprop = optimizers.RMSprop(LEARNING_RATE, rho=RHO, epsilon=EPSILON)
    network.compile(rmsprop, "sparse_categorical_crossentropy")
    latest = [None]

    def call():
        history = network.fit(x, labels, batch_size=len(x), shuffle=False, verbose=0).history
        latest[0] = history["loss"][0]

    return Session(call, lambda: np.asarray(latest[0]))
