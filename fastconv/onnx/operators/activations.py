"""Activations, and the softmax."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastconv import ops
from fastconv.layers import Activation, PReLU
from fastconv.layers.symbolic import SymbolicTensor
from fastconv.onnx.layering import are_weights, called, is_batch, layer_name
from fastconv.onnx.nodes import Node
from fastconv.onnx.operators.elementwise import combined
from fastconv.onnx.registry import operator
from fastconv.onnx.tensor import Tensor


def _activated(node: Node, x: Tensor, function: Any, layer: Any = "") -> Tensor:
    """Return an activation: the layer of that name in a graph, a function elsewhere."""
    if layer and is_batch(x):
        return x.mapped(Activation(layer, name=layer_name(node)))
    return x.mapped(function)


@operator("Relu", 6, 13, 14)
def relu(node: Node, x: Tensor) -> Tensor:
    if x.dtype.kind != "f":
        return x.mapped(ops.maximum, 0)
    return _activated(node, x, ops.relu, "relu")


@operator("Sigmoid", 6, 13)
def sigmoid(node: Node, x: Tensor) -> Tensor:
    return _activated(node, x, ops.sigmoid, "sigmoid")


@operator("Tanh", 6, 13)
def tanh(node: Node, x: Tensor) -> Tensor:
    return _activated(node, x, ops.tanh, "tanh")


@operator("Softplus", 1, 22)
def softplus(node: Node, x: Tensor) -> Tensor:
    return _activated(node, x, ops.softplus, "softplus")


@operator("Softsign", 1, 22)
def softsign(node: Node, x: Tensor) -> Tensor:
    return _activated(node, x, ops.softsign, "softsign")


@operator("LeakyRelu", 6, 16)
def leaky_relu(node: Node, x: Tensor) -> Tensor:
    slope = node["alpha"]
    if slope >= 0:
        return x.mapped(ops.leaky_relu, slope)
    return x.mapped(lambda v: ops.maximum(v, 0.0) + ops.minimum(v, 0.0) * slope)


@operator("PRelu", 6)
def prelu_of_channels(node: Node, x: Tensor, slope: Tensor) -> Tensor:
    """Slopes per channel, or one for all."""
    if slope.rank == 1 and slope.shape[0] != 1:
        along = (slope.shape[0], *(1,) * (x.rank - 2))
        slope = Tensor.of(ops.reshape(slope.plain, along))
    return prelu(node, x, slope)


@operator("PRelu", 7, 9, 16)
def prelu(node: Node, x: Tensor, slope: Tensor) -> Tensor:
    if is_batch(x) and are_weights(slope) and x.columns is None:
        alpha, shared = _slopes(x, slope)
        if alpha is not None:
            layer = PReLU(shared_axes=shared or None, name=layer_name(node))
            return x.mapped(lambda value: called(layer, value, [alpha]))
    return combined(lambda v, a: ops.where(v < 0, a * v, v), x, slope)


def _slopes(x: Tensor, slope: Tensor) -> tuple[np.ndarray | None, list[int]]:
    """Return the weights of a layer with these slopes, and the axes along which they are shared."""
    sizes = (1,) * (x.rank - slope.rank) + slope.array.shape
    array = np.transpose(slope.array.reshape(sizes), x.order)
    shared = [axis for axis, n in enumerate(array.shape) if n == 1]
    own = [axis for axis in range(1, x.rank) if axis not in shared]
    if 0 not in shared or any(x.value.shape[a] != array.shape[a] for a in own):
        return None, []
    if own != list(range(own[0], own[-1] + 1)) if own else False:
        return None, []
    return array[0], [axis for axis in shared if axis]


@operator("Elu", 6, 22)
def elu(node: Node, x: Tensor) -> Tensor:
    alpha = node["alpha"]
    if alpha >= 0:
        return x.mapped(ops.elu, alpha)
    return x.mapped(lambda v: ops.where(v > 0, v, alpha * (ops.exp(v) - 1)))


@operator("Selu", 6, 22)
def selu(node: Node, x: Tensor) -> Tensor:
    alpha, gamma = node["alpha"], node["gamma"]
    if math.isclose(alpha, 1.67326319, rel_tol=1e-6) and math.isclose(
        gamma, 1.05070102, rel_tol=1e-6
    ):
        return _activated(node, x, ops.selu, "selu")
    return x.mapped(lambda v: gamma * (ops.maximum(v, 0) + alpha * ops.expm1(ops.minimum(v, 0))))


@operator("Celu", 12, 28)
def celu(node: Node, x: Tensor) -> Tensor:
    return x.mapped(ops.celu, node["alpha"])


@operator("Gelu", 20)
def gelu(node: Node, x: Tensor) -> Tensor:
    return x.mapped(ops.gelu, node["approximate"] == "tanh")


@operator("Mish", 18, 22)
def mish(node: Node, x: Tensor) -> Tensor:
    return _activated(node, x, ops.mish, "mish")


@operator("HardSwish", 14, 22)
def hard_swish(node: Node, x: Tensor) -> Tensor:
    return x.mapped(ops.hard_silu)


@operator("Swish", 24)
def swish(node: Node, x: Tensor) -> Tensor:
    return x.mapped(lambda v: v * ops.sigmoid(v * node["alpha"]))


@operator("HardSigmoid", 6, 22)
def hard_sigmoid(node: Node, x: Tensor) -> Tensor:
    alpha, beta = node["alpha"], node["beta"]
    if math.isclose(alpha, 1 / 6, rel_tol=1e-4) and beta == 0.5 and alpha == np.float32(1 / 6):
        return _activated(node, x, ops.hard_sigmoid, "hard_sigmoid")
    return x.mapped(lambda v: ops.clip(v * alpha + beta, 0.0, 1.0))


@operator("ThresholdedRelu", 10, 22)
def thresholded_relu(node: Node, x: Tensor) -> Tensor:
    return x.mapped(ops.threshold, node["alpha"], 0.0)


@operator("Shrink", 9)
def shrink(node: Node, x: Tensor) -> Tensor:
    bias, limit = node["bias"], node["lambd"]

    def shrunk(v: Any) -> Any:
        zero = ops.zeros_like(v) if not isinstance(v, SymbolicTensor) else v * 0
        return ops.where(v < -limit, v + bias, ops.where(v > limit, v - bias, zero))

    return x.mapped(shrunk)


# ------------------------------------------------------------------------------------------ softmax


@operator("Softmax", 13)
def softmax(node: Node, x: Tensor) -> Tensor:
    return _along_axis(node, x, ops.softmax)


@operator("LogSoftmax", 13)
def log_softmax(node: Node, x: Tensor) -> Tensor:
    return _along_axis(node, x, ops.log_softmax)


@operator("Hardmax", 13)
def hardmax(node: Node, x: Tensor) -> Tensor:
    return _along_axis(node, x, _first_maximum)


def _first_maximum(x: Any, axis: int) -> Any:
    """1 at the first maximum along `axis`, else 0."""
    hot = ops.one_hot(ops.argmax(x, axis), x.shape[axis], axis)
    return ops.cast(hot, np.dtype(x.dtype).name)


def _along_axis(node: Node, x: Tensor, function: Any) -> Tensor:
    return x.mapped(function, axis=x.axis(node["axis"]))


@operator("Softmax", 1, 11)
def softmax_of_rows(node: Node, x: Tensor) -> Tensor:
    return _of_rows(node, x, ops.softmax)


@operator("LogSoftmax", 1, 11)
def log_softmax_of_rows(node: Node, x: Tensor) -> Tensor:
    return _of_rows(node, x, ops.log_softmax)


@operator("Hardmax", 1, 11)
def hardmax_of_rows(node: Node, x: Tensor) -> Tensor:
    return _of_rows(node, x, _first_maximum)


def _of_rows(node: Node, x: Tensor, function: Any) -> Tensor:
    """Older versions see a matrix: the axes before `axis` are rows, all others columns."""
    axis = node["axis"] % max(x.rank, 1)
    if all(n == 1 for n in x.shape[axis + 1 :]):
        return x.mapped(function, axis=x.axis(axis))
    if all(n == 1 for a, n in enumerate(x.shape) if a >= axis and a != x.rank - 1):
        return x.mapped(function, axis=x.axis(x.rank - 1))
    columns, shape = math.prod(x.sizes(axis)), list(x.shape)
    rows = function(ops.reshape(x.plain, (-1, columns)), axis=-1)
    if shape[:1] == [None]:
        shape[0] = -1
    return Tensor.of(ops.reshape(rows, tuple(shape)))
