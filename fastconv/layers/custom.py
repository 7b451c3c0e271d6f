"""Layers that users write in NumPy.

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

Such a layer goes into a model like any other; the plan calls it between its compiled parts. To load
a file that contains it, register the class (`fastconv.saving.register_keras_serializable`) or give
`custom_objects={"Gain": Gain}` to `load_model`.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np

from fastconv.layers.base import Layer
from fastconv.plan import nodes


class CustomLayer(Layer):
    """Base class of layers in NumPy.

    A subclass has `forward` and `backward`; also `build` if it has weights, `compute_output_shape`
    if the shape changes, and `get_config` if its constructor takes arguments of its own. Threads
    may call `forward` at once, so it keeps nothing in `self`: what `backward` needs is handed on.
    """

    @abstractmethod
    def forward(self, x: np.ndarray, training: bool) -> tuple[np.ndarray, Any]:
        """Compute one batch.

        Args:
            x: (N, ...), float32: a read-only view of memory that later steps use again, so copy
                what is to be kept beyond the batch.
            training: whether `backward` follows.

        Returns:
            (y, saved): y (N, ...) of the shape that `compute_output_shape` says, and anything that
            `backward` wants to have; arrays that are views of `x` are fine.
        """

    @abstractmethod
    def backward(self, dy: np.ndarray, saved: Any) -> tuple[np.ndarray, list[Any]]:
        """Compute the gradients of one batch.

        Args:
            dy: (N, ...), float32: the gradient with respect to y, a read-only view as `x`.
            saved: what `forward` returned beside y.

        Returns:
            (dx, weight_gradients): dx in the shape of x, and one gradient per weight in the order
            of `self.weights`, in its shape; None for a weight that is not trainable.
        """

    def nodes(self, input_shape):
        return [nodes.Custom(self, tuple(self.compute_output_shape(input_shape)[1:]))]
