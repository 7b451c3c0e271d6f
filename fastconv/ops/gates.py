"""Activation functions whose gradients take the *input* x: the output does not determine it.

Most of them are x times a gate between 0 and 1 that increases with x.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv import runtime, shapes
from fastconv._ext._normalization import PReLUBackward, PReLUForward
from fastconv.ops import _validation as check
from fastconv.ops._function import activation
from fastconv.ops.activations import backward_pass, forward_pass
from fastconv.ops.normalization import gradient, samples


def bounded_relu(
    x: np.ndarray,
    *,
    negative_slope: float = 0.0,
    max_value: float | None = None,
    threshold: float = 0.0,
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """y = min(x, max_value) where x > threshold, else negative_slope * (x - threshold).

    All three must be finite and >= 0, or None for no `max_value`. Everything else is as for `relu`.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.bounded_relu(np.array([-2.0, 2.0, 9.0]), negative_slope=0.5, max_value=6.0).tolist()
    [-1.0, 2.0, 6.0]
    """
    options = check.check_bounds(negative_slope, max_value, threshold)
    return forward_pass("bounded_relu", x, out=out, num_threads=num_threads, **options)


def bounded_relu_backward(
    x: np.ndarray,
    dy: np.ndarray,
    *,
    negative_slope: float = 0.0,
    max_value: float | None = None,
    threshold: float = 0.0,
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """dx = dy where threshold < x <= max_value, negative_slope * dy below, 0 above.

    Otherwise as for `relu_backward`, with x instead of y.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.bounded_relu_backward(np.array([-1.0, 9.0]), np.ones(2), max_value=6.0).tolist()
    [0.0, 0.0]
    """
    options = check.check_bounds(negative_slope, max_value, threshold)
    return backward_pass(
        "bounded_relu", x, dy, out=out, num_threads=num_threads, name="x", **options
    )


@activation("Gelu", lambda x, approximate: x.activation("gelu_tanh" if approximate else "gelu"))
def gelu(
    x: Any,
    approximate: bool = True,
    *,
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """y = x * P(X <= x) for a standard normal X (Hendrycks & Gimpel 2016, arXiv 1606.08415).

    With `approximate`, the default as in Keras, x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715
    x^3))). Everything else is as for `relu`.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.gelu(np.array([-1000.0, 0.0, 1.0, 1000.0]), approximate=False).round(4).tolist()
    [-0.0, 0.0, 0.8413, 1000.0]
    """
    kind = "gelu_tanh" if approximate else "gelu"
    return forward_pass(kind, x, 0.0, out, num_threads)


def gelu_backward(
    x: np.ndarray,
    dy: np.ndarray,
    *,
    approximate: bool = True,
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """dx = dy * (P(X <= x) + x * density(x)), or the derivative of the approximation.

    Otherwise as for `relu_backward`, with x instead of y.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.gelu_backward(np.array([0.0, 1000.0]), np.ones(2)).tolist()
    [0.5, 1.0]
    """
    kind = "gelu_tanh" if approximate else "gelu"
    return backward_pass(kind, x, dy, 0.0, out, num_threads, "x")


@activation("Silu", lambda x: x.activation("silu"))
def silu(x: Any, *, out: np.ndarray | None = None, num_threads: int | None = None) -> np.ndarray:
    """y = x * sigmoid(x), also called swish. Everything else is as for `relu`.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.silu(np.array([-1000.0, 0.0, 1000.0])).tolist()
    [-0.0, 0.0, 1000.0]
    """
    return forward_pass("silu", x, 0.0, out, num_threads)


def silu_backward(
    x: np.ndarray, dy: np.ndarray, *, out: np.ndarray | None = None, num_threads: int | None = None
) -> np.ndarray:
    """dx = dy * s * (1 + x * (1 - s)) with s = sigmoid(x).

    Otherwise as for `relu_backward`, with x instead of y.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.silu_backward(np.array([0.0, 1000.0]), np.ones(2)).tolist()
    [0.5, 1.0]
    """
    return backward_pass("silu", x, dy, 0.0, out, num_threads, "x")


@activation("HardSilu", lambda x: x.activation("hard_silu"))
def hard_silu(
    x: Any, *, out: np.ndarray | None = None, num_threads: int | None = None
) -> np.ndarray:
    """y = x * hard_sigmoid(x), also called hard swish (Howard et al. 2019).

    Everything else is as for `relu`.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.hard_silu(np.array([-4.0, 1.5, 4.0])).tolist()
    [-0.0, 1.125, 4.0]
    """
    return forward_pass("hard_silu", x, 0.0, out, num_threads)


def hard_silu_backward(
    x: np.ndarray, dy: np.ndarray, *, out: np.ndarray | None = None, num_threads: int | None = None
) -> np.ndarray:
    """dx = dy * (x / 3 + 1 / 2) where |x| < 3, 0 below, dy above.

    Otherwise as for `relu_backward`, with x instead of y.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.hard_silu_backward(np.array([-4.0, 0.0, 4.0]), np.ones(3)).tolist()
    [0.0, 0.5, 1.0]
    """
    return backward_pass("hard_silu", x, dy, 0.0, out, num_threads, "x")


def mish(
    x: np.ndarray, *, out: np.ndarray | None = None, num_threads: int | None = None
) -> np.ndarray:
    """y = x * tanh(softplus(x)) (Misra 2019, arXiv 1908.08681). Everything else is as for `relu`.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.mish(np.array([-1000.0, 0.0, 1000.0])).tolist()
    [-0.0, 0.0, 1000.0]
    """
    return forward_pass("mish", x, 0.0, out, num_threads)


def mish_backward(
    x: np.ndarray, dy: np.ndarray, *, out: np.ndarray | None = None, num_threads: int | None = None
) -> np.ndarray:
    """dx = dy * (t + x * sigmoid(x) * (1 - t^2)) with t = tanh(softplus(x)).

    Otherwise as for `relu_backward`, with x instead of y.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.mish_backward(np.array([0.0, 1000.0]), np.ones(2)).round(4).tolist()
    [0.6, 1.0]
    """
    return backward_pass("mish", x, dy, 0.0, out, num_threads, "x")


def prelu(
    x: np.ndarray,
    alpha: np.ndarray,
    *,
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """y = x where x > 0, else alpha * x (He et al. 2015, arXiv 1502.01852).

    Args:
        x: (N, ...), no axis empty; float32 or float64.
        alpha: the shape of a sample x[0], or 1 along axes that share their slopes; these must be
            the first axes, the last, or both, so that the others are contiguous.
        out: array for y; may be `x`.
        num_threads: as for `batch_norm`.

    Returns:
        y, the shape and dtype of `x`.

    Raises as `batch_norm`.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.prelu(np.array([[-2.0, -2.0, 4.0]]), np.array([0.5, 0.25, 0.5])).tolist()
    [[-1.0, -0.5, 4.0]]
    """
    x = samples(x)
    alpha, shape = _slopes(x, alpha)
    threads = runtime.resolve_num_threads(num_threads)
    y = check.result(out, x.shape, x, {"x": x, "alpha": alpha}, in_place="x")
    PReLUForward(check.operand(x).reshape(shape), alpha.reshape(-1), y.reshape(shape)).run(threads)
    return y if out is None else out


def prelu_backward(
    x: np.ndarray,
    dy: np.ndarray,
    alpha: np.ndarray,
    *,
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The gradients dx and dalpha of `prelu`. `out` may be `dy`.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> x, dy, alpha = np.array([[-2.0, 4.0]]), np.array([[3.0, 3.0]]), np.array([0.5, 0.5])
    >>> [part.tolist() for part in ops.prelu_backward(x, dy, alpha)]
    [[[1.5, 3.0]], [-6.0, 0.0]]
    """
    x, dy = samples(x), gradient(x, dy)
    alpha, shape = _slopes(x, alpha)
    threads = runtime.resolve_num_threads(num_threads)
    dx = check.result(out, x.shape, x, {"x": x, "dy": dy, "alpha": alpha}, in_place="dy")
    dalpha = np.empty_like(alpha)
    PReLUBackward(
        check.operand(x).reshape(shape), dy.reshape(shape), alpha.reshape(-1), dx.reshape(shape),
        dalpha.reshape(-1),
    ).run(threads)  # fmt: skip
    return (dx if out is None else out), dalpha


def _slopes(x: np.ndarray, alpha: Any) -> tuple[np.ndarray, tuple[int, int, int]]:
    """Return alpha, and the shape of x as (rows, slopes, elements per slope)."""
    alpha = check.operand(check.check_float(alpha, "alpha", x, "x"))
    inner = shapes.shared_slopes(x.shape[1:], alpha.shape)
    return alpha, (-1, alpha.size, inner)
