"""Products of matrices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastconv import layers, ops
from fastconv.onnx.layering import are_weights, called, is_batch, layer_name
from fastconv.onnx.nodes import Node
from fastconv.onnx.registry import operator
from fastconv.onnx.tensor import Tensor, plain_order

_BLOCK = 64  # columns that are moved at once


@operator("Gemm", 6, 7, 9, 11, 13)
def gemm(node: Node, a: Tensor, b: Tensor, c: Tensor | None = None) -> Tensor:
    alpha, beta = node["alpha"], node["beta"]
    if is_batch(a) and not node["transA"] and are_weights(b, c) and _is_bias(c, b, node):
        kernel = b.array.T if node["transB"] else b.array
        bias = None if c is None else np.broadcast_to(beta * c.array, (1, kernel.shape[1]))[0]
        kernel = kernel if alpha == 1 else alpha * kernel
        return _dense(node, a, kernel, bias, [b, c], (alpha, beta, node["transB"]))
    left = ops.swapaxes(a.plain, 0, 1) if node["transA"] else a.plain
    right = ops.swapaxes(b.plain, 0, 1) if node["transB"] else b.plain
    y = ops.matmul(left, right)
    y = y if alpha == 1 else _scaled(y, alpha, a)
    return Tensor.of(y if c is None else y + _scaled(c.plain, beta, a))


def _scaled(value: Any, factor: float, like: Tensor) -> Any:
    return value if factor == 1 else value * like.dtype.type(factor)


def _is_bias(c: Tensor | None, b: Tensor, node: Node) -> bool:
    if c is None:
        return True
    return c.rank < 2 or c.shape[0] == 1


def _dense(
    node: Node,
    x: Tensor,
    kernel: np.ndarray,
    bias: np.ndarray | None,
    constants: Sequence[Tensor | None],
    arranged: tuple[Any, ...] = (),
) -> Tensor:
    """The layer; its rows follow the order of flattened images in memory."""
    columns = x.columns
    if columns is not None and len(columns) != len(kernel):
        raise ValueError(f"expected {len(columns)} rows, received {kernel.shape}")
    value = x.value if columns is not None else x.plain
    layer = layers.Dense(kernel.shape[1], use_bias=bias is not None, name=layer_name(node))
    weights = [kernel] if bias is None else [kernel, bias]
    y = called(layer, value, weights, constants if columns is None else [], arranged)
    if columns is not None:
        _move_rows(layer.weights[0]._live, columns)
    return Tensor.of(y)


def _move_rows(kernel: np.ndarray, columns: np.ndarray) -> None:
    """Make row columns[j] row j, in place: the first matrix is often most of a network."""
    for start in range(0, kernel.shape[1], _BLOCK):
        block = kernel[:, start : start + _BLOCK]
        block[...] = block[columns]


@operator("MatMul", 1, 9, 13)
def matmul(node: Node, a: Tensor, b: Tensor) -> Tensor:
    if not (is_batch(a) and are_weights(b) and b.rank == 2 and a.rank > 1):
        return Tensor.of(ops.matmul(a.plain, b.plain))
    if a.order == plain_order(a.rank):
        return _dense(node, a, b.array, None, [b])
    if a.order[-1] == a.rank - 1:  # the vectors are rows of memory, too
        y = _dense(node, Tensor.of(a.value), b.array, None, [b])
        return Tensor(y.value, a.order)
    return _dense(node, Tensor.of(a.plain), b.array, None, [b])


@operator("Einsum", 12)
def einsum(node: Node, *operands: Tensor) -> Tensor:
    return Tensor.of(ops.einsum(node["equation"], *(x.plain for x in operands)))
