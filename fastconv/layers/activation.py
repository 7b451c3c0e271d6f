"""Activations as layers of their own; where it can, the plan runs them inside the layer before."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from fastconv import activations
from fastconv.layers.base import Layer
from fastconv.plan import nodes
from fastconv.plan.nodes import Node


def fusible_nodes(function: Callable[..., Any]) -> list[Node]:
    """The operations of an activation function, none for linear."""
    node = activations.node(function)
    return [] if node is None else [node]


class Activation(Layer):
    """Applies an activation function to every element (softmax: to every vector).

    Args:
        activation: a name or a function of `fastconv.activations`, or None for "linear".

    Raises ValueError for an unknown name, TypeError for any other function.
    """

    def __init__(self, activation: Any, **common: Any):
        super().__init__(**common)
        self.activation = activations.get(activation)

    def nodes(self, input_shape):
        return fusible_nodes(self.activation)

    def get_config(self):
        return super().get_config() | {"activation": activations.serialize(self.activation)}


class ReLU(Layer):
    """min(x, max_value) where x > threshold, else negative_slope * (x - threshold).

    Args:
        max_value: at least 0, or None for no bound.
        negative_slope: at least 0.
        threshold: at least 0.

    Raises ValueError for anything else.
    """

    def __init__(
        self,
        max_value: float | None = None,
        negative_slope: float = 0.0,
        threshold: float = 0.0,
        **common: Any,
    ):
        super().__init__(**common)
        self.max_value = None if max_value is None else _not_negative("max_value", max_value)
        self.negative_slope = _not_negative("negative_slope", negative_slope)
        self.threshold = _not_negative("threshold", threshold)

    def nodes(self, input_shape):
        slope, most, threshold = self.negative_slope, self.max_value, self.threshold
        if threshold == 0 and most is None:
            return _leaky(slope)
        if threshold == 0 and slope == 0:
            return [nodes.Activation("clipped_relu", most)]
        return [
            nodes.Activation("bounded_relu", slope, math.inf if most is None else most, threshold)
        ]

    def get_config(self):
        return super().get_config() | {
            "max_value": self.max_value,
            "negative_slope": self.negative_slope,
            "threshold": self.threshold,
        }


class LeakyReLU(Layer):
    """x where x > 0, else negative_slope * x.

    Args:
        negative_slope: at least 0; by default 0.3 (the activation function has 0.2), as in Keras.

    Raises ValueError for a negative slope.
    """

    def __init__(self, negative_slope: float = 0.3, **common: Any):
        super().__init__(**common)
        self.negative_slope = _not_negative("negative_slope", negative_slope)

    def nodes(self, input_shape):
        return _leaky(self.negative_slope)

    def get_config(self):
        return super().get_config() | {"negative_slope": self.negative_slope}


class ELU(Layer):
    """x where x > 0, else alpha * (exp(x) - 1) (Clevert et al. 2016, arXiv 1511.07289).

    Args:
        alpha: at least 0.

    Raises ValueError for a negative one.
    """

    def __init__(self, alpha: float = 1.0, **common: Any):
        super().__init__(**common)
        self.alpha = _not_negative("alpha", alpha)

    def nodes(self, input_shape):
        return [nodes.Activation("elu", self.alpha)]

    def get_config(self):
        return super().get_config() | {"alpha": self.alpha}


class Softmax(Layer):
    """exp(x) / sum(exp(x)) over the last axis, or over the last axes together.

    Args:
        axis: the last axis, or a list of the last axes; negative, or counted with the batch as 0.

    Raises ValueError for other axes, once the shape of the input is known.
    """

    def __init__(self, axis: int | list[int] = -1, **common: Any):
        super().__init__(**common)
        self.axis = list(axis) if isinstance(axis, (list, tuple)) else axis

    def compute_output_shape(self, input_shape):
        last_axes(self, self.axis, input_shape)
        return tuple(input_shape)

    def nodes(self, input_shape):
        axes = last_axes(self, self.axis, input_shape)
        if len(axes) == 1:
            return [nodes.Softmax()]
        sample = tuple(input_shape[1:])
        joined = (*sample[: len(sample) - len(axes)], math.prod(sample[-len(axes) :]))
        return [nodes.Reshape(joined), nodes.Softmax(), nodes.Reshape(sample)]

    def get_config(self):
        return super().get_config() | {"axis": self.axis}


def last_axes(layer: Layer, axis: Any, input_shape: tuple[int | None, ...]) -> list[int]:
    """`axis` as positive numbers in order; ValueError unless they are the last of the input."""
    rank = len(input_shape)
    axes = axis if isinstance(axis, list) else [axis]
    if not all(isinstance(a, int) and not isinstance(a, bool) for a in axes):
        raise TypeError(f"`axis` of {layer.name!r} must be integers, received {axis!r}")
    axes = sorted(a + rank if a < 0 else a for a in axes)
    if not axes or axes != list(range(rank - len(axes), rank)) or axes[0] < 1:
        raise ValueError(
            f"`axis` of {layer.name!r} must be the last axis or the last axes of inputs of shape "
            f"{tuple(input_shape)}, received {axis!r}; a Permute layer can move axes there"
        )
    return axes


def _leaky(slope: float) -> list[Node]:
    return [nodes.Activation("leaky_relu", slope) if slope else nodes.Activation("relu")]


def _not_negative(name: str, value: Any) -> float:
    """A finite number of at least 0: with a negative slope, y would not tell the sign of x."""
    if isinstance(value, (bool, str)) or value is None or not 0 <= float(value) < math.inf:
        raise ValueError(f"`{name}` must be a finite number >= 0, received {value!r}")
    return float(value)
