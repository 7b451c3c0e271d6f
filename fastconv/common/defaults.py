"""Numbers of Keras that several parts of the package use."""

from __future__ import annotations

EPSILON = 1e-7  # keeps constraints and scores from dividing by zero
LEAKY_RELU_SLOPE = 0.2  # of the function `leaky_relu`; the layer `LeakyReLU` has 0.3
