"""Operators that make values from attributes, shapes or numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import helper

from fastconv.onnx.nodes import TYPES, Node, type_name
from fastconv.onnx.registry import operator
from fastconv.onnx.sizes import case_shapes, joined
from fastconv.onnx.tensor import Tensor

_MOST_BYTES = 2**28  # of a constant that a few numbers describe


def dtype_of(number: int) -> np.dtype:
    """Return the dtype of a type of elements; ValueError for one that arrays do not have."""
    if number not in TYPES:
        raise ValueError(f"elements of type {type_name(number)} are not supported")
    return np.dtype(helper.tensor_dtype_to_np_dtype(number))


def check_bytes(shape: Sequence[int], dtype: Any) -> None:
    """Check the size of a constant before it is created; ValueError if it is too large."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if any(n < 0 for n in shape) or size > _MOST_BYTES:
        raise ValueError(
            f"a constant of shape {tuple(shape)} is too large: at most {_MOST_BYTES} bytes"
        )


@operator("Constant", 1, 9, 11, 12, 13, 19, 21, 23, 24, 25)
def constant(node: Node) -> Tensor:
    for name, dtype in (
        ("value_float", np.float32), ("value_floats", np.float32),
        ("value_int", np.int64), ("value_ints", np.int64),
    ):  # fmt: skip
        if node.has(name):
            return Tensor.of(np.array(node[name], dtype))
    if not isinstance(node["value"], np.ndarray):
        raise ValueError("the value must be numbers, received text or a sparse tensor")
    return Tensor.of(node["value"])


@operator("ConstantOfShape", 9, 20, 21, 23, 24, 25)
def constant_of_shape(node: Node, shape: Tensor) -> Tensor:
    sizes, value = shape.integers(), node["value"]
    value = np.zeros(1, np.float32) if value is None else value
    check_bytes(sizes, value.dtype)
    return Tensor.of(np.full(sizes, value.reshape(-1)[0], value.dtype))


@operator("Shape", 1, 13, 15, 19, 21, 23, 24, 25)
def shape(node: Node, x: Tensor) -> Tensor:
    part = slice(node["start"] or 0, node["end"])
    cases = [np.array(sizes, np.int64)[part] for sizes in case_shapes(x)]
    return Tensor.of_value(joined(cases))


@operator("Size", 1, 13, 19, 21, 23, 24, 25)
def size(node: Node, x: Tensor) -> Tensor:
    return Tensor.of_value(joined([np.array(math.prod(n), np.int64) for n in case_shapes(x)]))


@operator("Range", 11, 27)
def range_(node: Node, start: Tensor, limit: Tensor, delta: Tensor) -> Tensor:
    first, end, step = (x.array.reshape(()).item() for x in (start, limit, delta))
    steps = max(0, math.ceil((end - first) / step))
    check_bytes([steps], start.dtype)
    return Tensor.of((first + np.arange(steps) * step).astype(start.dtype))


@operator("EyeLike", 9, 22)
def eye_like(node: Node, x: Tensor) -> Tensor:
    dtype = x.dtype if node["dtype"] is None else dtype_of(node["dtype"])
    if x.rank != 2:
        raise ValueError(f"expected a matrix, received shape {x.shape}")
    rows, columns = x.sizes()
    check_bytes((rows, columns), dtype)
    return Tensor.of(np.eye(rows, columns, node["k"], dtype))
