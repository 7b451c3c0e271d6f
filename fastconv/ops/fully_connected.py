"""The product of a dense (fully connected) layer and its gradients."""

from __future__ import annotations

import numpy as np

from fastconv import runtime, shapes
from fastconv._ext._dense import DenseBackwardInput, DenseBackwardKernel, DenseForward
from fastconv.common.literals import FusedActivation
from fastconv.ops import _validation as check
from fastconv.ops.activations import epilogue
from fastconv.ops.softmax import softmax_in_place


def dense(
    x: np.ndarray,
    w: np.ndarray,
    b: np.ndarray | None = None,
    *,
    activation: FusedActivation | None = None,
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """y = activation(x @ w + b)

    Args:
        x: (N, I), float32 or float64. N may be 0.
        w: (I, O), the dtype of `x`.
        b: (O,), the dtype of `x`, or None for no bias.
        activation: None, "linear", "relu", "leaky_relu" (slope 0.2), "sigmoid", "tanh" or
            "softmax" (over the O outputs).
        out: array for y: writable, C-contiguous, of y's shape and dtype, no overlap with inputs.
        num_threads: number of threads; None for `fastconv.runtime.get_num_threads()`. The result
            is bit-identical for any number.

    Returns:
        y (N, O), the dtype of `x`: `out` if given.

    Raises:
        TypeError: an operand is not a float32 or float64 array, or dtypes differ.
        ValueError: shapes do not match, an activation is unknown, or `out` is invalid.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> x, w = np.array([[1.0, 2.0]]), np.array([[1.0, -1.0], [3.0, -3.0]])
    >>> ops.dense(x, w, np.array([0.5, 0.5]), activation="relu").tolist()
    [[7.5, 0.0]]
    """
    x = check.check_float(x, "x")
    w = check.check_float(w, "w", x, "x")
    if b is not None:
        b = check.check_float(b, "b", x, "x")
    applied = check.check_activation(activation)
    rows, inputs = shapes.normalize_shape(x.shape, "x", "N, I")
    outputs = shapes.normalize_shape(w.shape, "w", "I, O")[1]
    check.check_shape(w, "w", (inputs, outputs), f"to match `x` with {inputs} columns")
    if b is not None:
        check.check_shape(b, "b", (outputs,), "with one value per column of `w`")
    threads = runtime.resolve_num_threads(num_threads)
    y = check.result(out, (rows, outputs), x, {"x": x, "w": w, "b": b})
    if rows:
        fused, slope = epilogue(applied)
        x, w, b = check.operand(x), check.operand(w), None if b is None else check.operand(b)
        DenseForward(x, w, b, y, fused, slope).run(threads)
        if applied == "softmax":
            softmax_in_place(y, threads)
    return y if out is None else out


def dense_backward_input(
    dy: np.ndarray, w: np.ndarray, *, out: np.ndarray | None = None, num_threads: int | None = None
) -> np.ndarray:
    """The gradient of `dense` (without activation) with respect to its input: dx = dy @ w.T

    Args:
        dy: (N, O), float32 or float64, the gradient with respect to the output.
        w: (I, O), the weights of the forward pass, the dtype of `dy`.
        out: array for dx: writable, C-contiguous, of dx's shape and dtype, no overlap with inputs.
        num_threads: as for `dense`.

    Returns:
        dx (N, I), the dtype of `dy`: `out` if given.

    Raises:
        TypeError, ValueError: as `dense`.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> dy, w = np.array([[1.0, 2.0]]), np.array([[1.0, -1.0], [3.0, 4.0]])
    >>> ops.dense_backward_input(dy, w).tolist()
    [[-1.0, 11.0]]
    """
    dy = check.check_float(dy, "dy")
    w = check.check_float(w, "w", dy, "dy")
    rows, outputs = shapes.normalize_shape(dy.shape, "dy", "N, O")
    inputs = shapes.normalize_shape(w.shape, "w", "I, O")[0]
    check.check_shape(w, "w", (inputs, outputs), f"to match `dy` with {outputs} columns")
    threads = runtime.resolve_num_threads(num_threads)
    dx = check.result(out, (rows, inputs), dy, {"dy": dy, "w": w})
    if rows:
        DenseBackwardInput(check.operand(dy), check.operand(w), dx).run(threads)
    return dx if out is None else out


def dense_backward_kernel(
    x: np.ndarray, dy: np.ndarray, *, num_threads: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The gradients of `dense` (without activation): dw = x.T @ dy and db = dy.sum(axis=0)

    Args:
        x: (N, I), float32 or float64, the input of the forward pass.
        dy: (N, O), the dtype of `x`, the gradient with respect to the output.
        num_threads: as for `dense`.

    Returns:
        dw (I, O) and db (O,), the dtype of `x`; zeros for an empty batch.

    Raises:
        TypeError, ValueError: as `dense`.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> x, dy = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0], [10.0]])
    >>> dw, db = ops.dense_backward_kernel(x, dy)
    >>> dw.tolist(), db.tolist()
    ([[31.0], [42.0]], [11.0])
    """
    x = check.check_float(x, "x")
    dy = check.check_float(dy, "dy", x, "x")
    rows, inputs = shapes.normalize_shape(x.shape, "x", "N, I")
    outputs = shapes.normalize_shape(dy.shape, "dy", "N, O")[1]
    check.check_shape(dy, "dy", (rows, outputs), f"to match `x` with {rows} rows")
    threads = runtime.resolve_num_threads(num_threads)
    dtype = x.dtype.newbyteorder("=")
    dw, db = np.zeros((inputs, outputs), dtype), np.zeros(outputs, dtype)
    if rows:
        DenseBackwardKernel(check.operand(x), check.operand(dy), dw, db).run(threads)
    return dw, db
