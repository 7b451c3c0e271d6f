"""Quantized tensors: integers of 8 to 32 bits with a scale and a zero point.

Products of integers are summed in float64 for arrays, which is exact, and in float32 in a graph of
layers, exact up to 2^24.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv import ops
from fastconv.onnx.layering import is_batch
from fastconv.onnx.nodes import Node
from fastconv.onnx.operators.constants import dtype_of
from fastconv.onnx.operators.convolution import convolved
from fastconv.onnx.registry import operator
from fastconv.onnx.tensor import Tensor, channels_last, permuted
from fastconv.onnx.windows import window_of


def _along(parameter: Tensor, x: Tensor, axis: int, block: int) -> Any:
    """Return scales or zero points in a shape that is broadcast to `x`, in its order."""
    value = parameter.plain
    if parameter.value.size == 1:
        return ops.reshape(value, (1,) * x.rank)
    if parameter.rank == 1 and x.rank > 0:
        shape = tuple(-1 if a == axis % x.rank else 1 for a in range(x.rank))
        return permuted(ops.reshape(value, shape), x.order)
    if block:
        value = ops.repeat(value, block, axis)
        value = ops.get_item(value, (slice(None),) * axis + (slice(0, x.shape[axis]),))
    return permuted(value, x.order)


def _rounded(value: Any, dtype: np.dtype) -> Any:
    """Round half to even, limited to the range of integers of `dtype`."""
    limits = np.iinfo(dtype)
    kind = np.dtype(value.dtype).type
    return ops.cast(ops.clip(ops.round(value), kind(limits.min), kind(limits.max)), dtype.name)


@operator("QuantizeLinear", 10)
@operator("QuantizeLinear", 13)
@operator("QuantizeLinear", 19, 21, 23, 24, 25, 28)
def quantize_linear(node: Node, x: Tensor, scale: Tensor, zero: Tensor | None = None) -> Tensor:
    axis, block = _axis(node, x), node["block_size"] or 0
    dtype = zero.dtype if zero is not None else dtype_of(node["output_dtype"] or 2)
    kind = "float32" if is_batch(x) else "float64"
    if not x.is_constant or x.dtype != np.float32:
        quotient = ops.cast(x.value, kind) / ops.cast(_along(scale, x, axis, block), kind)
    else:
        quotient = x.value / _along(scale, x, axis, block)
    y = ops.round(quotient)
    if zero is not None:
        y = ops.cast(y, kind) + ops.cast(_along(zero, x, axis, block), kind)
    return Tensor(_rounded(y, dtype), x.order)


@operator("DequantizeLinear", 10)
@operator("DequantizeLinear", 13)
@operator("DequantizeLinear", 19, 21, 23, 24, 25, 28)
def dequantize_linear(node: Node, x: Tensor, scale: Tensor, zero: Tensor | None = None) -> Tensor:
    axis, block = _axis(node, x), node["block_size"] or 0
    y = ops.cast(x.value, "float32")
    if zero is not None:
        y = y - ops.cast(_along(zero, x, axis, block), "float32")
    return Tensor(y * _along(scale, x, axis, block), x.order)


def _axis(node: Node, x: Tensor) -> int:
    return (1 if node["axis"] is None else node["axis"]) % max(x.rank, 1)


@operator("DynamicQuantizeLinear", 11)
def dynamic_quantize_linear(node: Node, x: Tensor) -> list[Tensor]:
    high = ops.maximum(ops.max(x.plain), np.float32(0))
    low = ops.minimum(ops.min(x.plain), np.float32(0))
    scale = (high - low) / np.float32(255)
    zero = _rounded(ops.clip(ops.negative(low) / scale, 0.0, 255.0), np.dtype(np.uint8))
    y = _rounded(ops.round(x.plain / scale) + ops.cast(zero, "float32"), np.dtype(np.uint8))
    return [Tensor.of(y), Tensor.of(scale), Tensor.of(zero)]


def _centred(x: Tensor, zero: Tensor | None, axis: int, kind: str) -> Any:
    """Return the integers minus their zero point, as floats, in the order of memory."""
    value = ops.cast(x.value, kind)
    return value if zero is None else value - ops.cast(_along(zero, x, axis, 0), kind)


def _kind(x: Tensor) -> str:
    return "float64" if x.is_constant else "float32"


def _convolved(node: Node, x: Tensor, xz: Tensor | None, w: Tensor, wz: Tensor | None) -> Any:
    kind = _kind(x)
    image = Tensor(_centred(x, xz, 1, kind), x.order)
    kernel = permuted(Tensor(_centred(w, wz, 0, kind), w.order).plain, (*range(2, w.rank), 1, 0))
    return convolved(image.image, kernel, window_of(node, x, w.sizes(2)))


@operator("ConvInteger", 10)
def conv_integer(
    node: Node, x: Tensor, w: Tensor, xz: Tensor | None = None, wz: Tensor | None = None
) -> Tensor:
    y = _convolved(node, x, xz, w, wz)
    return Tensor.of(ops.cast(y, "int32"), channels_last(x.rank))


@operator("QLinearConv", 10)
def qlinear_conv(
    node: Node, x: Tensor, xs: Tensor, xz: Tensor, w: Tensor, ws: Tensor, wz: Tensor,
    ys: Tensor, yz: Tensor, b: Tensor | None = None,
) -> Tensor:  # fmt: skip
    y, kind = _convolved(node, x, xz, w, wz), _kind(x)
    if b is not None:
        y = y + ops.cast(b.plain, kind)
    scale = ops.cast(xs.plain, kind) * ops.cast(ws.plain, kind) / ops.cast(ys.plain, kind)
    y = ops.round(y * scale) + ops.cast(yz.plain, kind)
    return Tensor.of(_rounded(y, yz.dtype), channels_last(x.rank))


def _product(a: Tensor, az: Tensor | None, b: Tensor, bz: Tensor | None) -> Any:
    kind = _kind(a)
    left = Tensor(_centred(a, az, a.rank - 2, kind), a.order).plain
    right = Tensor(_centred(b, bz, b.rank - 1, kind), b.order).plain
    return ops.matmul(left, right)


@operator("MatMulInteger", 10)
def matmul_integer(
    node: Node, a: Tensor, b: Tensor, az: Tensor | None = None, bz: Tensor | None = None
) -> Tensor:
    return Tensor.of(ops.cast(_product(a, az, b, bz), "int32"))


@operator("QLinearMatMul", 10, 21)
def qlinear_matmul(
    node: Node, a: Tensor, scale_a: Tensor, az: Tensor, b: Tensor, scale_b: Tensor, bz: Tensor,
    scale_y: Tensor, yz: Tensor,
) -> Tensor:  # fmt: skip
    kind = _kind(a)
    scale = ops.cast(scale_a.plain, kind) * ops.cast(scale_b.plain, kind)
    y = ops.round(_product(a, az, b, bz) * (scale / ops.cast(scale_y.plain, kind)))
    return Tensor.of(_rounded(y + ops.cast(yz.plain, kind), yz.dtype))
