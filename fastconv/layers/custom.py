"""Custom layers in NumPy.

>>> import numpy as np
>>> from fastconv import layers, testing
>>> class Gain(layers.CustomLayer):
...     '''Multiplies every channel by a weight of its own.'''
...
...     def build(self, input_shape):
...         self.gain = self.add_weight("gain", input_shape[-1:], "ones")
...         super().build(input_shape)
...
...     def forward(self, x, training):
...         return x * self.gain.numpy(), x
...
...     def backward(self, dy, saved):
...         x, axes = saved, tuple(range(dy.ndim - 1))
...         return dy * self.gain.numpy(), [(dy * x).sum(axis=axes)]
>>> testing.check_layer(Gain(), (4, 4, 3))

A model uses such a layer like any other; the plan calls it between its compiled parts. To load a
file that contains it, register the class (`fastconv.saving.register_keras_serializable`) or pass
`custom_objects={"Gain": Gain}` to `load_model`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np

from fastconv.layers.base import Layer
from fastconv.plan import operations
from fastconv.plan.operations import Operation
from fastconv.shapes import Shape, sample_sizes


class CustomLayer(Layer):
    """Base class of layers in NumPy.

    A subclass defines `forward` and `backward`; also `build` if it has weights,
    `compute_output_shape` if the shape changes, and `get_config` if its constructor has its own
    arguments. Threads may call `forward` concurrently, so it must not store anything in `self`: it
    returns the data for `backward`.
    """

    unused_hooks: ClassVar[Mapping[str, str]] = MappingProxyType(
        {"call": "define `forward` and `backward`"}
    )

    @abstractmethod
    def forward(self, x: np.ndarray, training: bool) -> tuple[np.ndarray, Any]:
        """Compute one batch.

        Args:
            x: (N, ...), float32: a read-only view of memory that later steps reuse; copy data that
                is kept beyond the batch.
            training: whether `backward` follows.

        Returns:
            (y, saved): y (N, ...) with the shape of `compute_output_shape`, and any object for
            `backward`; it may contain views of `x`.
        """

    @abstractmethod
    def backward(self, dy: np.ndarray, saved: Any) -> tuple[np.ndarray, list[Any]]:
        """Compute the gradients of one batch.

        Args:
            dy: (N, ...), float32: the gradient with respect to y, a read-only view like `x`.
            saved: the second return value of `forward`.

        Returns:
            (dx, weight_gradients): dx in the shape of x, and one gradient per weight in the order
            and shapes of `self.weights`; None for a weight that is not trainable.
        """

    def operations(self, input_shape: Shape) -> list[Operation]:
        return [operations.Custom(self, sample_sizes(self.compute_output_shape(input_shape)))]
