"""Convolutions. Kernels are (K, C / groups, ...) in the file, (..., C / groups, K) in memory."""

from __future__ import annotations

from functools import reduce
from typing import Any

from fastconv import layers, ops
from fastconv.onnx.layering import are_weights, called, is_batch, layer_name
from fastconv.onnx.nodes import Node
from fastconv.onnx.registry import operator
from fastconv.onnx.tensor import Tensor, channels_last, permuted
from fastconv.onnx.windows import Window, padded, window_of


@operator("Conv", 1, 11, 22)
def conv(node: Node, x: Tensor, w: Tensor, b: Tensor | None = None) -> Tensor:
    window = window_of(node, x, _kernel_sizes(node, w))
    order, groups = channels_last(x.rank), node["group"]
    _check_groups(x, w.shape[1], groups)
    if is_batch(x) and are_weights(w, b) and window.rank < 3:
        return Tensor.of(_conv_layer(node, x.image, w, b, window, groups), order)
    y = convolved(x.image, permuted(w.plain, _last_axes(w.rank)), window)
    return Tensor.of(y if b is None else y + b.plain, order)


def _kernel_sizes(node: Node, w: Tensor) -> list[int]:
    if w.rank < 3:
        raise ValueError(f"expected a kernel (K, C, ...), received shape {w.shape}")
    sizes = list(w.sizes(2))
    if (node["kernel_shape"] or sizes) != sizes:
        raise ValueError(f"`kernel_shape` {node['kernel_shape']} differs from that of W, {sizes}")
    return sizes


def _check_groups(x: Tensor, channels: int | None, groups: int) -> None:
    if groups < 1 or channels is None or x.shape[1] != channels * groups:
        raise ValueError(
            f"expected {channels} x {groups} channels (`group`), received shape {x.shape}"
        )


def _last_axes(rank: int) -> tuple[int, ...]:
    """Return the axes of a kernel in memory: spatial ones, second, first."""
    return (*range(2, rank), 1, 0)


def _conv_layer(node: Node, x: Any, w: Tensor, b: Tensor | None, window: Window, groups: int):
    kernel = permuted(w.array, _last_axes(w.rank))
    padding, name = window.keras_padding, layer_name(node)
    if padding is None:
        pad = (layers.ZeroPadding1D, layers.ZeroPadding2D)[window.rank - 1]
        x = pad(_as_argument(window.pads), name=f"{name}_pad")(x)
    make = (layers.Conv1D, layers.Conv2D)[window.rank - 1]
    layer = make(
        kernel.shape[-1], window.kernel, window.strides, padding or "valid",
        dilation_rate=window.dilations, groups=groups, use_bias=b is not None, name=name,
    )  # fmt: skip
    return called(layer, x, [kernel] if b is None else [kernel, b.array], [w, b])


def _as_argument(pads: Any) -> Any:
    return pads[0] if len(pads) == 1 else pads


def convolved(x: Any, kernel: Any, window: Window) -> Any:
    """Return the convolution of images with a kernel (..., C / groups, K), from functions."""
    x = padded(x, window.pads)
    if window.rank < 3:
        return ops.conv(x, kernel, window.strides, "valid", dilation_rate=window.dilations)
    return _convolved_volume(x, kernel, window.unpadded())


def _convolved_volume(x: Any, kernel: Any, window: Window) -> Any:
    """One convolution of all slices per depth of the kernel: the sum of them."""
    depth, *plane = window.output_sizes(x.shape[1:4])
    stride, rate = window.strides[0], window.dilations[0]
    parts = []
    for k in range(window.kernel[0]):
        slices = slice(k * rate, k * rate + (depth - 1) * stride + 1, stride)
        images = ops.reshape(ops.get_item(x, (slice(None), slices)), (-1, *x.shape[2:]))
        parts.append(
            ops.conv(
                images, ops.get_item(kernel, k), window.strides[1:], "valid",
                dilation_rate=window.dilations[1:],
            )
        )  # fmt: skip
    return ops.reshape(reduce(ops.add, parts), (-1, depth, *plane, kernel.shape[-1]))


# --------------------------------------------------------------------------- transposed convolution


@operator("ConvTranspose", 1, 11, 22)
def conv_transpose(node: Node, x: Tensor, w: Tensor, b: Tensor | None = None) -> Tensor:
    window = window_of(node, x, _kernel_sizes(node, w))
    order, groups = channels_last(x.rank), node["group"]
    more = node["output_padding"] or [0] * window.rank
    if groups < 1 or x.shape[1] != w.shape[0] or x.shape[1] % groups:
        raise ValueError(f"W must have as many channels as X, a multiple of `group`={groups}")
    window, more = _for_output_shape(node, x, window, more)
    if is_batch(x) and are_weights(w, b) and window.rank < 3 and groups == 1:
        return Tensor.of(_transposed_layer(node, x.image, w, b, window, more), order)
    y = _transposed(x.image, permuted(w.plain, _last_axes(w.rank)), window, more, groups)
    return Tensor.of(y if b is None else y + b.plain, order)


