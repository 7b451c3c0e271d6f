"""Arithmetic, comparisons, logic and functions of single elements, with broadcasting."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import numpy as np

from fastconv import ops
from fastconv.onnx.nodes import Node
from fastconv.onnx.operators.constants import dtype_of
from fastconv.onnx.registry import operator
from fastconv.onnx.sizes import Varying, case_shapes, repeated_once
from fastconv.onnx.tensor import Tensor, aligned


def combined(function: Callable[..., Any], *tensors: Tensor) -> Tensor:
    """Return a function of several tensors with broadcasting."""
    values, leader = aligned(*_broadcast(tensors))
    return Tensor(function(*values), leader.order, leader.columns)


def _broadcast(tensors: Sequence[Tensor]) -> Sequence[Tensor]:
    """Return the tensors with constants of open sizes, where the others have these sizes already,
    as constants that are broadcast."""
    if not any(isinstance(x.value, Varying) for x in tensors):
        return tensors
    shapes = [case_shapes(x) for x in tensors if not x.is_constant]
    found = [repeated_once(x) for x in tensors]
    for x, once in zip(tensors, found, strict=True):
        if x is not once and not any(_has_sizes(shape, x.value) for shape in shapes):
            return tensors
    return found


def _has_sizes(shapes: Sequence[tuple[int, ...]], constant: Varying) -> bool:
    """Whether the last axes of `shapes` are those of the constant, in all cases."""
    return all(
        shape[len(shape) - case.ndim :] == case.shape
        for shape, case in zip(shapes, constant.cases, strict=True)
    )


_UNARY: list[tuple[str, tuple[int, ...], Callable[..., Any]]] = [
    ("Abs", (6, 13), ops.abs),
    ("Acos", (7, 22), ops.arccos),
    ("Acosh", (9, 22), ops.arccosh),
    ("Asin", (7, 22), ops.arcsin),
    ("Asinh", (9, 22), ops.arcsinh),
    ("Atan", (7, 22), ops.arctan),
    ("Atanh", (9, 22), ops.arctanh),
    ("Ceil", (6, 13), ops.ceil),
    ("Cos", (7, 22), ops.cos),
    ("Cosh", (9, 22), ops.cosh),
    ("Erf", (9, 13), ops.erf),
    ("Exp", (6, 13), ops.exp),
    ("Floor", (6, 13), ops.floor),
    ("IsNaN", (9, 13, 20), ops.isnan),
    ("Log", (6, 13), ops.log),
    ("Neg", (6, 13), ops.negative),
    ("Not", (1,), ops.logical_not),
    ("Reciprocal", (6, 13), ops.reciprocal),
    ("Round", (11, 22), ops.round),
    ("Sign", (9, 13), ops.sign),
    ("Sin", (7, 22), ops.sin),
    ("Sinh", (9, 22), ops.sinh),
    ("Sqrt", (6, 13), ops.sqrt),
    ("Tan", (7, 22), ops.tan),
]

_BINARY: list[tuple[str, tuple[int, ...], Callable[..., Any]]] = [
    ("Add", (6, 7, 13, 14), ops.add),
    ("And", (1, 7), ops.logical_and),
    ("Equal", (1, 7, 11, 13, 19), ops.equal),
    ("Greater", (1, 7, 9, 13), ops.greater),
    ("GreaterOrEqual", (12, 16), ops.greater_equal),
    ("Less", (1, 7, 9, 13), ops.less),
    ("LessOrEqual", (12, 16), ops.less_equal),
    ("Mul", (6, 7, 13, 14), ops.multiply),
    ("Or", (1, 7), ops.logical_or),
    ("Sub", (6, 7, 13, 14), ops.subtract),
    ("Xor", (1, 7), ops.logical_xor),
]


def _unary(function: Callable[..., Any]) -> Callable[..., Tensor]:
    return lambda node, x: x.mapped(function)


def _binary(function: Callable[..., Any]) -> Callable[..., Tensor]:
    return lambda node, a, b: combined(function, a, _placed(node, a, b))


def _placed(node: Node, a: Tensor, b: Tensor) -> Tensor:
    """Before opset 7, an attribute `axis` says where the axes of `b` begin among those of `a`."""
    if node["axis"] is None or not b.rank:
        return b
    after = a.rank - node["axis"] % a.rank - b.rank
    if after < 0:
        raise ValueError(f"`axis`={node['axis']} does not fit shapes {a.shape} and {b.shape}")
    shape = tuple(-1 if n is None else n for n in b.shape)
    return Tensor.of(ops.reshape(b.plain, (*shape, *(1,) * after)))


for _name, _versions, _function in _UNARY:
    operator(_name, *_versions)(_unary(_function))
for _name, _versions, _function in _BINARY:
    operator(_name, *_versions)(_binary(_function))


@operator("Div", 6, 7, 13, 14)
def div(node: Node, a: Tensor, b: Tensor) -> Tensor:
    function = ops.divide if a.dtype.kind == "f" else _truncated_quotient
    return combined(function, a, _placed(node, a, b))


def _truncated_quotient(a: Any, b: Any) -> Any:
    """a / b of integers, rounded towards 0."""
    quotient = ops.floor_divide(a, b)
    rest = ops.subtract(a, ops.multiply(quotient, b))
    up = ops.logical_and(ops.not_equal(rest, 0), ops.less(quotient, 0))
    return ops.where(up, ops.add(quotient, 1), quotient)


@operator("Mod", 10, 13, 28)
def mod(node: Node, a: Tensor, b: Tensor) -> Tensor:
    return combined(_rest_of_truncation if node["fmod"] else ops.mod, a, b)


def _rest_of_truncation(a: Any, b: Any) -> Any:
    """The rest of a / b with the sign of a, as C's fmod."""
    rest = ops.mod(ops.abs(a), ops.abs(b))
    return ops.where(ops.less(a, 0), ops.negative(rest), rest)


