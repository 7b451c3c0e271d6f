"""Further activations, normalization and losses under Keras's names, made of other functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastconv.ops import activations, arithmetic, gates, reductions, transcendental
from fastconv.ops._function import composite, elementwise, function
from fastconv.ops.core import as_float, cast
from fastconv.ops.indexing import one_hot
from fastconv.ops.shaping import axes_of, reshape, split
from fastconv.ops.softmax import log_softmax

EPSILON = 1e-7  # Keras's smallest probability, and its default in divisions

swish: Callable[..., Any]
hard_swish: Callable[..., Any]
swish, hard_swish = gates.silu, gates.hard_silu


@composite("nn", "LogSigmoid")
def log_sigmoid(x: Any) -> np.ndarray:
    """log(sigmoid(x)), without overflow.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.log_sigmoid(np.array([-1000.0])).tolist()
    [-1000.0]
    """
    return -activations.softplus(-as_float(x))


def _celu(x: Any, alpha: float) -> Any:
    return x.apply("maximum", 0.0) + (x.apply("minimum", 0.0) / alpha).apply("expm1") * alpha


@elementwise("nn", "Celu", chain=_celu, real=True)
def celu(x: Any, alpha: float = 1.0) -> np.ndarray:
    """max(x, 0) + min(alpha * (exp(x / alpha) - 1), 0)

    >>> from fastconv import ops
    >>> ops.celu([2.0, 0.0]).tolist()
    [2.0, 0.0]
    """
    return np.maximum(x, 0) + alpha * np.expm1(np.minimum(x, 0) / alpha)


@composite("nn", "Glu")
def glu(x: Any, axis: int = -1) -> np.ndarray:
    """The first half of `x` along `axis` times the sigmoid of the second half.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.glu(np.array([2.0, 0.0])).tolist()
    [1.0]
    """
    first, second = split(as_float(x), 2, axis)
    return first * activations.sigmoid(second)


@composite("nn", "HardTanh")
def hard_tanh(x: Any) -> np.ndarray:
    """min(max(x, -1), 1)

    >>> from fastconv import ops
    >>> ops.hard_tanh([-3.0, 0.5]).tolist()
    [-1.0, 0.5]
    """
    return arithmetic.clip(x, -1, 1)


@composite("nn", "SparsePlus")
def sparse_plus(x: Any) -> np.ndarray:
    """0 where x <= -1, x where x >= 1, (x + 1)^2 / 4 in between.

    >>> from fastconv import ops
    >>> ops.sparse_plus([-2.0, 0.0, 2.0]).tolist()
    [0.0, 0.25, 2.0]
    """
    x = as_float(x)
    inner = arithmetic.square(arithmetic.clip(x + 1.0, 0.0, 2.0))
    return inner * 0.25 + activations.relu(x - 1.0)


@composite("nn", "SparseSigmoid")
def sparse_sigmoid(x: Any) -> np.ndarray:
    """min(max((x + 1) / 2, 0), 1)

    >>> from fastconv import ops
    >>> ops.sparse_sigmoid([-2.0, 0.0, 2.0]).tolist()
    [0.0, 0.5, 1.0]
    """
    return arithmetic.clip((as_float(x) + 1.0) * 0.5, 0.0, 1.0)


def _sparsemax_gradient(dy, y, x, axis):
    support = y > 0
    mean = (dy * support).sum(axis, keepdims=True) / support.sum(axis, keepdims=True)
    return (dy - mean) * support


def _shape_with(x, axis):
    """The shape of `x`; ValueError or TypeError if it has no such axis."""
    axes_of([axis], len(x.shape))
    return x.shape


@function("nn", "Sparsemax", gradient=_sparsemax_gradient, shape=_shape_with, real=True)
def sparsemax(x: Any, axis: int = -1) -> np.ndarray:
    """max(x - t, 0), with the t for which the elements along `axis` add up to 1: a softmax with
    zeros (Martins & Astudillo 2016, arXiv 1602.02068).

    >>> from fastconv import ops
    >>> ops.sparsemax([1.0, 1.5, -1.0]).tolist()
    [0.25, 0.75, 0.0]
    """
    (axis,) = axes_of([axis], x.ndim)
    shape = [1] * x.ndim
    shape[axis] = x.shape[axis]
    count = np.arange(1, x.shape[axis] + 1, dtype=x.dtype).reshape(shape)
    descending = -np.sort(-x, axis=axis)
    excess = np.cumsum(descending, axis=axis) - 1
    inside = np.count_nonzero(count * descending > excess, axis=axis, keepdims=True)
    inside = np.maximum(inside, 1)  # of NaN, no comparison is true
    return np.maximum(x - np.take_along_axis(excess, inside - 1, axis) / inside, 0).astype(x.dtype)


@elementwise(
    "nn",
    "HardShrink",
    chain=lambda x, threshold: x.apply("absolute").apply("greater", threshold).where(x, 0.0),
)
def hard_shrink(x: Any, threshold: float = 0.5) -> np.ndarray:
    """x where |x| > threshold, else 0.

    >>> from fastconv import ops
    >>> ops.hard_shrink([-3.0, 0.5]).tolist()
    [-3.0, 0.0]
    """
    return np.where(np.abs(x) > threshold, x, x.dtype.type(0))


def _soft_shrink(x: Any, threshold: float) -> Any:
    above, below = x.apply("greater", threshold), (-x).apply("greater", threshold)
    return above.where(x - threshold, below.where(x + threshold, 0.0))


@elementwise("nn", "SoftShrink", chain=_soft_shrink, real=True)
def soft_shrink(x: Any, threshold: float = 0.5) -> np.ndarray:
    """x moved by `threshold` towards 0, and 0 where |x| <= threshold.

    >>> from fastconv import ops
    >>> ops.soft_shrink([-3.0, 0.5]).tolist()
    [-2.5, 0.0]
    """
    return np.sign(x) * np.maximum(np.abs(x) - x.dtype.type(threshold), 0)


@composite("nn", "TanhShrink")
def tanh_shrink(x: Any) -> np.ndarray:
    """x - tanh(x)

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.tanh_shrink(np.array([0.0])).tolist()
    [0.0]
    """
    x = as_float(x)
    return x - activations.tanh(x)


@elementwise("nn", "Squareplus", chain=lambda x, b: (x + (x * x + b).power(0.5)) * 0.5, real=True)
def squareplus(x: Any, b: float = 4) -> np.ndarray:
    """(x + sqrt(x^2 + b)) / 2

    >>> from fastconv import ops
    >>> ops.squareplus([0.0]).tolist()
    [1.0]
    """
    return (x + np.sqrt(x * x + x.dtype.type(b))) * x.dtype.type(0.5)


def _threshold(x: Any, threshold: float, default_value: float) -> Any:
    return x.apply("greater", threshold).where(x, default_value)


@elementwise("nn", "Threshold", chain=_threshold)
def threshold(x: Any, threshold: float, default_value: float) -> np.ndarray:
    """x where x > threshold, else default_value.

    >>> from fastconv import ops
    >>> ops.threshold([1.0, 3.0], 2.0, 0.0).tolist()
    [0.0, 3.0]
    """
    return np.where(x > threshold, x, np.asarray(default_value, x.dtype))


# ------------------------------------------------------------------------------------ normalization


def _along_axis(vector: Any, axis: int, rank: int) -> Any:
    """Return a vector in a shape that is broadcast along all axes but `axis`."""
    return reshape(vector, [-1 if a == axis else 1 for a in range(rank)])


@composite("nn", "BatchNorm", "x mean variance offset scale")
def batch_normalization(
    x: Any,
    mean: Any,
    variance: Any,
    axis: int,
    offset: Any = None,
    scale: Any = None,
    epsilon: float = 1e-3,
) -> np.ndarray:
    """(x - mean) / sqrt(variance + epsilon) * scale + offset, with vectors along `axis`.

    >>> from fastconv import ops
    >>> ops.batch_normalization([[4.0]], [2.0], [1.0], axis=-1, epsilon=0.0).tolist()
    [[2.0]]
    """
    rank = len(x.shape)
    (axis,) = axes_of([axis], rank)
    inverse = arithmetic.rsqrt(_along_axis(variance, axis, rank) + epsilon)
    if scale is not None:
        inverse = inverse * _along_axis(scale, axis, rank)
    y = (x - _along_axis(mean, axis, rank)) * inverse
    return y if offset is None else y + _along_axis(offset, axis, rank)


@composite("nn", "LayerNorm", "x gamma beta")
def layer_normalization(
    x: Any,
    gamma: Any = None,
    beta: Any = None,
    axis: Any = -1,
    epsilon: float | None = None,
    rms_scaling: bool = False,
) -> np.ndarray:
    """(x - mean) / sqrt(variance + epsilon) * gamma + beta, with the moments along `axis`.

    `epsilon` is 1e-7 by default. With `rms_scaling`, x / sqrt(variance + epsilon) * gamma: Keras
    subtracts no mean and adds no `beta` then, though the variance is that around the mean.

    >>> from fastconv import ops
    >>> ops.layer_normalization([[1.0, 3.0]], epsilon=0.0).tolist()
    [[-1.0, 1.0]]
    """
    mean, variance = reductions.moments(as_float(x), axis, keepdims=True)
    inverse = arithmetic.rsqrt(variance + (EPSILON if epsilon is None else epsilon))
    y, beta = (x * inverse, None) if rms_scaling else ((x - mean) * inverse, beta)
    axes = axes_of(axis, len(x.shape))
    return _scaled(y, gamma, beta, [n if a in axes else 1 for a, n in enumerate(x.shape)])


@composite("nn", "RMSNorm", "x scale")
def rms_normalization(
    x: Any, scale: Any = None, axis: Any = -1, epsilon: float | None = None
) -> np.ndarray:
    """x / sqrt(mean of x^2 along `axis` + epsilon) * scale; `epsilon` is 1e-7 by default.

    >>> from fastconv import ops
    >>> ops.rms_normalization([[2.0, -2.0]], epsilon=0.0).tolist()
    [[1.0, -1.0]]
    """
    x = as_float(x)
    square = reductions.mean(arithmetic.square(x), axis, keepdims=True)
    y = x * arithmetic.rsqrt(square + (EPSILON if epsilon is None else epsilon))
    axes = axes_of(axis, len(x.shape))
    return _scaled(y, scale, None, [n if a in axes else 1 for a, n in enumerate(x.shape)])


def _scaled(y: Any, gamma: Any, beta: Any, shape: list[int]) -> Any:
    y = y if gamma is None else y * reshape(gamma, shape)
    return y if beta is None else y + reshape(beta, shape)


@composite("nn", "Normalize")
def normalize(x: Any, axis: Any = -1, order: float = 2, epsilon: float | None = None) -> np.ndarray:
    """x divided by its norm of `order` along `axis`, or by `epsilon` (1e-7) if that is larger.

    >>> from fastconv import ops
    >>> ops.normalize([[3.0, 4.0]], order=1).tolist()
    [[0.4285714328289032, 0.5714285969734192]]
    """
    x, epsilon = as_float(x), EPSILON if epsilon is None else epsilon
    if not isinstance(order, (int, float)) or order < 1:
        raise ValueError(f"`order` must be a number of at least 1, received {order!r}")
    if order == 2:  # the root is taken last, so that its gradient is finite at 0
        square = reductions.sum(arithmetic.square(x), axis, keepdims=True)
        return x * arithmetic.rsqrt(arithmetic.maximum(square, epsilon**2))
    size = reductions.norm(x, order, axis, keepdims=True)
    return x / arithmetic.maximum(size, epsilon)


# ------------------------------------------------------------------------------------------- losses


@composite("nn", "BinaryCrossentropy", "target output")
def binary_crossentropy(target: Any, output: Any, from_logits: bool = False) -> np.ndarray:
    """-target * log(output) - (1 - target) * log(1 - output), element by element.

    Probabilities are clipped to [1e-7, 1 - 1e-7]; logits are not.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.binary_crossentropy(np.array([0.0]), np.array([-1000.0]), from_logits=True).tolist()
    [0.0]
    """
    target, output = as_float(target), as_float(output)
    if from_logits:
        return activations.softplus(output) - target * output
    output = arithmetic.clip(output, EPSILON, 1 - EPSILON)
    return -(target * transcendental.log(output) + (1 - target) * transcendental.log(1 - output))


@composite("nn", "CategoricalCrossentropy", "target output")
def categorical_crossentropy(
    target: Any, output: Any, from_logits: bool = False, axis: int = -1
) -> np.ndarray:
    """-sum(target * log(output)) along `axis`.

    Probabilities are divided by their sum and clipped to [1e-7, 1 - 1e-7]; logits are not.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.categorical_crossentropy(np.array([[1.0, 0.0]]), np.array([[0.0, -1000.0]]), True)
    array([0.])
    """
    target, output = as_float(target), as_float(output)
    if from_logits:
        logs = log_softmax(output, axis)
    else:
        output = output / reductions.sum(output, axis, keepdims=True)
        logs = transcendental.log(arithmetic.clip(output, EPSILON, 1 - EPSILON))
    return reductions.sum(-(target * logs), axis)


@composite("nn", "SparseCategoricalCrossentropy", "target output", promoted="output")
def sparse_categorical_crossentropy(
    target: Any, output: Any, from_logits: bool = False, axis: int = -1
) -> np.ndarray:
    """`categorical_crossentropy` for class numbers.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.sparse_categorical_crossentropy(np.array([1]), np.array([[0.0, -1000.0]]), True)
    array([1000.])
    """
    classes = output.shape[axis]
    if len(target.shape) == len(output.shape) and target.shape[-1] == 1:
        target = reshape(target, target.shape[:-1])
    hot = one_hot(cast(target, "int32"), classes, axis, np.dtype(output.dtype).name)
    return categorical_crossentropy(hot, output, from_logits, axis)
