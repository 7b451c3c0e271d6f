"""Normalizations and their gradients."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastconv import runtime, shapes
from fastconv._ext._normalization import (
    ChannelNormBackward,
    ChannelNormForward,
    FrozenNormForward,
    ResponseNormBackward,
    ResponseNormForward,
    RowNormBackward,
    RowNormForward,
)
from fastconv.common.arguments import number
from fastconv.ops import _validation as check


def batch_norm(
    x: np.ndarray,
    gamma: np.ndarray | None = None,
    beta: np.ndarray | None = None,
    *,
    epsilon: float = 1e-3,
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """y = gamma * (x - mean) / sqrt(variance + epsilon) + beta, with batch statistics per channel.

    Args:
        x: (..., C), at least two axes, all non-empty; float32 or float64.
        gamma, beta: (C,), the dtype of `x`; None for 1 and 0.
        epsilon: positive.
        out: array for y: writable, C-contiguous, of the shape and dtype of `x`.
        num_threads: number of threads; None for `fastconv.runtime.get_num_threads()`.

    Returns:
        y, the shape and dtype of `x`; mean and (biased) variance, each (C,).

    Raises:
        TypeError: an operand is not a float32 or float64 array, or dtypes differ.
        ValueError: shapes do not match, or `epsilon` or `out` is invalid.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> y, mean, variance = ops.batch_norm(np.array([[1.0, 0.0], [3.0, 4.0]]), epsilon=1e-12)
    >>> y.round(6).tolist(), mean.tolist(), variance.tolist()
    ([[-1.0, -1.0], [1.0, 1.0]], [2.0, 2.0], [1.0, 4.0])
    """
    x = samples(x)
    scale, shift = _weights(x, x.shape[-1:], gamma=gamma, beta=beta)
    epsilon = number(epsilon, "epsilon", 0, above=True)
    threads = runtime.resolve_num_threads(num_threads)
    y = check.result(out, x.shape, x, {"x": x, "gamma": gamma, "beta": beta})
    mean, variance = np.empty((2, 1, x.shape[-1]), y.dtype)
    one = (1, -1, x.shape[-1])
    ChannelNormForward(
        check.operand(x).reshape(one), scale, shift, y.reshape(one), mean, variance, epsilon
    ).run(threads)
    return (y if out is None else out), mean[0], variance[0]


def batch_norm_backward(
    x: np.ndarray,
    dy: np.ndarray,
    gamma: np.ndarray | None = None,
    *,
    epsilon: float = 1e-3,
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The gradients of `batch_norm`, including those through its statistics.

    Args:
        x, gamma, epsilon: as in the forward pass.
        dy: the shape and dtype of `x`.
        out: array for dx; may be `dy`.
        num_threads: as for `batch_norm`.

    Returns:
        dx, the shape and dtype of `x`; dgamma and dbeta, each (C,).

    Raises as `batch_norm`.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> x, dy = np.array([[1.0], [3.0]]), np.array([[2.0], [6.0]])
    >>> dx, dgamma, dbeta = ops.batch_norm_backward(x, dy, epsilon=1e-12)
    >>> (dx.round(6) + 0).tolist(), dgamma.round(6).tolist(), dbeta.tolist()
    ([[0.0], [0.0]], [4.0], [8.0])
    """
    return _channel_backward(x, dy, gamma, None, epsilon, out, num_threads)


