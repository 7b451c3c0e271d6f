"""Activations as layers of their own; the plan still runs them inside the layer before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastconv import activations
from fastconv.layers.base import Layer
from fastconv.plan import nodes
from fastconv.plan.nodes import Node


def fusible_nodes(function: Callable[..., Any], slope: float | None = None) -> list[Node]:
    """The operations of an activation function, none for linear."""
    if function is activations.linear:
        return []
    if function is activations.softmax:
        return [nodes.Softmax()]
    if function is activations.leaky_relu:
        slope = activations.LEAKY_RELU_SLOPE if slope is None else slope
        return [nodes.Activation("leaky_relu", slope) if slope else nodes.Activation("relu")]
    return [nodes.Activation(function.__name__)]


class Activation(Layer):
    """Applies an activation function to every element (softmax: to every vector).

    Args:
        activation: "relu", "leaky_relu", "sigmoid", "tanh", "softmax", "linear" or None.

    Raises ValueError for an unknown one.
    """

    def __init__(self, activation: Any, **common: Any):
        super().__init__(**common)
        self.activation = activations.get(activation)

    def nodes(self, input_shape):
        return fusible_nodes(self.activation)

    def get_config(self):
        return super().get_config() | {"activation": self.activation.__name__}


class ReLU(Layer):
    """max(x, 0), or negative_slope * x where x < 0.

    Args:
        max_value: must be None.
        negative_slope: at least 0.
        threshold: must be 0.

    Raises ValueError for a negative slope and for the two options that are not supported.
    """

    def __init__(
        self,
        max_value: float | None = None,
        negative_slope: float = 0.0,
        threshold: float = 0.0,
        **common: Any,
    ):
        super().__init__(**common)
        if max_value is not None:
            raise ValueError(f"`max_value` of ReLU is not supported, received {max_value!r}")
        if threshold != 0:
            raise ValueError(f"`threshold` of ReLU must be 0, received {threshold!r}")
        self.negative_slope = _slope(negative_slope)

    def nodes(self, input_shape):
        return fusible_nodes(activations.leaky_relu, self.negative_slope)

    def get_config(self):
        return super().get_config() | {
            "max_value": None,
            "negative_slope": self.negative_slope,
            "threshold": 0.0,
        }


class LeakyReLU(Layer):
    """x where x > 0, else negative_slope * x.

    Args:
        negative_slope: at least 0; by default 0.3 (the activation function has 0.2), as in Keras.

    Raises ValueError for a negative slope.
    """

    def __init__(self, negative_slope: float = 0.3, **common: Any):
        super().__init__(**common)
        self.negative_slope = _slope(negative_slope)

    def nodes(self, input_shape):
        return fusible_nodes(activations.leaky_relu, self.negative_slope)

    def get_config(self):
        return super().get_config() | {"negative_slope": self.negative_slope}


class Softmax(Layer):
    """exp(x) / sum(exp(x)) over the last axis.

    Args:
        axis: must be -1.

    Raises ValueError for another axis.
    """

    def __init__(self, axis: int = -1, **common: Any):
        super().__init__(**common)
        if axis != -1:
            raise ValueError(f"`axis` of Softmax must be -1, the last one, received {axis!r}")

    def nodes(self, input_shape):
        return [nodes.Softmax()]

    def get_config(self):
        return super().get_config() | {"axis": -1}


def _slope(value: Any) -> float:
    """A slope of at least 0: with a negative one, the output would not tell the input's sign."""
    if isinstance(value, (bool, str)) or value is None or not 0 <= float(value) < float("inf"):
        raise ValueError(f"`negative_slope` must be a finite number >= 0, received {value!r}")
    return float(value)
