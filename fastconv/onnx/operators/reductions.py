"""Reductions along axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastconv import layers, ops
from fastconv.onnx.layering import is_batch, layer_name
from fastconv.onnx.nodes import Node
from fastconv.onnx.operators.arrangement import removed
from fastconv.onnx.registry import operator
from fastconv.onnx.tensor import Tensor


def _norm(x: Any, axis: Any, keepdims: bool) -> Any:
    return ops.sqrt(ops.sum(ops.square(x), axis, keepdims))


def _sum_of_magnitudes(x: Any, axis: Any, keepdims: bool) -> Any:
    return ops.sum(ops.abs(x), axis, keepdims)


def _sum_of_squares(x: Any, axis: Any, keepdims: bool) -> Any:
    return ops.sum(ops.square(x), axis, keepdims)


def _log_of_sum(x: Any, axis: Any, keepdims: bool) -> Any:
    return ops.log(ops.sum(x, axis, keepdims))


# operator -> versions with an attribute `axes`, versions with an input, function
_REDUCTIONS: dict[str, tuple[tuple[int, ...], tuple[int, ...], Callable[..., Any]]] = {
    "ReduceL1": ((1, 11, 13), (18,), _sum_of_magnitudes),
    "ReduceL2": ((1, 11, 13), (18,), _norm),
    "ReduceLogSum": ((1, 11, 13), (18, 28), _log_of_sum),
    "ReduceLogSumExp": ((1, 11, 13), (18, 28), ops.logsumexp),
    "ReduceMax": ((1, 11, 12, 13), (18, 20), ops.max),
    "ReduceMean": ((1, 11, 13), (18,), ops.mean),
    "ReduceMin": ((1, 11, 12, 13), (18, 20), ops.min),
    "ReduceProd": ((1, 11, 13), (18,), ops.prod),
    "ReduceSum": ((1, 11), (13,), ops.sum),
    "ReduceSumSquare": ((1, 11, 13), (18,), _sum_of_squares),
}


def _by_attribute(function: Callable[..., Any]) -> Callable[..., Tensor]:
    return lambda node, x: _reduced(node, x, node["axes"], function)


def _by_input(function: Callable[..., Any]) -> Callable[..., Tensor]:
    def reduce_by_input(node: Node, x: Tensor, axes: Tensor | None = None) -> Tensor:
        given = None if axes is None else axes.integers()
        if not given and node["noop_with_empty_axes"]:
            return _reduced(node, x, [], function)
        return _reduced(node, x, given or None, function)

    return reduce_by_input


for _name, (_attributes, _inputs, _function) in _REDUCTIONS.items():
    operator(_name, *_attributes)(_by_attribute(_function))
    operator(_name, *_inputs)(_by_input(_function))


# (operator, rank) -> the layer that reduces all axes between the first and the last
_POOLS: dict[tuple[str, int], Any] = {
    ("ReduceMax", 3): layers.GlobalMaxPooling1D, ("ReduceMax", 4): layers.GlobalMaxPooling2D,
    ("ReduceMean", 3): layers.GlobalAveragePooling1D,
    ("ReduceMean", 4): layers.GlobalAveragePooling2D,
}  # fmt: skip


def _reduced(
    node: Node, x: Tensor, axes: Sequence[int] | None, function: Callable[..., Any]
) -> Tensor:
    x = Tensor.of(x.plain) if x.columns is not None else x
    which = [axis % max(x.rank, 1) for axis in (range(x.rank) if axes is None else axes)]
    places, keep = x.axes(which), bool(node["keepdims"])
    pool = _POOLS.get((node.op, x.rank))
    if pool is not None and is_batch(x) and sorted(places) == list(range(1, x.rank - 1)):
        value = pool(keepdims=keep, name=layer_name(node))(x.value)
        return Tensor(value, x.order if keep else removed(x, which))
    if x.is_constant and not x.value.size:
        value = _of_nothing(node.op, x.value, places, keep)
    else:
        value = function(x.value, places, keep)
    value = value if value.dtype == x.dtype or not x.is_constant else value.astype(x.dtype)
    return Tensor(value, x.order if keep else removed(x, which))


def _of_nothing(op: str, x: np.ndarray, axes: tuple[int, ...], keepdims: bool) -> np.ndarray:
    """Return the reduction of axes of which one is empty: the neutral element."""
    if op in ("ReduceMax", "ReduceMin"):
        largest = op == "ReduceMin"
        if x.dtype.kind == "f":
            initial = np.inf if largest else -np.inf
        elif x.dtype.kind == "b":
            initial = largest
        else:
            initial = np.iinfo(x.dtype).max if largest else np.iinfo(x.dtype).min
        return (np.min if largest else np.max)(x, axes, keepdims=keepdims, initial=initial)
    if op == "ReduceProd":
        return np.prod(x, axes, keepdims=keepdims)
    total = np.sum(x, axes, keepdims=keepdims)
    return np.log(total) if op.startswith("ReduceLog") else total


def _extreme(function: Callable[..., Any]) -> Callable[..., Tensor]:
    def index_of_extreme(node: Node, x: Tensor) -> Tensor:
        x = Tensor.of(x.plain) if x.columns is not None else x
        axis = node["axis"] % max(x.rank, 1)
        place, value = x.axis(axis), x.value
        last = bool(node["select_last_index"])
        found = function(ops.flip(value, place) if last else value, place, bool(node["keepdims"]))
        if last:
            found = value.shape[place] - 1 - found
        order = x.order if node["keepdims"] else removed(x, [axis])
        return Tensor(ops.cast(found, "int64"), order)

    return index_of_extreme


operator("ArgMax", 1, 11, 12, 13)(_extreme(ops.argmax))
operator("ArgMin", 1, 11, 12, 13)(_extreme(ops.argmin))
