"""Activation functions and their gradients.

Every backward function takes the *output* y of its forward function, not the input: the derivatives
of all of them can be read off y, so that a network in training need not keep both.
"""

from __future__ import annotations

import numpy as np

from .. import runtime
from .._ext._elementwise import (
    ActivationBackward,
    ActivationForward,
    SoftmaxBackward,
    SoftmaxForward,
)
from . import _validation as check


def epilogue(activation: str) -> tuple[str, float]:
    """What a convolution or a dense product applies while y is in registers: (name, slope).

    A softmax needs all the values of a row at once, so it runs afterwards.
    """
    return ("linear" if activation == "softmax" else activation), check.LEAKY_RELU_SLOPE


def softmax_in_place(y: np.ndarray, threads: int) -> None:
    """y = softmax(y) over the last axis, for a C-contiguous y that is not empty."""
    rows = y.reshape(-1, y.shape[-1])
    SoftmaxForward(rows, rows).run(threads)


# ------------------------------------------------------------------------------------ element-wise


def relu(
    x: np.ndarray, *, out: np.ndarray | None = None, num_threads: int | None = None
) -> np.ndarray:
    """y = max(x, 0); NaN stays NaN.

    Args:
        x: any shape, float32 or float64.
        out: where to write y: writable, C-contiguous, of the shape and dtype of `x`; may be `x`.
        num_threads: threads to use; None for `fastconv.runtime.get_num_threads()`.

    Returns:
        y, the shape and dtype of `x`: `out` if given.

    Raises:
        TypeError: `x` is not a float32 or float64 array, `out` has another dtype.
        ValueError: an unsuitable `out`.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.relu(np.array([-1.0, 0.0, 2.0])).tolist()
    [0.0, 0.0, 2.0]
    """
    return _forward("relu", x, 0.0, out, num_threads)


