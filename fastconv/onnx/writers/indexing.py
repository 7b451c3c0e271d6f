"""Functions of `fastconv.ops`: elements by position, order, classes as vectors, triangles."""

from __future__ import annotations

import numpy as np

from fastconv.onnx.writers.calls import Call, writes_function


@writes_function("take")
def _take(call: Call) -> str:
    name, axis, _ = call.along()
    return call.node("Gather", name, call.name(call["indices"], np.int64), axis=axis)


@writes_function("take_along_axis")
def _take_along_axis(call: Call) -> str:
    indices = call.name(call["indices"], np.int64)
    if call["axis"] is None:
        flat = call.node("Reshape", indices, call.writer.integers([-1]))
        return call.node("Gather", call.flat(), flat, axis=0)
    (axis,) = call.axes()
    whole, chosen = call.shape("x"), call.shape("indices")
    names = [call.x, indices]
    others = [a for a in range(len(whole)) if a != axis]
    if any(whole[a] != chosen[a] for a in others):
        raise call.refuse(f"shapes {whole} and {chosen} differ along more than axis {axis}")
    return call.node("GatherElements", *names, axis=axis)


@writes_function("sort", "argsort")
def _sort(call: Call) -> str:
    name, axis, size = call.along()
    if size is None:
        count = call.node("Shape", name, start=axis, end=axis + 1)
    else:
        count = call.writer.integers([size])
    dtype = call.common
    if dtype is not None and dtype.kind == "b":
        name = call.cast(name, np.int32)
    values, indices = call.ordered(name, axis, count, largest=False)
    if call.function == "argsort":
        return call.as_result(indices, np.int64)
    return call.cast(values, dtype) if dtype is not None and dtype.kind == "b" else values


@writes_function("top_k")
def _top_k(call: Call) -> str:
    count = call.writer.integers([call["k"]])
    values, indices = call.ordered(call.x, -1, count, largest=True)
    return values if call.operation.index == 0 else call.as_result(indices, np.int64)


@writes_function("in_top_k")
def _in_top_k(call: Call) -> str:
    predictions, last = call.name(call["predictions"]), call.writer.integers([-1])
    places = call.node("Unsqueeze", call.name(call["targets"], np.int64), last)
    chosen = call.node("GatherElements", predictions, places, axis=1)
    better = call.cast(call.node("Greater", predictions, chosen), np.int64)
    count = call.node("ReduceSum", better, last, keepdims=0)
    return call.node("Less", count, call.writer.constant(np.int64(call["k"])))


def _equals_class(call: Call, name: str, axis: int, rank: int) -> str:
    """Write whether integers of `rank` axes equal each class number, along a new `axis`."""
    numbers = np.arange(call["num_classes"]).reshape(-1, *(1,) * (rank - axis))
    spread = call.node("Unsqueeze", name, call.writer.integers([axis]))
    return call.node("Equal", spread, call.writer.constant(numbers))


@writes_function("one_hot")
def _one_hot(call: Call) -> str:
    """OneHot of ONNX counts negative numbers from the end; here they belong to no class."""
    rank = len(call.shape("x"))
    x = call.name(call["x"], np.int64)
    hot = _equals_class(call, x, call["axis"] % (rank + 1), rank)
    return call.as_result(hot, np.bool_)


@writes_function("multi_hot")
def _multi_hot(call: Call) -> str:
    rank = len(call.shape("inputs"))
    hot = _equals_class(call, call.name(call["inputs"], np.int64), rank, rank)
    axis = call.writer.integers([1 if rank > 1 else 0])
    some = call.node("ReduceMax", call.cast(hot, np.int32), axis, keepdims=0)
    some, rank = call.as_result(some, np.int32), max(1, rank)
    place = call["axis"] % rank
    order = list(range(rank - 1))
    order.insert(place, rank - 1)
    return some if place == rank - 1 else call.node("Transpose", some, perm=order)


@writes_function("tril", "triu")
def _triangle(call: Call) -> str:
    diagonal = call.writer.constant(np.int64(call["k"]))
    return call.node("Trilu", call.x, diagonal, upper=int(call.function == "triu"))
