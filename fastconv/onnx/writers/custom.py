"""Layers that compute in NumPy: one writer per class; those of users are refused by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import TensorProto

from fastconv import layers
from fastconv.onnx.writing import Value, Writer, writes
from fastconv.plan import operations


@writes(operations.Custom)
def custom(writer: Writer, operation: operations.Custom, x: Value) -> Value:
    layer = operation.layer
    if type(layer) not in _WRITERS:
        raise ValueError(f"layer {layer.name!r} cannot be written as ONNX: it computes in NumPy")
    name = _WRITERS[type(layer)](writer, layer, writer.plain(x))
    return Value(name, (None, *operation.shape))


def _auto_contrast(writer: Writer, layer: layers.AutoContrast, x: str) -> str:
    """(x - low) 255 / (high - low), mapped to the range of values, where low < high."""
    node, axes = writer.node, writer.integers([1, 2])
    low, high = (node(op, x, axes, keepdims=1) for op in ("ReduceMin", "ReduceMax"))
    differs = node("Greater", high, low)
    size = node("Where", differs, node("Sub", high, low), writer.number(1))
    scale = node("Div", writer.number(255), size)
    y = node("Mul", node("Sub", x, low), scale)
    y = node("Clip", y, writer.number(0), writer.number(255))
    start, end = layer.value_range
    if (start, end) != (0, 255):
        y = node("Mul", y, writer.number((end - start) / 255))
        y = node("Add", y, writer.number(start))
    return node("Where", differs, y, x)


def _category_encoding(writer: Writer, layer: layers.CategoryEncoding, x: str) -> str:
    """Whether, or how often, a class is among the numbers of the last axis, or is each of them."""
    node, last = writer.node, writer.integers([-1])
    numbers = writer.constant(np.arange(layer.num_tokens))
    spread = node("Unsqueeze", node("Cast", x, to=TensorProto.INT64), last)
    hot = node("Cast", node("Equal", spread, numbers), to=TensorProto.FLOAT)
    if len(layer.compute_output_shape(layer.input_shape)) > len(layer.input_shape):
        return hot
    op = "ReduceSum" if layer.output_mode == "count" else "ReduceMax"
    return node(op, hot, writer.integers([-2]), keepdims=0)


_WRITERS: dict[type, Callable[[Writer, Any, str], str]] = {
    layers.AutoContrast: _auto_contrast,
    layers.CategoryEncoding: _category_encoding,
}
