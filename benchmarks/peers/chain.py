"""A network's layers with their weights, for libraries that keep channels first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from benchmarks.nets import Conv, Dense, Flatten, Layer, Net


class Link(NamedTuple):
    """``kernel`` is (K, C, kh, kw) for a convolution, (units, inputs) for a dense layer."""

    layer: Layer
    kernel: np.ndarray | None
    bias: np.ndarray | None


def channels_first(net: Net, weights: list[np.ndarray]) -> Iterator[Link]:
    """The chain in channels-first order.

    `Flatten` numbers an image's features by (H, W, C) in Keras and by (C, H, W) here, so the rows
    of the dense kernel that follows it change places.
    """
    remaining = iter(weights)
    image: tuple[int, ...] | None = net.input_shape
    flattened = None
    for layer, shape in zip(net.layers, net.shapes(), strict=True):
        if isinstance(layer, Conv):
            kernel, bias = next(remaining), next(remaining)
            yield Link(layer, np.ascontiguousarray(kernel.transpose(3, 2, 0, 1)), bias)
        elif isinstance(layer, Dense):
            kernel, bias = next(remaining), next(remaining)
            if flattened:
                height, width, channels = flattened
                kernel = kernel.reshape(height, width, channels, -1).transpose(2, 0, 1, 3)
                kernel = kernel.reshape(height * width * channels, -1)
                flattened = None
            yield Link(layer, np.ascontiguousarray(kernel.T), bias)
        else:
            if isinstance(layer, Flatten):
                flattened = image
            yield Link(layer, None, None)
        image = shape
