"""Normalizations."""

from __future__ import annotations

import math
from typing import Any

from fastconv import layers, ops
from fastconv.onnx.layering import are_weights, called, is_batch, layer_name
from fastconv.onnx.nodes import Node
from fastconv.onnx.registry import operator
from fastconv.onnx.tensor import Tensor


@operator("BatchNormalization", 9)
def batch_normalization(
    node: Node, x: Tensor, scale: Tensor, bias: Tensor, mean: Tensor, variance: Tensor
) -> Tensor:
    axis, given = x.axis(1), (scale, bias, mean, variance)
    if is_batch(x) and are_weights(*given):
        layer = layers.BatchNormalization(
            axis, node["momentum"], node["epsilon"], name=layer_name(node)
        )
        return x.mapped(lambda value: called(layer, value, [each.array for each in given]))
    beta, gamma = bias.plain, scale.plain
    return x.mapped(
        ops.batch_normalization, mean.plain, variance.plain, axis, beta, gamma, node["epsilon"]
    )


@operator("BatchNormalization", 6, 7)
def batch_normalization_7(
    node: Node, x: Tensor, scale: Tensor, bias: Tensor, mean: Tensor, variance: Tensor
) -> Tensor:
    if node.version == 6 and not node["is_test"]:
        raise ValueError("`is_test` must be 1: version 6 is supported for inference only")
    if not node["spatial"]:
        raise ValueError("`spatial` must be 1: statistics per element are not supported")
    return batch_normalization(node, x, scale, bias, mean, variance)


@operator("BatchNormalization", 14, 15)
def batch_normalization_14(
    node: Node, x: Tensor, scale: Tensor, bias: Tensor, mean: Tensor, variance: Tensor
) -> Any:
    if not node["training_mode"]:
        return batch_normalization(node, x, scale, bias, mean, variance)
    axes = tuple(a for a in range(x.rank) if a != x.axis(1))
    batch_mean, batch_variance = ops.moments(x.value, axes)
    y = x.mapped(
        ops.batch_normalization, batch_mean, batch_variance, x.axis(1), bias.plain, scale.plain,
        node["epsilon"],
    )  # fmt: skip
    kept = node["momentum"]
    moving = [
        Tensor.of(old.plain * kept + new * (1 - kept))
        for old, new in ((mean, batch_mean), (variance, batch_variance))
    ]
    return [y, *moving]


@operator("InstanceNormalization", 6, 22)
def instance_normalization(node: Node, x: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    return _grouped(node, x, scale, bias, -1)


@operator("GroupNormalization", 21)
def group_normalization(node: Node, x: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    return _grouped(node, x, scale, bias, node["num_groups"])


@operator("GroupNormalization", 18)
def group_normalization_18(node: Node, x: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    groups, channels = node["num_groups"], x.shape[1]
    if channels is None or channels % groups:
        raise ValueError(f"`num_groups`={groups} must divide the channels of {x.shape}")
    times = channels // groups
    gamma, beta = (Tensor.of(ops.repeat(each.plain, times, 0)) for each in (scale, bias))
    return _grouped(node, x, gamma, beta, groups)


def _grouped(node: Node, x: Tensor, scale: Tensor, bias: Tensor, groups: int) -> Tensor:
    """Normalize the channels of each group, -1 for groups of one channel."""
    if is_batch(x) and are_weights(scale, bias):
        layer = layers.GroupNormalization(groups, x.axis(1), node["epsilon"], name=layer_name(node))
        return x.mapped(lambda value: called(layer, value, [scale.array, bias.array]))
    channels, *spatial = x.sizes(1)
    count = channels if groups == -1 else groups
    rows = ops.reshape(x.plain, (-1, count, math.prod(spatial) * channels // count))
    mean, variance = ops.moments(rows, -1, keepdims=True)
    rows = (rows - mean) * ops.rsqrt(variance + node["epsilon"])
    y = ops.reshape(rows, (-1, *x.shape[1:]))
    along = (channels, *(1,) * (x.rank - 2))
    y = y * ops.reshape(scale.plain, along) + ops.reshape(bias.plain, along)
    return Tensor.of(ops.cast(y, x.dtype.name) if x.is_constant else y)


@operator("LayerNormalization", 17)
def layer_normalization(
    node: Node, x: Tensor, scale: Tensor, bias: Tensor | None = None
) -> list[Tensor]:
    axes = tuple(range(node["axis"] % x.rank, x.rank))
    if is_batch(x) and are_weights(scale, bias) and not node.needs_output(1) and axes[0]:
        layer = layers.LayerNormalization(
            list(axes), node["epsilon"], center=bias is not None, name=layer_name(node)
        )
        weights = [each.array for each in (scale, bias) if each is not None]
        return [Tensor.of(called(layer, x.plain, weights))]
    value = x.plain
    mean, variance = ops.moments(value, axes, keepdims=True)
    inverse = ops.rsqrt(variance + node["epsilon"])
    y = (value - mean) * inverse * scale.plain
    y = y if bias is None else y + bias.plain
    return [Tensor.of(y), Tensor.of(mean), Tensor.of(inverse)]


@operator("RMSNormalization", 23)
def rms_normalization(node: Node, x: Tensor, scale: Tensor) -> Tensor:
    axes = tuple(range(node["axis"] % x.rank, x.rank))
    square = ops.mean(ops.square(x.plain), axes, keepdims=True)
    return Tensor.of(x.plain * ops.rsqrt(square + node["epsilon"]) * scale.plain)


@operator("LRN", 1, 13)
def lrn(node: Node, x: Tensor) -> Tensor:
    alpha, beta, bias, size = node["alpha"], node["beta"], node["bias"], node["size"]
    axis = x.axis(1)
    squares, channels = ops.square(x.value), x.shape[1]
    if channels is None or size < 1:
        raise ValueError(f"`size` must be at least 1, and the channels known, received {x.shape}")
    before, after = (min(n, channels - 1) for n in ((size - 1) // 2, size // 2))
    widths = [(before, after) if a == axis else (0, 0) for a in range(x.rank)]
    wide = ops.pad(squares, widths)
    window, count = (slice(None),) * axis, before + 1 + after
    total = sum(ops.get_item(wide, (*window, slice(k, k + channels))) for k in range(count))
    return x.mapped(lambda value: value / ops.power(bias + alpha / size * total, beta))


@operator("MeanVarianceNormalization", 9, 13)
def mean_variance_normalization(node: Node, x: Tensor) -> Tensor:
    mean, variance = ops.moments(x.value, x.axes(node["axes"]), keepdims=True)
    return x.mapped(lambda value: (value - mean) / (ops.sqrt(variance) + 1e-9))


@operator("LpNormalization", 1, 22)
def lp_normalization(node: Node, x: Tensor) -> Tensor:
    axis = x.axis(node["axis"])

    def normalized(value: Any) -> Any:
        if node["p"] == 1:
            size = ops.sum(ops.abs(value), axis, keepdims=True)
        else:
            size = ops.sqrt(ops.sum(ops.square(value), axis, keepdims=True))
        return ops.divide_no_nan(value, size)

    return x.mapped(normalized)