def batch_norm_inference(
    x: np.ndarray,
    mean: np.ndarray,
    variance: np.ndarray,
    gamma: np.ndarray | None = None,
    beta: np.ndarray | None = None,
    *,
    epsilon: float = 1e-3,
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """y = gamma * (x - mean) / sqrt(variance + epsilon) + beta with given statistics, each (C,).

    `out` may be `x`; everything else is as for `batch_norm`.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> x, two, four = np.array([[6.0]]), np.array([2.0]), np.array([4.0])
    >>> ops.batch_norm_inference(x, two, four, epsilon=1e-12).round(6).tolist()
    [[2.0]]
    """
    x = samples(x)
    channels = x.shape[-1:]
    mean, variance = (
        _row(x, channels, value, name) for name, value in (("mean", mean), ("variance", variance))
    )
    gamma, beta = _weights(x, channels, gamma=gamma, beta=beta)
    epsilon = number(epsilon, "epsilon", 0, above=True)
    threads = runtime.resolve_num_threads(num_threads)
    y = check.result(out, x.shape, x, {"x": x}, in_place="x")
    FrozenNormForward(check.operand(x), gamma, beta, mean, variance, y, epsilon).run(threads)
    return y if out is None else out


def group_norm(
    x: np.ndarray,
    gamma: np.ndarray | None = None,
    beta: np.ndarray | None = None,
    *,
    groups: int,
    epsilon: float = 1e-3,
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """As `batch_norm`, with statistics per sample and group of neighbouring channels.

    x is (N, ..., C); C is a multiple of `groups`. Everything else is as for `batch_norm`.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.group_norm(np.array([[1.0, 3.0, 5.0, 9.0]]), groups=2, epsilon=1e-12).round(6).tolist()
    [[-1.0, 1.0, -1.0, 1.0]]
    """
    x = samples(x)
    scale, shift = _weights(x, x.shape[-1:], gamma=gamma, beta=beta)
    groups = _groups(groups, x)
    epsilon = number(epsilon, "epsilon", 0, above=True)
    threads = runtime.resolve_num_threads(num_threads)
    y = check.result(out, x.shape, x, {"x": x, "gamma": gamma, "beta": beta})
    mean, variance = np.empty((2, x.shape[0], groups), y.dtype)
    split = (x.shape[0], -1, x.shape[-1])
    ChannelNormForward(
        check.operand(x).reshape(split), scale, shift, y.reshape(split), mean, variance, epsilon
    ).run(threads)
    return y if out is None else out


def group_norm_backward(
    x: np.ndarray,
    dy: np.ndarray,
    gamma: np.ndarray | None = None,
    *,
    groups: int,
    epsilon: float = 1e-3,
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The gradients dx, dgamma and dbeta of `group_norm`. Otherwise as for `batch_norm_backward`.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> x, dy = np.array([[1.0, 3.0]]), np.array([[1.0, 5.0]])
    >>> dx, dgamma, dbeta = ops.group_norm_backward(x, dy, groups=1, epsilon=1e-12)
    >>> dgamma.round(6).tolist(), dbeta.tolist()
    ([-1.0, 5.0], [1.0, 5.0])
    """
    return _channel_backward(x, dy, gamma, groups, epsilon, out, num_threads)


def layer_norm(
    x: np.ndarray,
    gamma: np.ndarray | None = None,
    beta: np.ndarray | None = None,
    *,
    axes: int = 1,
    epsilon: float = 1e-3,
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """As `batch_norm`, with statistics over the last `axes` axes of x together.

    gamma and beta have the shape of those axes, `out` may be `x`. Otherwise as for `batch_norm`.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.layer_norm(np.array([[1.0, 3.0], [5.0, 9.0]]), epsilon=1e-12).round(6).tolist()
    [[-1.0, 1.0], [-1.0, 1.0]]
    """
    x = samples(x)
    shape = _last(x, axes)
    gamma, beta = _weights(x, shape, gamma=gamma, beta=beta)
    return _rows(
        x, gamma, beta, shape, number(epsilon, "epsilon", 0, above=True), False, out, num_threads
    )


def layer_norm_backward(
    x: np.ndarray,
    dy: np.ndarray,
    gamma: np.ndarray | None = None,
    *,
    axes: int = 1,
    epsilon: float = 1e-3,
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The gradients dx, dgamma and dbeta of `layer_norm`. Otherwise as for `batch_norm_backward`.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> x, dy = np.array([[1.0, 3.0]]), np.array([[1.0, 5.0]])
    >>> dx, dgamma, dbeta = ops.layer_norm_backward(x, dy, epsilon=1e-12)
    >>> dgamma.round(6).tolist(), dbeta.tolist()
    ([-1.0, 5.0], [1.0, 5.0])
    """
    x, dy = samples(x), gradient(x, dy)
    shape = _last(x, axes)
    (gamma,) = _weights(x, shape, gamma=gamma)
    epsilon = number(epsilon, "epsilon", 0, above=True)
    dgamma, dbeta = np.empty((2, math.prod(shape)), x.dtype.newbyteorder("="))
    dx = _rows_backward(x, dy, gamma, shape, dgamma, dbeta, epsilon, False, out, num_threads)
    return dx, dgamma.reshape(shape), dbeta.reshape(shape)


def unit_norm(
    x: np.ndarray,
    *,
    epsilon: float = 1e-12,
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """y = x / max(|x|, epsilon), where |x| is the Euclidean norm along the last axis.

    `out` may be `x`. Everything else is as for `batch_norm`.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.unit_norm(np.array([[3.0, 4.0]])).round(6).tolist()
    [[0.6, 0.8]]
    """
    x = samples(x)
    epsilon = number(epsilon, "epsilon", 0, above=True)
    return _rows(x, None, None, x.shape[-1:], epsilon, True, out, num_threads)


def unit_norm_backward(
    x: np.ndarray,
    dy: np.ndarray,
    *,
    epsilon: float = 1e-12,
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """dx = (dy - y * sum(y * dy)) / |x|, the gradient of `unit_norm`. `out` may be `dy`.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.unit_norm_backward(np.array([[0.0, 2.0]]), np.array([[6.0, 6.0]])).tolist()
    [[3.0, 0.0]]
    """
    x, dy = samples(x), gradient(x, dy)
    epsilon = number(epsilon, "epsilon", 0, above=True)
    shape = x.shape[-1:]
    return _rows_backward(x, dy, None, shape, None, None, epsilon, True, out, num_threads)


def local_response_norm(
    x: np.ndarray,
    *,
    depth_radius: int = 5,
    bias: float = 1.0,
    alpha: float = 1.0,
    beta: float = 0.5,
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """y = x / (bias + alpha * s)^beta, where s is the sum of squares over neighbouring channels.

    These are the channels at most `depth_radius` away, at the same position (Krizhevsky, Sutskever
    & Hinton 2012, section 3.3). `bias` must be positive, `alpha` and `beta` >= 0; `out` may be `x`.
    Everything else is as for `batch_norm`.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.local_response_norm(np.array([[1.0, 2.0, 3.0]]), depth_radius=1, beta=1.0).round(4)
    array([[0.1667, 0.1333, 0.2143]])
    """
    x = samples(x)
    settings = _response(depth_radius, bias, alpha, beta)
    threads = runtime.resolve_num_threads(num_threads)
    y = check.result(out, x.shape, x, {"x": x}, in_place="x")
    rows = (-1, x.shape[-1])
    ResponseNormForward(check.operand(x).reshape(rows), y.reshape(rows), *settings).run(threads)
    return y if out is None else out


def local_response_norm_backward(
    x: np.ndarray,
    dy: np.ndarray,
    *,
    depth_radius: int = 5,
    bias: float = 1.0,
    alpha: float = 1.0,
    beta: float = 0.5,
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """dx, the gradient of `local_response_norm`. `out` may be `dy`.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> x, dy = np.array([[1.0, 2.0]]), np.array([[1.0, 0.0]])
    >>> ops.local_response_norm_backward(x, dy, beta=1.0).round(4).tolist()
    [[0.1111, -0.1111]]
    """
    x, dy = samples(x), gradient(x, dy)
    settings = _response(depth_radius, bias, alpha, beta)
    threads = runtime.resolve_num_threads(num_threads)
    dx = check.result(out, x.shape, x, {"x": x, "dy": dy}, in_place="dy")
    images, dy_rows, dx_rows = (
        array.reshape(-1, x.shape[-1]) for array in (check.operand(x), dy, dx)
    )
    ResponseNormBackward(images, dy_rows, dx_rows, *settings).run(threads)
    return dx if out is None else out


# --------------------------------------------------------------------------------- shared functions


def _channel_backward(x, dy, gamma, groups, epsilon, out, num_threads):
    x, dy = samples(x), gradient(x, dy)
    (gamma,) = _weights(x, x.shape[-1:], gamma=gamma)
    segments = 1 if groups is None else x.shape[0]
    groups = x.shape[-1] if groups is None else _groups(groups, x)
    epsilon = number(epsilon, "epsilon", 0, above=True)
    threads = runtime.resolve_num_threads(num_threads)
    dx = check.result(out, x.shape, x, {"x": x, "dy": dy, "gamma": gamma}, in_place="dy")
    mean, variance = np.empty((2, segments, groups), dx.dtype)
    dgamma, dbeta = np.empty((2, x.shape[-1]), dx.dtype)
    split = (segments, -1, x.shape[-1])
    x, dy = check.operand(x).reshape(split), dy.reshape(split)
    # A forward pass computes the statistics; its result is not used.
    ChannelNormForward(x, None, None, np.empty_like(x), mean, variance, epsilon).run(threads)
    ChannelNormBackward(
        x, dy, gamma, None, mean, variance, dx.reshape(split), dgamma, dbeta, epsilon
    ).run(threads)
    return (dx if out is None else out), dgamma, dbeta


def _rows(x, gamma, beta, shape, epsilon, unit, out, num_threads):
    threads = runtime.resolve_num_threads(num_threads)
    y = check.result(out, x.shape, x, {"x": x, "gamma": gamma, "beta": beta}, in_place="x")
    rows = check.operand(x).reshape(-1, math.prod(shape))
    statistics = np.empty((len(rows), 2), y.dtype)
    RowNormForward(rows, gamma, beta, y.reshape(rows.shape), statistics, epsilon, unit).run(threads)
    return y if out is None else out


def _rows_backward(x, dy, gamma, shape, dgamma, dbeta, epsilon, unit, out, num_threads):
    threads = runtime.resolve_num_threads(num_threads)
    dx = check.result(out, x.shape, x, {"x": x, "dy": dy, "gamma": gamma}, in_place="dy")
    x, dy = (array.reshape(-1, math.prod(shape)) for array in (check.operand(x), dy))
    statistics = np.empty((len(x), 2), dx.dtype)
    RowNormForward(x, None, None, np.empty_like(x), statistics, epsilon, unit).run(threads)
    RowNormBackward(
        x, dy, gamma, statistics, dx.reshape(x.shape), dgamma, dbeta, epsilon, unit
    ).run(threads)
    return dx if out is None else out


def samples(x: Any) -> np.ndarray:
    x = check.check_float(x, "x")
    if x.ndim < 2 or 0 in x.shape:
        raise ValueError(
            f"`x` must have at least two axes, none of them empty, received shape {x.shape}"
        )
    return x


def gradient(x: np.ndarray, dy: Any) -> np.ndarray:
    """Return `dy` in the layout of the kernels; the caller's own array if it already has it."""
    dy = check.check_float(dy, "dy", x, "x")
    check.check_shape(dy, "dy", x.shape, "to match `x`")
    return check.operand(dy)


def _weights(x: np.ndarray, shape: tuple[int, ...], **named: Any) -> list[np.ndarray | None]:
    """Return each of `named` as one row; None stays None."""
    return [None if value is None else _row(x, shape, value, name) for name, value in named.items()]


def _row(x: np.ndarray, shape: tuple[int, ...], value: Any, name: str) -> np.ndarray:
    """Return weights for the last axes of `x` as one row."""
    value = check.check_float(value, name, x, "x")
    check.check_shape(value, name, shape, "to match the last axes of `x`")
    return check.operand(value).reshape(-1)


def _groups(groups: Any, x: np.ndarray) -> int:
    groups = shapes.normalize_int(groups, "groups")
    if x.shape[-1] % groups:
        raise ValueError(
            f"the channels of `x` (={x.shape[-1]}) must be a multiple of `groups` (={groups})"
        )
    return groups


def _last(x: np.ndarray, axes: Any) -> tuple[int, ...]:
    axes = shapes.normalize_int(axes, "axes")
    if axes >= x.ndim:
        raise ValueError(
            f"`axes` must be less than the number of axes of `x` (={x.ndim}), received {axes}"
        )
    return x.shape[-axes:]


def _response(depth_radius, bias, alpha, beta) -> tuple[int, float, float, float]:
    return (
        shapes.normalize_int(depth_radius, "depth_radius", minimum=0),
        number(bias, "bias", 0, above=True),
        number(alpha, "alpha", 0),
        number(beta, "beta", 0),
    )
