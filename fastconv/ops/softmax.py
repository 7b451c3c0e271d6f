"""Softmax and log-softmax along axes, and their gradients from the output."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastconv import runtime
from fastconv._ext._elementwise import SoftmaxBackward, SoftmaxForward
from fastconv.ops import _validation as check
from fastconv.ops._function import Spec, function
from fastconv.ops.shaping import axes_of


def softmax_in_place(y: np.ndarray, threads: int) -> None:
    """Compute y = softmax(y) over the last axis, for a non-empty C-contiguous y."""
    rows = y.reshape(-1, y.shape[-1])
    SoftmaxForward(rows, rows).run(threads)


def _same(x: Spec, axis: Any = -1) -> tuple:
    axes_of(axis, x.ndim)
    return x.shape


@function(
    "nn",
    "Softmax",
    gradient=lambda dy, y, x, axis: _along(softmax_backward, axis, y, dy),
    shape=_same,
    strict=True,
)
def softmax(
    x: Any,
    axis: Any = -1,
    *,
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """y = exp(x) / sum(exp(x)) along one axis, computed without overflow.

    Args:
        x: (..., classes), at least one axis and one class, float32 or float64.
        axis: an axis, several (over all of which together the sum is 1), or None for all.
        out: array for y, as for `relu`; may be `x`. Only for the last axis.
        num_threads: as for `relu`.

    Returns:
        y, the shape and dtype of `x`: `out` if given. Each row along `axis` sums to 1.

    Raises:
        TypeError, ValueError: as `relu`; also ValueError if there is no class or no such axis.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.softmax(np.array([[1000.0, 1000.0], [0.0, -1000.0]])).tolist()
    [[0.5, 0.5], [1.0, 0.0]]
    """
    return _on_axes(x, axis, False, out, num_threads)


def softmax_backward(
    y: np.ndarray, dy: np.ndarray, *, out: np.ndarray | None = None, num_threads: int | None = None
) -> np.ndarray:
    """dx = y * (dy - sum(dy * y)) along the last axis, from the output y of `softmax`.

    Args:
        y: (..., classes), float32 or float64, the output of `softmax`.
        dy: the shape and dtype of `y`, the gradient with respect to `y`.
        out: array for dx, as for `relu`; may be `dy`.
        num_threads: as for `relu`.

    Returns:
        dx, the shape and dtype of `y`: `out` if given.

    Raises:
        TypeError, ValueError: as `softmax`; also ValueError if the shapes differ.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.softmax_backward(np.array([[0.5, 0.5]]), np.array([[4.0, 0.0]])).tolist()
    [[1.0, -1.0]]
    """
    return _backward(y, dy, False, out, num_threads)


@function(
    "nn",
    "LogSoftmax",
    gradient=lambda dy, y, x, axis: _along(log_softmax_backward, axis, y, dy),
    shape=_same,
    strict=True,
)
def log_softmax(
    x: Any,
    axis: Any = -1,
    *,
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """y = log(softmax(x)) along one axis, finite where the softmax rounds to zero.

    Everything else is as for `softmax`.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.log_softmax(np.array([[0.0, -1000.0]])).tolist()
    [[0.0, -1000.0]]
    """
    return _on_axes(x, axis, True, out, num_threads)


def log_softmax_backward(
    y: np.ndarray, dy: np.ndarray, *, out: np.ndarray | None = None, num_threads: int | None = None
) -> np.ndarray:
    """dx = dy - exp(y) * sum(dy) along the last axis, from the output y of `log_softmax`.

    Everything else is as for `softmax_backward`.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.log_softmax_backward(np.log([[0.5, 0.5]]), np.array([[4.0, 0.0]])).tolist()
    [[2.0, -2.0]]
    """
    return _backward(y, dy, True, out, num_threads)


def _on_axes(
    x: np.ndarray, axis: Any, log: bool, out: np.ndarray | None, num_threads: int | None
) -> np.ndarray:
    if axis == -1 or not isinstance(x, np.ndarray):
        return _forward(x, log, out, num_threads)
    if out is not None and axes_of(axis, x.ndim) != (x.ndim - 1,):
        raise ValueError(f"`out` must be None for another axis than the last, received {axis!r}")
    return _along(lambda x: _forward(x, log, out, num_threads), axis, x)


def _along(function: Callable[..., np.ndarray], axis: Any, *arrays: np.ndarray) -> np.ndarray:
    """Return `function`, which works along the last axis, along `axis`."""
    axes = axes_of(axis, arrays[0].ndim)
    if axes == (arrays[0].ndim - 1,):
        return function(*arrays)
    last = range(-len(axes), 0)
    moved = [np.moveaxis(array, axes, last) for array in arrays]
    shape = moved[0].shape
    flat = [array.reshape(*shape[: -len(axes)], -1) for array in moved]
    return np.moveaxis(function(*flat).reshape(shape), last, axes)


def _forward(
    x: np.ndarray, log: bool, out: np.ndarray | None, num_threads: int | None
) -> np.ndarray:
    x = _check_rows(check.check_float(x, "x"), "x")
    threads = runtime.resolve_num_threads(num_threads)
    y = check.result(out, x.shape, x, {"x": x}, in_place="x")
    if x.size:
        classes = x.shape[-1]
        rows = check.operand(x).reshape(-1, classes)
        SoftmaxForward(rows, y.reshape(-1, classes), log).run(threads)
    return y if out is None else out


def _backward(
    y: np.ndarray, dy: np.ndarray, log: bool, out: np.ndarray | None, num_threads: int | None
) -> np.ndarray:
    y = check.check_float(y, "y")
    dy = check.check_float(dy, "dy", y, "y")
    _check_rows(y, "y")
    check.check_shape(dy, "dy", y.shape, "to match `y`")
    threads = runtime.resolve_num_threads(num_threads)
    dx = check.result(out, y.shape, y, {"y": y, "dy": dy}, in_place="dy")
    if y.size:
        y_rows, dy_rows, dx_rows = (
            check.operand(array).reshape(-1, y.shape[-1]) for array in (y, dy, dx)
        )
        SoftmaxBackward(y_rows, dy_rows, dx_rows, log).run(threads)
    return dx if out is None else out


def _check_rows(array: np.ndarray, name: str) -> np.ndarray:
    if array.ndim == 0 or array.shape[-1] == 0:
        raise ValueError(
            f"`{name}` must have a last axis with at least one class, received shape {array.shape}"
        )
    return array
