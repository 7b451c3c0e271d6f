"""Layers that change the shape and not the values."""

from __future__ import annotations

import math
from typing import Any

from fastconv.layers.base import Layer, check_data_format
from fastconv.plan import nodes


class Flatten(Layer):
    """Each sample as one vector, row-major: (batch, h, w, c) becomes (batch, h * w * c).

    Args:
        data_format: None or "channels_last".

    >>> from fastconv import layers
    >>> layers.Flatten().compute_output_shape((None, 3, 3, 64))
    (None, 576)
    """

    def __init__(self, data_format: str | None = None, **common: Any):
        super().__init__(**common)
        check_data_format(data_format)

    def compute_output_shape(self, input_shape):
        return (None, math.prod(input_shape[1:]))

    def nodes(self, input_shape):
        return [nodes.Reshape(self.compute_output_shape(input_shape)[1:])]

    def get_config(self):
        return super().get_config() | {"data_format": "channels_last"}