def _for_output_shape(
    node: Node, x: Tensor, window: Window, more: list[int]
) -> tuple[Window, list[int]]:
    """Return the window with the pads that give the attribute `output_shape` or "same"."""
    wanted, mode = node["output_shape"], node["auto_pad"]
    if not wanted and mode not in ("SAME_UPPER", "SAME_LOWER"):
        return window, more
    sizes = x.sizes(2)
    if not wanted:
        wanted = [n * s for n, s in zip(sizes, window.strides, strict=True)]
    wanted = list(wanted)[-window.rank :]
    pads = []
    for n, size, stride, span, add in zip(
        wanted, sizes, window.strides, window.spans, more, strict=True
    ):
        total = (size - 1) * stride + add + span - n
        less = max(total, 0) // 2
        pads.append((total - less, less) if mode == "SAME_LOWER" else (less, total - less))
    more = [add - min(after, 0) for add, (_, after) in zip(more, pads, strict=True)]
    pads = [(before, max(after, 0)) for before, after in pads]
    return Window(window.kernel, window.strides, window.dilations, tuple(pads)), more


def _transposed_layer(
    node: Node, x: Any, w: Tensor, b: Tensor | None, window: Window, more: list[int]
) -> Any:
    kernel = permuted(w.array, _last_axes(w.rank))
    name, padding, added = layer_name(node), "valid", list(more)
    cropped = tuple(zip((p[0] for p in window.pads), (p[1] for p in window.pads), strict=True))
    halves = tuple(
        ((n - s) // 2, n - s - (n - s) // 2) if n >= s else None
        for n, s in zip(window.spans, window.strides, strict=True)
    )
    if window.pads == halves and not any(more):
        padding, added, cropped = "same", None, ()
    elif any(n >= s for n, s in zip(more, window.strides, strict=True)):
        raise ValueError(f"`output_padding` {more} must be less than the strides")
    make = (layers.Conv1DTranspose, layers.Conv2DTranspose)[window.rank - 1]
    layer = make(
        kernel.shape[-2], window.kernel, window.strides, padding,
        output_padding=None if added is None else tuple(added) if window.rank > 1 else added[0],
        dilation_rate=window.dilations, use_bias=b is not None, name=name,
    )  # fmt: skip
    y = called(layer, x, [kernel] if b is None else [kernel, b.array], [w, b])
    if not any(n for pair in cropped for n in pair):
        return y
    crop = (layers.Cropping1D, layers.Cropping2D)[window.rank - 1]
    return crop(_as_argument(cropped), name=f"{name}_crop")(y)


def _transposed(x: Any, kernel: Any, window: Window, more: list[int], groups: int) -> Any:
    """The elements between which zeros are put, convolved with the mirrored kernel."""
    for axis, (n, stride) in enumerate(zip(x.shape[1:-1], window.strides, strict=True), 1):
        x = _spread(x, axis, n, stride)
    around = tuple(
        (span - 1 - before, span - 1 - after + add)
        for span, (before, after), add in zip(window.spans, window.pads, more, strict=True)
    )
    x = _cropped(x, around)
    mirrored = ops.flip(kernel, tuple(range(window.rank)))
    plain = Window(window.kernel, (1,) * window.rank, window.dilations, ((0, 0),) * window.rank)
    size = x.shape[-1] // groups
    parts = []
    for group in range(groups):
        part = slice(group * size, (group + 1) * size)
        one = ops.get_item(x, (..., part))
        w = ops.swapaxes(ops.get_item(mirrored, (..., part)), -1, -2)
        parts.append(convolved(one, w, plain))
    return parts[0] if groups == 1 else ops.concatenate(parts, -1)


def _spread(x: Any, axis: int, size: int, stride: int) -> Any:
    """Return `x` with stride - 1 zeros between two elements along `axis`."""
    if stride == 1:
        return x
    rank = len(x.shape)
    x = ops.expand_dims(x, axis + 1)
    x = ops.pad(x, [(0, stride - 1) if a == axis + 1 else (0, 0) for a in range(rank + 1)])
    shape = [-1 if a == 0 else n for a, n in enumerate(x.shape)]
    shape[axis : axis + 2] = [size * stride]
    x = ops.reshape(x, tuple(shape))
    return ops.get_item(x, (slice(None),) * axis + (slice(0, (size - 1) * stride + 1),))


def _cropped(x: Any, around: Any) -> Any:
    """Return images with zeros around them, or without the margins where a number is negative."""
    key = tuple(
        slice(max(0, -before), n - max(0, -after))
        for n, (before, after) in zip(x.shape[1:-1], around, strict=True)
    )
    x = ops.get_item(x, (slice(None), *key))
    return padded(x, tuple((max(0, b), max(0, a)) for b, a in around))
