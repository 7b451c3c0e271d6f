"""The activation functions that a layer's `activation=` may name.

Each is an ordinary function on arrays; inside a model the plan runs the same formula fused into
the layer before it where it can.

>>> import numpy as np
>>> from fastconv import activations
>>> activations.get("relu")(np.array([-1.0, 2.0])).tolist()
[0.0, 2.0]
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

LEAKY_RELU_SLOPE = 0.2  # of the function; the layer LeakyReLU has its own default


def linear(x: np.ndarray) -> np.ndarray:
    """x itself."""
    return x


def relu(x: np.ndarray) -> np.ndarray:
    """max(x, 0); NaN stays NaN."""
    from fastconv import ops

    return ops.relu(x)


def leaky_relu(x: np.ndarray, negative_slope: float = LEAKY_RELU_SLOPE) -> np.ndarray:
    """x where x > 0, else negative_slope * x."""
    from fastconv import ops

    return ops.leaky_relu(x, negative_slope=negative_slope)


def sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x))."""
    from fastconv import ops

    return ops.sigmoid(x)


def tanh(x: np.ndarray) -> np.ndarray:
    """The hyperbolic tangent."""
    from fastconv import ops

    return ops.tanh(x)


def softmax(x: np.ndarray) -> np.ndarray:
    """exp(x) / sum(exp(x)) over the last axis."""
    from fastconv import ops

    return ops.softmax(x)


FUNCTIONS = {
    function.__name__: function for function in (linear, relu, leaky_relu, sigmoid, tanh, softmax)
}


def get(identifier: str | Callable | None) -> Callable[..., Any]:
    """The function that a name, one of these functions or None (linear) stands for.

    Raises ValueError for an unknown name and TypeError for any other callable: a model runs its
    activations as compiled kernels, so it can only have those that exist as one.
    """
    if identifier is None:
        return linear
    if isinstance(identifier, str):
        if identifier not in FUNCTIONS:
            raise ValueError(f"`activation` must be one of {[*FUNCTIONS]}, received {identifier!r}")
        return FUNCTIONS[identifier]
    if identifier in FUNCTIONS.values():
        return identifier
    raise TypeError(
        f"`activation` must be None, one of {[*FUNCTIONS]} or a function of "
        f"fastconv.activations, received {identifier!r}"
    )