@operator("Pow", 1, 7, 12, 13, 15)
def pow_(node: Node, a: Tensor, b: Tensor) -> Tensor:
    b = _placed(node, a, b)
    if b.is_constant and not a.is_constant and b.value.size == 1 and b.value.reshape(()) == 2:
        return a.mapped(ops.square)
    if a.dtype != b.dtype:
        return combined(lambda x, y: ops.cast(_power(x, y), a.dtype.name), a, b)
    return combined(ops.power, a, b)


def _power(a: Any, b: Any) -> Any:
    return ops.power(ops.cast(a, "float64"), ops.cast(b, "float64"))


def _folded(function: Callable[..., Any]) -> Callable[..., Tensor]:
    def combine(node: Node, *tensors: Tensor) -> Tensor:
        return combined(lambda *values: reduce(function, values), *tensors)

    return combine


operator("Sum", 6, 8, 13)(_folded(ops.add))
operator("Max", 6, 8, 12, 13)(_folded(ops.maximum))
operator("Min", 6, 8, 12, 13)(_folded(ops.minimum))


@operator("Mean", 6, 8, 13)
def mean(node: Node, *tensors: Tensor) -> Tensor:
    return combined(lambda *values: reduce(ops.add, values) / len(values), *tensors)


@operator("Where", 9, 16)
def where(node: Node, condition: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return combined(ops.where, condition, a, b)


@operator("Cast", 6, 9, 13, 19, 21, 23, 24, 25, 28)
def cast(node: Node, x: Tensor) -> Tensor:
    dtype = dtype_of(node["to"])
    return x if x.dtype == dtype else x.mapped(ops.cast, dtype.name)


@operator("CastLike", 15, 19, 21, 23, 24, 25)
def cast_like(node: Node, x: Tensor, like: Tensor) -> Tensor:
    return x if x.dtype == like.dtype else x.mapped(ops.cast, like.dtype.name)


@operator("Identity", 1, 13, 14, 16, 19, 21, 23, 24, 25)
def identity(node: Node, x: Tensor) -> Tensor:
    return x


@operator("IsInf", 10, 20)
def is_inf(node: Node, x: Tensor) -> Tensor:
    found = x.mapped(ops.isinf)
    if not node["detect_positive"]:
        return combined(ops.logical_and, found, x.mapped(lambda v: ops.less(v, 0)))
    if not node["detect_negative"]:
        return combined(ops.logical_and, found, x.mapped(lambda v: ops.greater(v, 0)))
    return found


@operator("Clip", 6)
def clip_by_attributes(node: Node, x: Tensor) -> Tensor:
    return _clipped(x, node["min"], node["max"])


@operator("Clip", 11, 12, 13)
def clip(node: Node, x: Tensor, low: Tensor | None = None, high: Tensor | None = None) -> Tensor:
    limits = [limit for limit in (low, high) if limit is not None]
    if x.is_constant or not all(isinstance(limit.value, np.ndarray) for limit in limits):
        x = x if low is None else combined(ops.maximum, x, low)
        return x if high is None else combined(ops.minimum, x, high)
    numbers = (None if n is None else n.array.reshape(()).item() for n in (low, high))
    return _clipped(x, *numbers)


def _clipped(x: Tensor, low: float | None, high: float | None) -> Tensor:
    if low == 0 and x.dtype == np.float32:
        if high is None or high > 1e30:
            return x.mapped(ops.relu)
        if high == 6:
            return x.mapped(ops.relu6)
    if low is not None and high is not None:
        return x.mapped(ops.clip, low, high)
    x = x if low is None else x.mapped(ops.maximum, low)
    return x if high is None else x.mapped(ops.minimum, high)
