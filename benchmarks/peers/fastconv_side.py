"""fastconv itself, through the interface that users have for single batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

import fastconv
from benchmarks.model_nets import AnyNet, ModelNet
from benchmarks.nets import Conv, Dense, Net, Pool
from benchmarks.peers import EPSILON, LEARNING_RATE, RHO, Session, calibration
from fastconv import layers, models, optimizers, runtime
from fastconv.plan import gradient_bytes

if TYPE_CHECKING:
    from fastconv.models import Model


def version() -> str:
    return f"fastconv {fastconv.__version__} ({runtime.isa()})"


def model(net: AnyNet, weights: list[np.ndarray] | None = None) -> Model:
    """The network with `weights`; without them all are zero, in memory that nothing has touched."""
    if isinstance(net, ModelNet):
        return net.model()
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


def inference(net: AnyNet, weights: list[np.ndarray], x: np.ndarray, threads: int) -> Session:
    runtime.set_num_threads(threads)
    return _predictions(model(net, weights), x)


def quantized(net: AnyNet, weights: list[np.ndarray], x: np.ndarray, threads: int) -> Session:
    runtime.set_num_threads(threads)
    network = model(net, weights)
    network.quantize("int8", calibration=np.concatenate(calibration(net, len(x))))
    return _predictions(network, x)


def _predictions(network: Model, x: np.ndarray) -> Session:
    latest = [None]

    def call():
        latest[0] = network.predict_on_batch(x)

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
        latest[0] = network.train_on_batch(x, labels)

    return Session(call, lambda: np.asarray(latest[0]), lambda: _account(network, len(x)))


def _account(network: Model, batch: int) -> dict[str, int]:
    """The bytes of everything that a training step of `batch` samples uses, by the model's count.

    To be asked for after a step, which is when the program's scratch memory has its size.
    """
    parameters = network.parameters
    slots = network.optimizer.state_for(parameters).buffers.values()
    with network._plan(batch, "train", False, network._trained_parts()) as plan:
        return {
            "arena": plan.peak_bytes,
            "scratch": plan.scratch_bytes,
            "parameters": parameters.values.nbytes,
            "gradients": gradient_bytes(network.graph(), network.optimizer, parameters),
            "slots": sum(slot.nbytes for slot in slots if slot is not None),
        }
