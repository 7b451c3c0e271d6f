"""Softmax and log-softmax along the last axis, and their gradients from the output."""

from __future__ import annotations

import numpy as np

from fastconv import runtime
from fastconv._ext._elementwise import SoftmaxBackward, SoftmaxForward
from fastconv.ops import _validation as check


def softmax_in_place(y: np.ndarray, threads: int) -> None:
    """Compute y = softmax(y) over the last axis, for a non-empty C-contiguous y."""
    rows = y.reshape(-1, y.shape[-1])
    SoftmaxForward(rows, rows).run(threads)


def softmax(
    x: np.ndarray, *, out: np.ndarray | None = None, num_threads: int | None = None
) -> np.ndarray:
    """y = exp(x) / sum(exp(x)) along the last axis, computed without overflow.

    Args:
        x: (..., classes), at least one axis and one class, float32 or float64.
        out: array for y, as for `relu`; may be `x`.
        num_threads: as for `relu`.

    Returns:
        y, the shape and dtype of `x`: `out` if given. Each row sums to 1.

    Raises:
        TypeError, ValueError: as `relu`; also ValueError if there is no class.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.softmax(np.array([[1000.0, 1000.0], [0.0, -1000.0]])).tolist()
    [[0.5, 0.5], [1.0, 0.0]]
    """
    return _forward(x, False, out, num_threads)


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


def log_softmax(
    x: np.ndarray, *, out: np.ndarray | None = None, num_threads: int | None = None
) -> np.ndarray:
    """y = log(softmax(x)) along the last axis, finite where the softmax rounds to zero.

    Everything else is as for `softmax`.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.log_softmax(np.array([[0.0, -1000.0]])).tolist()
    [[0.0, -1000.0]]
    """
    return _forward(x, True, out, num_threads)


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
