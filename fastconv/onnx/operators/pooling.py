"""Poolings: compiled for images and sequences, from elementwise functions for all other windows."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import reduce
from typing import Any

import numpy as np

from fastconv import layers, ops
from fastconv.onnx.layering import is_batch, layer_name
from fastconv.onnx.nodes import Node
from fastconv.onnx.registry import operator
from fastconv.onnx.tensor import Tensor, channels_last
from fastconv.onnx.windows import Window, elements, padded, window_of


@operator("MaxPool", 1, 8, 10, 11, 12, 22)
def max_pool(node: Node, x: Tensor) -> Any:
    window, order = _pool_window(node, x), channels_last(x.rank)
    if node.needs_output(1):
        y, places = _with_places(x, window, bool(node["storage_order"]))
        return [Tensor.of(y, order), Tensor.of(places, order)]
    if _is_compiled(x, window):
        return Tensor.of(_compiled(node, x, window, "max"), order)
    lowest = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
    parts = elements(padded(x.image, window.pads, lowest), window)
    return Tensor.of(reduce(ops.maximum, parts), order)


@operator("AveragePool", 1, 7, 10, 11, 19, 22)
def average_pool(node: Node, x: Tensor) -> Tensor:
    window, order = _pool_window(node, x), channels_last(x.rank)
    whole = node["count_include_pad"]
    if _is_compiled(x, window) and not (whole and (window.is_padded or window.same)):
        return Tensor.of(_compiled(node, x, window, "average"), order)
    x.sizes(2)
    image = x.image
    total = reduce(ops.add, elements(padded(image, window.pads), window))
    inside = _counts(image.shape[1:-1], window, bool(whole), node)
    return Tensor.of(total / inside.astype(x.dtype), order)


@operator("LpPool", 2, 11, 18, 22)
def lp_pool(node: Node, x: Tensor) -> Tensor:
    window = _pool_window(node, x)
    powers = elements(padded(_power(x.image, node["p"]), window.pads), window)
    return Tensor.of(_root(reduce(ops.add, powers), node["p"]), channels_last(x.rank))


def _pool_window(node: Node, x: Tensor) -> Window:
    window = window_of(node, x, node["kernel_shape"] or [])
    return _rounded_up(window, x) if node["ceil_mode"] else window


def _rounded_up(window: Window, x: Tensor) -> Window:
    """Return the window with pads for a last one that begins in the image and ends outside."""
    if window.same:
        return window
    sizes, pads = x.shape[2:], []
    for n, (before, after), span, stride in zip(
        sizes, window.pads, window.spans, window.strides, strict=True
    ):
        if n is None:
            if stride == 1:
                pads.append((before, after))
                continue
            raise ValueError("`ceil_mode` needs an image of known size")
        steps = -(-(n + before + after - span) // stride)
        steps -= steps * stride >= n + before
        pads.append((before, max(after, steps * stride + span - n - before)))
    return replace(window, pads=tuple(pads))


def _is_compiled(x: Tensor, window: Window) -> bool:
    return (
        window.rank < 3
        and set(window.dilations) == {1}
        and x.dtype.kind == "f"
        and all(max(pair) < k for pair, k in zip(window.pads, window.kernel, strict=True))
    )


def _compiled(node: Node, x: Tensor, window: Window, kind: str) -> Any:
    padding = window.keras_padding
    if padding is not None and is_batch(x):
        make = {
            ("max", 1): layers.MaxPooling1D, ("max", 2): layers.MaxPooling2D,
            ("average", 1): layers.AveragePooling1D, ("average", 2): layers.AveragePooling2D,
        }[kind, window.rank]  # fmt: skip
        return make(window.kernel, window.strides, padding, name=layer_name(node))(x.image)
    pool = ops.max_pool if kind == "max" else ops.average_pool
    return pool(x.image, window.kernel, window.strides, padding or window.pads)


def _counts(sizes: Any, window: Window, whole: bool, node: Node) -> np.ndarray:
    """Return the number of elements in each window (..., 1): in the image, or with the pads that
    the file gives if `whole`."""
    given = np.ones((1, *sizes, 1), np.float32)
    pads = window.pads
    if whole:
        rank = window.rank
        named = node["pads"] or [0] * (2 * rank)
        own = pads if window.same else tuple(zip(named[:rank], named[rank:], strict=True))
        given = np.pad(given, ((0, 0), *own, (0, 0)), constant_values=1)
        pads = tuple((p[0] - o[0], p[1] - o[1]) for p, o in zip(pads, own, strict=True))
    return reduce(np.add, elements(np.pad(given, ((0, 0), *pads, (0, 0))), window))


def _with_places(x: Tensor, window: Window, by_column: bool) -> tuple[Any, Any]:
    """Return maxima, and their places in the flat tensor of the file: of one with columns first if
    `by_column`."""
    image = x.image
    if not isinstance(image, np.ndarray):
        raise ValueError("the output Indices is supported for constants only")
    shape, spatial = x.sizes(), x.sizes(2)
    order = "F" if by_column else "C"
    inner = np.arange(math.prod(spatial)).reshape(spatial, order=order)
    planes = np.arange(shape[0] * shape[1]).reshape(shape[:2]) * inner.size
    places = planes.reshape(shape[0], *(1,) * len(spatial), shape[1]) + inner[None, ..., None]
    lowest = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
    values = np.stack(elements(padded(image, window.pads, lowest), window))
    found = np.stack(elements(padded(places, window.pads), window))
    best = values.argmax(0)[None]
    return np.take_along_axis(values, best, 0)[0], np.take_along_axis(found, best, 0)[0]


# ------------------------------------------------------------------------------------ global pools


@operator("GlobalAveragePool", 1, 22)
def global_average_pool(node: Node, x: Tensor) -> Tensor:
    make = {1: layers.GlobalAveragePooling1D, 2: layers.GlobalAveragePooling2D}
    return _over_images(node, x, make, ops.mean)


@operator("GlobalMaxPool", 1, 22)
def global_max_pool(node: Node, x: Tensor) -> Tensor:
    make = {1: layers.GlobalMaxPooling1D, 2: layers.GlobalMaxPooling2D}
    return _over_images(node, x, make, ops.max)


@operator("GlobalLpPool", 2, 22)
def global_lp_pool(node: Node, x: Tensor) -> Tensor:
    p = node["p"]

    def norm(value: Any, axis: Any, keepdims: bool) -> Any:
        return _root(ops.sum(_power(value, p), axis, keepdims), p)

    return _over_images(node, x, {}, norm)


def _over_images(node: Node, x: Tensor, make: dict[int, Any], function: Any) -> Tensor:
    """Reduce all spatial axes to size 1: by a layer for the rank in `make`, or a function."""
    order = channels_last(x.rank)
    if is_batch(x) and x.rank - 2 in make:
        layer = make[x.rank - 2](keepdims=True, name=layer_name(node))
        return Tensor.of(layer(x.image), order)
    axes = tuple(range(1, x.rank - 1))
    return Tensor.of(function(x.image, axes, keepdims=True), order)


def _power(x: Any, p: int) -> Any:
    return ops.square(x) if p == 2 else ops.abs(x) if p == 1 else ops.power(ops.abs(x), float(p))


def _root(x: Any, p: int) -> Any:
    return ops.sqrt(x) if p == 2 else x if p == 1 else ops.power(x, 1 / p)
