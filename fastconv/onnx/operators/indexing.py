"""Elements by position: the largest, cumulative sums."""

from __future__ import annotations

import numpy as np

from fastconv import ops
from fastconv.onnx.nodes import Node
from fastconv.onnx.operators.constants import check_bytes
from fastconv.onnx.registry import operator
from fastconv.onnx.tensor import Tensor, permuted


@operator("TopK", 10)
def top_k_10(node: Node, x: Tensor, k: Tensor) -> list[Tensor]:
    return _largest(x, k, node["axis"], True)


@operator("TopK", 11, 24)
def top_k(node: Node, x: Tensor, k: Tensor) -> list[Tensor]:
    return _largest(x, k, node["axis"], bool(node["largest"]))


def _largest(x: Tensor, k: Tensor, axis: int, largest: bool) -> list[Tensor]:
    place = x.axis(axis)
    others = tuple(a for a in range(x.rank) if a != place)
    there = (*others, place)
    back = tuple(there.index(a) for a in range(x.rank))
    (number,) = k.integers()
    value = permuted(Tensor.of(x.plain).value if x.columns is not None else x.value, there)
    unsigned = x.dtype.kind == "u" and not largest
    value = ops.cast(value, "int64") if unsigned else value
    values, places = ops.top_k(value if largest else ops.negative(value), number)
    values = values if largest else ops.negative(values)
    values = ops.cast(values, x.dtype.name) if unsigned else values
    return [
        Tensor(permuted(values, back), x.order),
        Tensor(permuted(ops.cast(places, "int64"), back), x.order),
    ]


@operator("GatherElements", 11, 13)
def gather_elements(node: Node, x: Tensor, indices: Tensor) -> Tensor:
    """An axis other than that of the indices is used from its start, as far as they reach."""
    axis = node["axis"] % x.rank
    key = tuple(
        slice(None) if place == axis or n is None or n == m else slice(n)
        for place, (m, n) in enumerate(zip(x.shape, indices.shape, strict=True))
    )
    value = x.plain if key == (slice(None),) * x.rank else ops.get_item(x.plain, key)
    return Tensor.of(ops.take_along_axis(value, indices.plain, axis))


@operator("CumSum", 11, 14)
def cum_sum(node: Node, x: Tensor, axis: Tensor) -> Tensor:
    (along,) = axis.integers()
    place = x.axis(along)
    value = ops.flip(x.value, place) if node["reverse"] else x.value
    total = ops.cumsum(value, place)
    if node["exclusive"]:
        total = total - value
    return Tensor(ops.flip(total, place) if node["reverse"] else total, x.order)


@operator("OneHot", 9, 11, 28)
def one_hot(node: Node, indices: Tensor, depth: Tensor, values: Tensor) -> Tensor:
    count = int(depth.array.reshape(()))
    off, on = values.array
    rank = indices.rank + 1
    axis = node["axis"] % rank
    if indices.is_constant:
        check_bytes((*indices.sizes(), count), np.int64)
    number = ops.mod(ops.cast(indices.plain, "int64"), count)
    inside = ops.logical_and(indices.plain >= -count, indices.plain < count)
    number = ops.where(inside, number, -1)
    hot = ops.cast(ops.one_hot(number, count, axis), "bool")
    y = ops.where(hot, on, off)
    return Tensor.of(ops.cast(y, dtype_name(values)))


def dtype_name(x: Tensor) -> str:
    return x.dtype.name


@operator("Trilu", 14)
def trilu(node: Node, x: Tensor, k: Tensor | None = None) -> Tensor:
    diagonal = 0 if k is None else int(k.array.reshape(()))
    return Tensor.of((ops.triu if node["upper"] else ops.tril)(x.plain, diagonal))