def relu_backward(
    y: np.ndarray,
    dy: np.ndarray,
    *,
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """dx = dy where y > 0, else 0 (at x = 0, where there is no derivative, from the left).

    Args:
        y: any shape, float32 or float64, the output of `relu`. Where it is NaN, dy passes.
        dy: the shape and dtype of `y`, the gradient with respect to `y`.
        out: where to write dx, as for `relu`; may be `dy`.
        num_threads: as for `relu`.

    Returns:
        dx, the shape and dtype of `y`: `out` if given.

    Raises:
        TypeError, ValueError: as `relu`; ValueError too if the shapes differ.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.relu_backward(np.array([0.0, 0.0, 2.0]), np.array([5.0, 6.0, 7.0])).tolist()
    [0.0, 0.0, 7.0]
    """
    return _backward("relu", y, dy, 0.0, out, num_threads)


def leaky_relu(
    x: np.ndarray,
    *,
    negative_slope: float = check.LEAKY_RELU_SLOPE,
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """y = x where x > 0, else negative_slope * x; NaN stays NaN.

    `negative_slope` must be finite and not negative. Everything else is as for `relu`.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.leaky_relu(np.array([-8.0, 2.0]), negative_slope=0.25).tolist()
    [-2.0, 2.0]
    """
    return _forward("leaky_relu", x, check.check_slope(negative_slope), out, num_threads)


def leaky_relu_backward(
    y: np.ndarray,
    dy: np.ndarray,
    *,
    negative_slope: float = check.LEAKY_RELU_SLOPE,
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """dx = dy where y > 0, else negative_slope * dy, from the output y of `leaky_relu`.

    Arguments, result and errors are as for `relu_backward`.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> y, dy = np.array([-2.0, 2.0]), np.array([4.0, 4.0])
    >>> ops.leaky_relu_backward(y, dy, negative_slope=0.25).tolist()
    [1.0, 4.0]
    """
    slope = check.check_slope(negative_slope)
    return _backward("leaky_relu", y, dy, slope, out, num_threads)


def sigmoid(
    x: np.ndarray, *, out: np.ndarray | None = None, num_threads: int | None = None
) -> np.ndarray:
    """y = 1 / (1 + exp(-x)), without overflow for any x. Everything else is as for `relu`.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.sigmoid(np.array([-1000.0, 0.0, 1000.0])).tolist()
    [0.0, 0.5, 1.0]
    """
    return _forward("sigmoid", x, 0.0, out, num_threads)


def sigmoid_backward(
    y: np.ndarray,
    dy: np.ndarray,
    *,
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """dx = dy * y * (1 - y), from the output y of `sigmoid`. Else as for `relu_backward`.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.sigmoid_backward(np.array([0.5, 1.0]), np.array([8.0, 8.0])).tolist()
    [2.0, 0.0]
    """
    return _backward("sigmoid", y, dy, 0.0, out, num_threads)


def tanh(
    x: np.ndarray, *, out: np.ndarray | None = None, num_threads: int | None = None
) -> np.ndarray:
    """y = tanh(x). Everything else is as for `relu`.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.tanh(np.array([0.0, 1000.0])).tolist()
    [0.0, 1.0]
    """
    return _forward("tanh", x, 0.0, out, num_threads)


def tanh_backward(
    y: np.ndarray,
    dy: np.ndarray,
    *,
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """dx = dy * (1 - y^2), from the output y of `tanh`. Else as for `relu_backward`.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.tanh_backward(np.array([0.0, 0.5]), np.array([4.0, 4.0])).tolist()
    [4.0, 3.0]
    """
    return _backward("tanh", y, dy, 0.0, out, num_threads)


def _forward(
    kind: str, x: np.ndarray, slope: float, out: np.ndarray | None, num_threads: int | None
) -> np.ndarray:
    x = check.check_float(x, "x")
    threads = runtime.resolve_num_threads(num_threads)
    y = check.result(out, x.shape, x, {"x": x}, in_place="x")
    if x.size:
        ActivationForward(kind, check.operand(x).reshape(-1), y.reshape(-1), slope).run(threads)
    return y if out is None else out


def _backward(
    kind: str,
    y: np.ndarray,
    dy: np.ndarray,
    slope: float,
    out: np.ndarray | None,
    num_threads: int | None,
) -> np.ndarray:
    y = check.check_float(y, "y")
    dy = check.check_float(dy, "dy", y, "y")
    check.check_shape(dy, "dy", y.shape, "to match `y`")
    threads = runtime.resolve_num_threads(num_threads)
    dx = check.result(out, y.shape, y, {"y": y, "dy": dy}, in_place="dy")
    if y.size:
        flat = (check.operand(y).reshape(-1), check.operand(dy).reshape(-1), dx.reshape(-1))
        ActivationBackward(kind, *flat, slope).run(threads)
    return dx if out is None else out


# ----------------------------------------------------------------------------------------- softmax


def softmax(
    x: np.ndarray, *, out: np.ndarray | None = None, num_threads: int | None = None
) -> np.ndarray:
    """y = exp(x) / sum(exp(x)) along the last axis, computed without overflow.

    Args:
        x: (..., classes), at least one axis and one class, float32 or float64.
        out: where to write y, as for `relu`; may be `x`.
        num_threads: as for `relu`.

    Returns:
        y, the shape and dtype of `x`: `out` if given. Each row adds up to 1.

    Raises:
        TypeError, ValueError: as `relu`; ValueError too if there is no class.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.softmax(np.array([[1000.0, 1000.0], [0.0, -1000.0]])).tolist()
    [[0.5, 0.5], [1.0, 0.0]]
    """
    x = _check_rows(check.check_float(x, "x"), "x")
    threads = runtime.resolve_num_threads(num_threads)
    y = check.result(out, x.shape, x, {"x": x}, in_place="x")
    if x.size:
        classes = x.shape[-1]
        rows = check.operand(x).reshape(-1, classes)
        SoftmaxForward(rows, y.reshape(-1, classes)).run(threads)
    return y if out is None else out


def softmax_backward(
    y: np.ndarray,
    dy: np.ndarray,
    *,
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """dx = y * (dy - sum(dy * y)) along the last axis, from the output y of `softmax`.

    Args:
        y: (..., classes), float32 or float64, the output of `softmax`.
        dy: the shape and dtype of `y`, the gradient with respect to `y`.
        out: where to write dx, as for `relu`; may be `dy`.
        num_threads: as for `relu`.

    Returns:
        dx, the shape and dtype of `y`: `out` if given.

    Raises:
        TypeError, ValueError: as `softmax`; ValueError too if the shapes differ.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.softmax_backward(np.array([[0.5, 0.5]]), np.array([[4.0, 0.0]])).tolist()
    [[1.0, -1.0]]
    """
    y = check.check_float(y, "y")
    dy = check.check_float(dy, "dy", y, "y")
    _check_rows(y, "y")
    check.check_shape(dy, "dy", y.shape, "to match `y`")
    threads = runtime.resolve_num_threads(num_threads)
    dx = check.result(out, y.shape, y, {"y": y, "dy": dy}, in_place="dy")
    if y.size:
        rows = (array.reshape(-1, y.shape[-1]) for array in map(check.operand, (y, dy, dx)))
        SoftmaxBackward(*rows).run(threads)
    return dx if out is None else out


def _check_rows(array: np.ndarray, name: str) -> np.ndarray:
    if array.ndim == 0 or array.shape[-1] == 0:
        raise ValueError(
            f"`{name}` must have a last axis with at least one class, received shape {array.shape}"
        )
    return array
