"""The definition of every normalization and of its gradients; see the package's essay.

Statistics are the mean and the *biased* variance (divided by the number of elements).
"""

from __future__ import annotations

from typing import Any

import numpy as np


def _float64(*arrays: Any) -> tuple[Any, ...]:
    """The arrays in float64; None stays None."""
    return tuple(None if a is None else np.asarray(a, np.float64) for a in arrays)


def _normalized(x: np.ndarray, axes: tuple[int, ...], epsilon: float):
    """(z, 1 / sqrt(variance + epsilon)), the statistics being taken over `axes`"""
    inverse = 1 / np.sqrt(x.var(axis=axes, keepdims=True) + epsilon)
    return (x - x.mean(axis=axes, keepdims=True)) * inverse, inverse


def _normalized_backward(
    z: np.ndarray, inverse: np.ndarray, dz: np.ndarray, axes: tuple[int, ...]
) -> np.ndarray:
    """Shifting and stretching x changes nothing: dx has no part along 1 and along z."""
    along_one = dz.mean(axis=axes, keepdims=True)
    along_z = (dz * z).mean(axis=axes, keepdims=True)
    return inverse * (dz - along_one - z * along_z)


def _scaled(z: np.ndarray, gamma: Any, beta: Any) -> np.ndarray:
    gamma, beta = _float64(gamma, beta)
    return z * (1 if gamma is None else gamma) + (0 if beta is None else beta)


def batch_norm(
    x: Any, gamma: Any = None, beta: Any = None, *, epsilon: float = 1e-3
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x (..., C) -> (y, mean (C,), variance (C,))"""
    (x,) = _float64(x)
    axes = tuple(range(x.ndim - 1))
    z, _ = _normalized(x, axes, epsilon)
    return _scaled(z, gamma, beta), x.mean(axis=axes), x.var(axis=axes)


def batch_norm_backward(
    x: Any, dy: Any, gamma: Any = None, *, epsilon: float = 1e-3
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """-> dx (..., C), dgamma (C,), dbeta (C,)"""
    x, dy = _float64(x, dy)
    axes = tuple(range(x.ndim - 1))
    z, inverse = _normalized(x, axes, epsilon)
    dx = _normalized_backward(z, inverse, _scaled(dy, gamma, None), axes)
    return dx, (dy * z).sum(axis=axes), dy.sum(axis=axes)


def batch_norm_inference(
    x: Any, mean: Any, variance: Any, gamma: Any = None, beta: Any = None, *, epsilon: float = 1e-3
) -> np.ndarray:
    x, mean, variance = _float64(x, mean, variance)
    return _scaled((x - mean) / np.sqrt(variance + epsilon), gamma, beta)


def group_norm(
    x: Any, gamma: Any = None, beta: Any = None, *, groups: int, epsilon: float = 1e-3
) -> np.ndarray:
    """x (N, ..., C), whose channels are `groups` times C / groups neighbours"""
    (x,) = _float64(x)
    z, _ = _normalized(_in_groups(x, groups), (1, 3), epsilon)
    return _scaled(z.reshape(x.shape), gamma, beta)


def group_norm_backward(
    x: Any, dy: Any, gamma: Any = None, *, groups: int, epsilon: float = 1e-3
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x, dy = _float64(x, dy)
    z, inverse = _normalized(_in_groups(x, groups), (1, 3), epsilon)
    dz = _in_groups(_scaled(dy, gamma, None), groups)
    dx = _normalized_backward(z, inverse, dz, (1, 3))
    axes = tuple(range(x.ndim - 1))
    return dx.reshape(x.shape), (dy * z.reshape(x.shape)).sum(axis=axes), dy.sum(axis=axes)


def _in_groups(x: np.ndarray, groups: int) -> np.ndarray:
    return x.reshape(x.shape[0], -1, groups, x.shape[-1] // groups)


def layer_norm(
    x: Any, gamma: Any = None, beta: Any = None, *, axes: int = 1, epsilon: float = 1e-3
) -> np.ndarray:
    """Over the last `axes` axes of x together, whose shape gamma and beta have."""
    (x,) = _float64(x)
    z, _ = _normalized(x, tuple(range(-axes, 0)), epsilon)
    return _scaled(z, gamma, beta)


def layer_norm_backward(
    x: Any, dy: Any, gamma: Any = None, *, axes: int = 1, epsilon: float = 1e-3
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x, dy = _float64(x, dy)
    last = tuple(range(-axes, 0))
    z, inverse = _normalized(x, last, epsilon)
    dx = _normalized_backward(z, inverse, _scaled(dy, gamma, None), last)
    others = tuple(range(x.ndim - axes))
    return dx, (dy * z).sum(axis=others), dy.sum(axis=others)


def unit_norm(x: Any, *, epsilon: float = 1e-12) -> np.ndarray:
    """x / max(|x|, epsilon), vectors along the last axis"""
    (x,) = _float64(x)
    return x / np.maximum(np.sqrt((x**2).sum(axis=-1, keepdims=True)), epsilon)


def unit_norm_backward(x: Any, dy: Any, *, epsilon: float = 1e-12) -> np.ndarray:
    x, dy = _float64(x, dy)
    length = np.sqrt((x**2).sum(axis=-1, keepdims=True))
    y = x / np.maximum(length, epsilon)
    across = np.where(length > epsilon, (dy * y).sum(axis=-1, keepdims=True), 0)
    return (dy - y * across) / np.maximum(length, epsilon)


def local_response_norm(
    x: Any, *, depth_radius: int = 5, bias: float = 1.0, alpha: float = 1.0, beta: float = 0.5
) -> np.ndarray:
    """x[c] / (bias + alpha * sum of x[j]^2 over |j - c| <= depth_radius)^beta"""
    (x,) = _float64(x)
    return x * (bias + alpha * _around(x**2, depth_radius)) ** -beta


def local_response_norm_backward(
    x: Any,
    dy: Any,
    *,
    depth_radius: int = 5,
    bias: float = 1.0,
    alpha: float = 1.0,
    beta: float = 0.5,
) -> np.ndarray:
    """x[c] is in the windows of those channels that are in its own."""
    x, dy = _float64(x, dy)
    s = bias + alpha * _around(x**2, depth_radius)
    return dy * s**-beta - 2 * alpha * beta * x * _around(dy * x * s ** (-beta - 1), depth_radius)


def _around(terms: np.ndarray, radius: int) -> np.ndarray:
    """Sums over the channels at most `radius` away."""
    sums = np.zeros_like(terms)
    for c in range(terms.shape[-1]):
        sums[..., c] = terms[..., max(c - radius, 0) : c + radius + 1].sum(axis=-1)
    return sums


def prelu(x: Any, alpha: Any) -> np.ndarray:
    """x where x > 0, else alpha * x; alpha is repeated to the shape of a sample"""
    x, alpha = _float64(x, alpha)
    return np.where(x <= 0, alpha * x, x)


def prelu_backward(x: Any, dy: Any, alpha: Any) -> tuple[np.ndarray, np.ndarray]:
    """-> dx, dalpha: the sum over everything that shares an alpha"""
    x, dy, alpha = _float64(x, dy, alpha)
    dalpha = np.where(x <= 0, dy * x, 0).sum(axis=0)
    shared = tuple(axis for axis, size in enumerate(alpha.shape) if size == 1)
    return np.where(x <= 0, alpha * dy, dy), dalpha.sum(axis=shared, keepdims=True)
