"""Operations of layers."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.onnx.writing import Value, Writer, first_axes, last_axes, writes
from fastconv.parameters import Variable
from fastconv.plan import operations
from fastconv.resampling import AxisMap


def _pads(padding: Any) -> list[int]:
    (top, bottom), (left, right) = padding
    return [top, left, bottom, right]


@writes(operations.Convolution)
def convolution(writer: Writer, operation: operations.Convolution, x: Value) -> Value:
    g = operation.geometry
    kernel = np.asarray(operation.kernel).reshape(g.kernel_shape).transpose(3, 2, 0, 1)
    inputs = [writer.first(x), writer.weight(operation.kernel, kernel)]
    if operation.bias is not None:
        inputs.append(writer.weight(operation.bias, np.asarray(operation.bias)))
    name = writer.node(
        "Conv", *inputs, kernel_shape=[g.kernel_h, g.kernel_w], strides=[g.stride_h, g.stride_w],
        dilations=[g.dilation_h, g.dilation_w], pads=_pads(g.padding), group=g.groups,
    )  # fmt: skip
    return Value(name, (None, *g.output_shape[1:]), first=True)


@writes(operations.TransposedConvolution)
def transposed_convolution(
    writer: Writer, operation: operations.TransposedConvolution, x: Value
) -> Value:
    g = operation.geometry  # of the convolution, whose input is the output here
    kernel = np.asarray(operation.kernel).reshape(g.kernel_shape).transpose(3, 2, 0, 1)
    more = [
        size + sum(pads) - ((n - 1) * stride + (k - 1) * rate + 1)
        for size, pads, n, stride, k, rate in zip(
            (g.height, g.width), g.padding, (g.out_h, g.out_w), (g.stride_h, g.stride_w),
            (g.kernel_h, g.kernel_w), (g.dilation_h, g.dilation_w), strict=True,
        )
    ]  # fmt: skip
    (top, bottom), (left, right) = g.padding
    inputs = [writer.first(x), writer.weight(operation.kernel, kernel)]
    if operation.bias is not None:
        inputs.append(writer.weight(operation.bias, np.asarray(operation.bias)))
    name = writer.node(
        "ConvTranspose", *inputs, kernel_shape=[g.kernel_h, g.kernel_w],
        strides=[g.stride_h, g.stride_w], dilations=[g.dilation_h, g.dilation_w],
        pads=[top, left, bottom, right], output_padding=more,
    )  # fmt: skip
    return Value(name, (None, *g.input_shape[1:]), first=True)


@writes(operations.Dense)
def dense(writer: Writer, operation: operations.Dense, x: Value) -> Value:
    kernel, bias = operation.kernel, operation.bias
    w = writer.weight(kernel, np.asarray(kernel))
    b = None if bias is None else writer.weight(bias, np.asarray(bias))
    shape = (*x.shape[:-1], kernel.shape[-1])
    if x.rank == 2:
        return Value(writer.node("Gemm", writer.plain(x), w, *([] if b is None else [b])), shape)
    name = writer.node("MatMul", writer.plain(x), w)
    return Value(name if b is None else writer.node("Add", name, b), shape)


def _vector(writer: Writer, variable: Variable | None, size: int, value: float) -> str:
    """Return the name of a weight as a vector, or of a vector of a constant without one."""
    if variable is None:
        return writer.constant(np.full(size, value, np.float32))
    return writer.weight(variable, np.asarray(variable).reshape(size))


@writes(operations.BatchNormalization)
def batch_normalization(
    writer: Writer, operation: operations.BatchNormalization, x: Value
) -> Value:
    size = operation.moving_mean.size
    name = writer.node(
        "BatchNormalization", writer.first(x), _vector(writer, operation.gamma, size, 1),
        _vector(writer, operation.beta, size, 0), _vector(writer, operation.moving_mean, size, 0),
        _vector(writer, operation.moving_variance, size, 1), epsilon=operation.epsilon,
        momentum=operation.momentum,
    )  # fmt: skip
    return Value(name, x.shape, first=x.rank > 2)


@writes(operations.GroupNormalization)
def group_normalization(
    writer: Writer, operation: operations.GroupNormalization, x: Value
) -> Value:
    channels = x.shape[-1]
    assert channels is not None
    gamma = _vector(writer, operation.gamma, channels, 1)
    beta = _vector(writer, operation.beta, channels, 0)
    settings = {"epsilon": operation.epsilon}
    if operation.groups == channels and x.rank > 2:
        name = writer.node("InstanceNormalization", writer.first(x), gamma, beta, **settings)
        return Value(name, x.shape, first=True)
    name = writer.first(x)
    if x.rank == 2:
        name = writer.node("Unsqueeze", name, writer.integers([2]))
    name = writer.node(
        "GroupNormalization", name, gamma, beta, num_groups=operation.groups, **settings
    )
    if x.rank == 2:
        return Value(writer.node("Squeeze", name, writer.integers([2])), x.shape)
    return Value(name, x.shape, first=True)


@writes(operations.LayerNormalization)
def layer_normalization(
    writer: Writer, operation: operations.LayerNormalization, x: Value
) -> Value:
    axes, name = list(range(-operation.axes, 0)), writer.plain(x)
    if operation.unit:
        square = writer.node("ReduceSumSquare", name, writer.integers(axes))
        size = writer.node("Sqrt", writer.node("Max", square, writer.number(operation.epsilon)))
        return Value(writer.node("Div", name, size), x.shape)
    sizes = tuple(n or 1 for n in x.shape[-operation.axes :])
    gamma, beta = operation.gamma, operation.beta
    scale = np.ones(sizes) if gamma is None else np.asarray(gamma).reshape(sizes)
    inputs = [
        name,
        writer.constant(scale.astype(np.float32), "scale" if gamma is None else gamma.path),
    ]
    if beta is not None:
        inputs.append(writer.weight(beta, np.asarray(beta).reshape(sizes)))
    name = writer.node(
        "LayerNormalization", *inputs, axis=-operation.axes, epsilon=operation.epsilon
    )
    return Value(name, x.shape)


@writes(operations.ResponseNormalization)
def response_normalization(
    writer: Writer, operation: operations.ResponseNormalization, x: Value
) -> Value:
    size = 2 * operation.depth_radius + 1
    name = writer.node(
        "LRN", writer.first(x), size=size, alpha=operation.alpha * size, beta=operation.beta,
        bias=operation.bias,
    )  # fmt: skip
    return Value(name, x.shape, first=x.rank > 2)


@writes(operations.PReLU)
def prelu(writer: Writer, operation: operations.PReLU, x: Value) -> Value:
    alpha = np.asarray(operation.alpha)
    if x.is_first and alpha.ndim == x.rank - 1:
        alpha = np.moveaxis(alpha, -1, 0)
        return writer.same(x, "PRelu", writer.weight(operation.alpha, alpha))
    return Value(
        writer.node("PRelu", writer.plain(x), writer.weight(operation.alpha, alpha)), x.shape
    )


@writes(operations.Pooling)
def pooling(writer: Writer, operation: operations.Pooling, x: Value) -> Value:
    g = operation.geometry
    name = writer.node(
        "MaxPool" if operation.kind == "max" else "AveragePool", writer.first(x),
        kernel_shape=[g.pool_h, g.pool_w], strides=[g.stride_h, g.stride_w], pads=_pads(g.padding),
    )  # fmt: skip
    return Value(name, (None, *g.output_shape[1:]), first=True)


@writes(operations.GlobalPooling)
def global_pooling(writer: Writer, operation: operations.GlobalPooling, x: Value) -> Value:
    shape = (x.shape[0], x.shape[-1])
    if x.rank == 2:
        return Value(writer.plain(x), shape)
    op = "GlobalMaxPool" if operation.kind == "max" else "GlobalAveragePool"
    return Value(writer.node("Flatten", writer.node(op, writer.first(x)), axis=1), shape)


@writes(operations.ScaleShift)
def scale_shift(writer: Writer, operation: operations.ScaleShift, x: Value) -> Value:
    size = x.rank - 2 if x.is_first else 0
    scale, shift = (
        writer.constant(np.array(numbers, np.float32).reshape(-1, *(1,) * size))
        for numbers in (operation.scale, operation.shift)
    )
    return writer.same(writer.same(x, "Mul", scale), "Add", shift)


# ----------------------------------------------------------------------------------------- merging


_MERGES = {
    "add": "Add", "subtract": "Sub", "multiply": "Mul", "maximum": "Max", "minimum": "Min",
    "average": "Mean",
}  # fmt: skip


def _common(writer: Writer, values: tuple[Value, ...]) -> tuple[list[str], bool]:
    """Return the names of values in one order, and whether the channels are in front."""
    first = any(x.is_first for x in values) and len({x.rank for x in values}) == 1
    return [writer.name_in(x, first) for x in values], first


@writes(operations.Merge)
def merge(writer: Writer, operation: operations.Merge, *values: Value) -> Value:
    rank = max(x.rank for x in values)
    names, first = _common(writer, values)
    names = [_raised(writer, name, x, rank) for name, x in zip(names, values, strict=True)]
    shape = tuple(
        next((n for n in sizes if n not in (1, None)), sizes[0])
        for sizes in zip(*((x.shape[0], *(1,) * (rank - x.rank), *x.shape[1:]) for x in values),
                         strict=True)
    )  # fmt: skip
    op = _MERGES[operation.kind]
    if op in ("Mean", "Max", "Min"):
        return Value(writer.node(op, *names), shape, first=first)
    name = names[0]
    for other in names[1:]:
        name = writer.node(op, name, other)
    return Value(name, shape, first=first)


def _raised(writer: Writer, name: str, x: Value, rank: int) -> str:
    """Insert axes of size 1 after the batch."""
    if x.rank == rank:
        return name
    return writer.node("Unsqueeze", name, writer.integers(range(1, rank - x.rank + 1)))


@writes(operations.Concatenate)
def concatenate(writer: Writer, operation: operations.Concatenate, *values: Value) -> Value:
    names, first = _common(writer, values)
    axis, rank = operation.axis, values[0].rank
    sizes = [x.shape[axis] or 0 for x in values]
    shape = (*values[0].shape[:axis], sum(sizes), *values[0].shape[axis + 1 :])
    place = first_axes(rank).index(axis) if first else axis
    return Value(writer.node("Concat", *names, axis=place), shape, first=first)


# -------------------------------------------------------------------------------------- arrangement


@writes(operations.Reshape)
def reshape(writer: Writer, operation: operations.Reshape, x: Value) -> Value:
    shape = (x.shape[0], *operation.shape)
    if shape == x.shape:
        return x
    if x.is_first and all(n == 1 for n in x.shape[1:-1]) and operation.shape == x.shape[-1:]:
        return Value(writer.node("Flatten", x.names[True], axis=1), shape)
    return Value(
        writer.node("Reshape", writer.plain(x), writer.integers([0, *operation.shape])), shape
    )


@writes(operations.Transpose)
def transpose(writer: Writer, operation: operations.Transpose, x: Value) -> Value:
    axes = operation.axes
    shape = tuple(x.shape[axis] for axis in axes)
    if x.rank > 2 and axes == first_axes(x.rank):
        return Value(writer.first(x), shape)
    if x.rank > 2 and axes == last_axes(x.rank) and not x.is_first:
        return Value(writer.plain(x), shape, first=True)
    return Value(writer.node("Transpose", writer.plain(x), perm=axes), shape)


@writes(operations.AxisMaps)
def axis_maps(writer: Writer, operation: operations.AxisMaps, x: Value) -> Value:
    first, shape, name = x.is_first, list(x.shape), x.names[x.is_first]
    places = first_axes(x.rank) if first else tuple(range(x.rank))
    for axis, axis_map in enumerate(operation.maps, 1):
        if axis_map is not None:
            place = places.index(axis)
            name = mapped(writer, name, axis_map, place, x.rank, operation.fill)
            shape[axis] = axis_map.output_size
    return Value(name, shape, first=first)


def mapped(writer: Writer, name: str, axis_map: AxisMap, place: int, rank: int, fill: float) -> str:
    """Write the map of one axis: a slice with padding, a choice of elements, or a product."""
    counts = np.diff(axis_map.begin)
    if axis_map.weight is None and counts.max(initial=0) <= 1:
        chosen = np.flatnonzero(counts)
        index = axis_map.index
        if not len(index) or (np.all(np.diff(index) == 1) and np.all(np.diff(chosen) == 1)):
            return _shifted(writer, name, axis_map, chosen, place, rank, fill)
        if counts.min() == 1:
            return writer.node("Gather", name, writer.constant(index), axis=place)
    matrix = np.zeros((axis_map.output_size, axis_map.input_size), np.float32)
    rows = np.repeat(np.arange(axis_map.output_size), counts)
    weight = np.ones(len(rows)) if axis_map.weight is None else axis_map.weight
    np.add.at(matrix, (rows, axis_map.index), weight)
    axes = [a for a in range(rank) if a != place] + [place]
    back, moves = [axes.index(a) for a in range(rank)], place != rank - 1
    moved = writer.node("Transpose", name, perm=axes) if moves else name
    moved = writer.node("MatMul", moved, writer.constant(matrix.T))
    if fill and counts.min() == 0:
        moved = writer.node("Add", moved, writer.constant(np.float32(fill) * (counts == 0)))
    return writer.node("Transpose", moved, perm=back) if moves else moved


def _shifted(
    writer: Writer, name: str, axis_map: AxisMap, chosen: Any, place: int, rank: int, fill: float
) -> str:
    """Write a part of an axis between fill values."""
    index, along = axis_map.index, writer.integers([place])
    if len(index) != axis_map.input_size:
        start, end = (int(index[0]), int(index[-1]) + 1) if len(index) else (0, 0)
        name = writer.node("Slice", name, writer.integers([start]), writer.integers([end]), along)
    before = int(chosen[0]) if len(chosen) else 0
    after = axis_map.output_size - len(chosen) - before
    if before or after:
        pads = [0] * (2 * rank)
        pads[place], pads[rank + place] = before, after
        name = writer.node("Pad", name, writer.integers(pads), writer.number(fill))
    return name


@writes(operations.Weight)
def weight(writer: Writer, operation: operations.Weight) -> Value:
    variable = operation.variable
    return Value(writer.weight(variable, np.asarray(variable)), variable.shape)


@writes(operations.Dropout)
def dropout(writer: Writer, operation: operations.Dropout, x: Value) -> Value:
    return x
