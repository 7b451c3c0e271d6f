"""The definition of every activation function and of its derivative; see the package's essay."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def _float64(*arrays: Any) -> tuple[np.ndarray, ...]:
    return tuple(np.asarray(array, np.float64) for array in arrays)


# Most backward functions take the *output* y of their forward function: the derivative follows from
# y, so the input need not be kept. Those in the last section take the input x.


def relu(x: Any) -> np.ndarray:
    """max(x, 0); NaN stays NaN"""
    return np.maximum(np.asarray(x, np.float64), 0)


def relu_backward(y: Any, dy: Any) -> np.ndarray:
    return leaky_relu_backward(y, dy, negative_slope=0)


def leaky_relu(x: Any, negative_slope: float = 0.2) -> np.ndarray:
    """x where x > 0, else negative_slope * x"""
    (x,) = _float64(x)
    return np.where(x > 0, x, negative_slope * x)


def leaky_relu_backward(y: Any, dy: Any, *, negative_slope: float = 0.2) -> np.ndarray:
    """The derivative at 0, where there is none, is taken from the left."""
    y, dy = _float64(y, dy)
    return np.where(y <= 0, negative_slope * dy, dy)


def sigmoid(x: Any) -> np.ndarray:
    """1 / (1 + exp(-x)), in the form whose exponential cannot overflow for either sign"""
    (x,) = _float64(x)
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, small) / (1 + small)


def sigmoid_backward(y: Any, dy: Any) -> np.ndarray:
    y, dy = _float64(y, dy)
    return dy * y * (1 - y)


def tanh(x: Any) -> np.ndarray:
    return np.tanh(*_float64(x))


def tanh_backward(y: Any, dy: Any) -> np.ndarray:
    y, dy = _float64(y, dy)
    return dy * (1 - y) * (1 + y)


def relu6(x: Any) -> np.ndarray:
    """min(max(x, 0), 6)"""
    return np.clip(np.asarray(x, np.float64), 0, 6)


def relu6_backward(y: Any, dy: Any) -> np.ndarray:
    y, dy = _float64(y, dy)
    return np.where((y <= 0) | (y >= 6), 0, dy)


def elu(x: Any, alpha: float = 1.0) -> np.ndarray:
    """x where x > 0, else alpha * (exp(x) - 1)"""
    (x,) = _float64(x)
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def elu_backward(y: Any, dy: Any, *, alpha: float = 1.0) -> np.ndarray:
    y, dy = _float64(y, dy)
    return np.where(y <= 0, dy * (y + alpha), dy)


SELU_ALPHA, SELU_SCALE = 1.67326324235437728482, 1.05070098735548049342


def selu(x: Any) -> np.ndarray:
    """scale * elu(x, alpha)"""
    return SELU_SCALE * elu(x, alpha=SELU_ALPHA)


def selu_backward(y: Any, dy: Any) -> np.ndarray:
    y, dy = _float64(y, dy)
    return dy * np.where(y < 0, y + SELU_SCALE * SELU_ALPHA, SELU_SCALE)


def exponential(x: Any) -> np.ndarray:
    return np.exp(*_float64(x))


def exponential_backward(y: Any, dy: Any) -> np.ndarray:
    y, dy = _float64(y, dy)
    return dy * y


def softplus(x: Any) -> np.ndarray:
    """log(1 + exp(x))"""
    (x,) = _float64(x)
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def softplus_backward(y: Any, dy: Any) -> np.ndarray:
    """The derivative is the sigmoid of x, 1 - exp(-y)."""
    y, dy = _float64(y, dy)
    return -dy * np.expm1(-y)


def softsign(x: Any) -> np.ndarray:
    """x / (1 + |x|), which is sign(x) where x is infinite"""
    x = np.clip(np.asarray(x, np.float64), -1e300, 1e300)
    return x / (1 + np.abs(x))


def softsign_backward(y: Any, dy: Any) -> np.ndarray:
    y, dy = _float64(y, dy)
    return dy * (1 - np.abs(y)) ** 2


def hard_sigmoid(x: Any) -> np.ndarray:
    """min(max(x + 3, 0), 6) / 6"""
    (x,) = _float64(x)
    return relu6(x + 3) / 6


def hard_sigmoid_backward(y: Any, dy: Any) -> np.ndarray:
    y, dy = _float64(y, dy)
    return np.where((y <= 0) | (y >= 1), 0, dy / 6)


def softmax(x: Any, axis: Any = -1) -> np.ndarray:
    """exp(x) / sum(exp(x)) along one axis, several or (None) all, shifted by the maximum, which
    changes nothing else

    >>> softmax([0, 0, np.log(2)]).round(3)
    array([0.25, 0.25, 0.5 ])
    """
    (x,) = _float64(x)
    axis = tuple(axis) if isinstance(axis, list) else axis
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def softmax_backward(y: Any, dy: Any) -> np.ndarray:
    y, dy = _float64(y, dy)
    return y * (dy - (dy * y).sum(axis=-1, keepdims=True))


def log_softmax(x: Any, axis: Any = -1) -> np.ndarray:
    """log(softmax(x)), without the detour through numbers that may be zero"""
    (x,) = _float64(x)
    axis = tuple(axis) if isinstance(axis, list) else axis
    shifted = x - x.max(axis=axis, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))


def log_softmax_backward(y: Any, dy: Any) -> np.ndarray:
    y, dy = _float64(y, dy)
    return dy - np.exp(y) * dy.sum(axis=-1, keepdims=True)


# ---------------------------------------------------------------- derivatives that need the input x
#
# Each is x times a function that goes from 0 to 1, or a rectifier that is not monotone. An
# x below -1000 counts as -1000, where the result no longer changes: 0 times -infinity is NaN.


def _finite(x: np.ndarray) -> np.ndarray:
    return np.clip(x, -1000, None)


def bounded_relu(
    x: Any, *, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0
) -> np.ndarray:
    """min(x, max_value) where x > threshold, else negative_slope * (x - threshold)"""
    (x,) = _float64(x)
    most = np.inf if max_value is None else max_value
    low = negative_slope * (x - threshold) if negative_slope else np.zeros_like(x)
    return np.where(x <= threshold, low, np.minimum(x, most))


def bounded_relu_backward(
    x: Any,
    dy: Any,
    *,
    negative_slope: float = 0.0,
    max_value: float | None = None,
    threshold: float = 0.0,
) -> np.ndarray:
    x, dy = _float64(x, dy)
    most = np.inf if max_value is None else max_value
    return np.where(x <= threshold, negative_slope * dy, np.where(x > most, 0, dy))


def gelu(x: Any, approximate: bool = True) -> np.ndarray:
    """x * P(X <= x) for a standard normal X, or the approximation of P by a sigmoid"""
    (x,) = _float64(x)
    return _finite(x) * (sigmoid(_gelu_argument(x)) if approximate else _normal_below(x))


def gelu_backward(x: Any, dy: Any, *, approximate: bool = True) -> np.ndarray:
    x, dy = _float64(x, dy)
    x = np.clip(x, -1000, 1000)
    if not approximate:
        density = np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)
        return dy * (_normal_below(x) + x * density)
    s = sigmoid(_gelu_argument(x))
    rest = sigmoid(-_gelu_argument(x))
    return dy * s * (1 + x * rest * np.sqrt(8 / np.pi) * (1 + 3 * 0.044715 * x**2))


def _normal_below(x: np.ndarray) -> np.ndarray:
    return np.vectorize(math.erfc, otypes=[np.float64])(-x / math.sqrt(2)) / 2


def _gelu_argument(x: np.ndarray) -> np.ndarray:
    """2 u where x/2 (1 + tanh(u)) = x sigmoid(2 u)"""
    return np.sqrt(8 / np.pi) * (x + 0.044715 * x**3)


def silu(x: Any) -> np.ndarray:
    """x * sigmoid(x)"""
    (x,) = _float64(x)
    return _finite(x) * sigmoid(x)


def silu_backward(x: Any, dy: Any) -> np.ndarray:
    x, dy = _float64(x, dy)
    x = np.clip(x, -1000, 1000)
    return dy * sigmoid(x) * (1 + x * sigmoid(-x))


def hard_silu(x: Any) -> np.ndarray:
    """x * hard_sigmoid(x)"""
    (x,) = _float64(x)
    return _finite(x) * hard_sigmoid(x)


def hard_silu_backward(x: Any, dy: Any) -> np.ndarray:
    x, dy = _float64(x, dy)
    return dy * np.where(np.abs(x) < 3, x / 3 + 0.5, np.where(x < 0, 0, 1))


def mish(x: Any) -> np.ndarray:
    """x * tanh(softplus(x))"""
    (x,) = _float64(x)
    return _finite(x) * np.tanh(softplus(x))


def mish_backward(x: Any, dy: Any) -> np.ndarray:
    x, dy = _float64(x, dy)
    x = np.clip(x, -1000, 1000)
    s = softplus(x)
    slope_of_tanh = np.cosh(np.minimum(s, 300)) ** -2
    return dy * (np.tanh(s) + x * sigmoid(x) * slope_of_tanh)
