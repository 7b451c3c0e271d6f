"""Activations and the softmax."""

from __future__ import annotations

import math

from fastconv.onnx.writing import Value, Writer, writes
from fastconv.plan import operations

# kind -> operator without attributes
_PLAIN = {
    "relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh", "selu": "Selu", "exponential": "Exp",
    "softplus": "Softplus", "softsign": "Softsign", "gelu": "Gelu", "hard_silu": "HardSwish",
    "mish": "Mish", "linear": "Identity",
}  # fmt: skip


def activation(writer: Writer, name: str, kind: str, parameters: tuple[float, float, float]) -> str:
    """Write an activation of the value `name` and return the name of its result."""
    slope, most, threshold = parameters
    if kind in _PLAIN:
        return writer.node(_PLAIN[kind], name)
    if kind == "leaky_relu":
        return writer.node("LeakyRelu", name, alpha=slope)
    if kind == "elu":
        return writer.node("Elu", name, alpha=slope)
    if kind == "clipped_relu":
        return writer.node("Clip", name, writer.number(0), writer.number(slope))
    if kind == "hard_sigmoid":
        return writer.node("HardSigmoid", name, alpha=1 / 6, beta=0.5)
    if kind == "gelu_tanh":
        return writer.node("Gelu", name, approximate="tanh")
    if kind == "silu":
        return writer.node("Mul", name, writer.node("Sigmoid", name))
    if kind == "bounded_relu":
        return _bounded(writer, name, slope, most, threshold)
    raise ValueError(f"the activation {kind!r} cannot be written")


def _bounded(writer: Writer, name: str, slope: float, most: float, threshold: float) -> str:
    """min(x, most) where x > threshold, else slope * (x - threshold)"""
    high = name if math.isinf(most) else writer.node("Min", name, writer.number(most))
    low = writer.node(
        "Mul", writer.node("Sub", name, writer.number(threshold)), writer.number(slope)
    )
    return writer.node("Where", writer.node("Greater", name, writer.number(threshold)), high, low)


def write_activation(writer: Writer, operation: operations.Activation, x: Value) -> Value:
    first = x.is_first
    name = activation(writer, x.names[first], operation.kind, operation.parameters)
    return Value(name, x.shape, x.dtype, first)


writes(operations.Activation)(write_activation)


@writes(operations.Softmax)
def softmax(writer: Writer, operation: operations.Softmax, x: Value) -> Value:
    op = "LogSoftmax" if operation.log else "Softmax"
    return writer.same(x, op, axis=1 if x.is_first else -1)
