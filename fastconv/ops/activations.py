"""Elementwise activation functions and their gradients.

The backward functions take the *output* y of their forward function, not the input: the derivatives
are functions of y, so training keeps only y. Functions without this property are in `gates`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv import runtime
from fastconv._ext._elementwise import ActivationBackward, ActivationForward
from fastconv.common.arguments import number
from fastconv.common.defaults import LEAKY_RELU_SLOPE
from fastconv.ops import _validation as check
from fastconv.ops._function import activation


def epilogue(activation: str) -> tuple[str, float]:
    """Return (name, slope) of the epilogue of a convolution or a dense product.

    A softmax is a reduction over a row, so it runs afterwards.
    """
    return ("linear" if activation == "softmax" else activation), LEAKY_RELU_SLOPE


# ------------------------------------------------------------------------------------ element-wise


@activation("Relu", lambda x: x.activation("relu"))
def relu(x: Any, *, out: np.ndarray | None = None, num_threads: int | None = None) -> np.ndarray:
    """y = max(x, 0); NaN stays NaN.

    Args:
        x: any shape, float32 or float64.
        out: array for y: writable, C-contiguous, of the shape and dtype of `x`; may be `x`.
        num_threads: number of threads; None for `fastconv.runtime.get_num_threads()`.

    Returns:
        y, the shape and dtype of `x`: `out` if given.

    Raises:
        TypeError: `x` is not a float32 or float64 array, `out` has another dtype.
        ValueError: an invalid `out`.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.relu(np.array([-1.0, 0.0, 2.0])).tolist()
    [0.0, 0.0, 2.0]
    """
    return forward_pass("relu", x, 0.0, out, num_threads)


def relu_backward(
    y: np.ndarray, dy: np.ndarray, *, out: np.ndarray | None = None, num_threads: int | None = None
) -> np.ndarray:
    """dx = dy where y > 0, else 0 (at x = 0, the left derivative).

    Args:
        y: any shape, float32 or float64, the output of `relu`. Where it is NaN, dy passes.
        dy: the shape and dtype of `y`, the gradient with respect to `y`.
        out: array for dx, as for `relu`; may be `dy`.
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
    return backward_pass("relu", y, dy, 0.0, out, num_threads)


@activation("LeakyRelu", lambda x, negative_slope: x.activation("leaky_relu", negative_slope))
def leaky_relu(
    x: Any,
    negative_slope: float = LEAKY_RELU_SLOPE,
    *,
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """y = x where x > 0, else negative_slope * x; NaN stays NaN.

    `negative_slope` must be finite and >= 0. Everything else is as for `relu`.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.leaky_relu(np.array([-8.0, 2.0]), negative_slope=0.25).tolist()
    [-2.0, 2.0]
    """
    return forward_pass("leaky_relu", x, check.check_slope(negative_slope), out, num_threads)


def leaky_relu_backward(
    y: np.ndarray,
    dy: np.ndarray,
    *,
    negative_slope: float = LEAKY_RELU_SLOPE,
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
    return backward_pass("leaky_relu", y, dy, slope, out, num_threads)


@activation("Sigmoid", lambda x: x.activation("sigmoid"))
def sigmoid(x: Any, *, out: np.ndarray | None = None, num_threads: int | None = None) -> np.ndarray:
    """y = 1 / (1 + exp(-x)), without overflow for any x. Everything else is as for `relu`.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.sigmoid(np.array([-1000.0, 0.0, 1000.0])).tolist()
    [0.0, 0.5, 1.0]
    """
    return forward_pass("sigmoid", x, 0.0, out, num_threads)


def sigmoid_backward(
    y: np.ndarray, dy: np.ndarray, *, out: np.ndarray | None = None, num_threads: int | None = None
) -> np.ndarray:
    """dx = dy * y * (1 - y), from the output y of `sigmoid`. Otherwise as for `relu_backward`.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.sigmoid_backward(np.array([0.5, 1.0]), np.array([8.0, 8.0])).tolist()
    [2.0, 0.0]
    """
    return backward_pass("sigmoid", y, dy, 0.0, out, num_threads)


@activation("Tanh", lambda x: x.activation("tanh"), "numpy")
def tanh(x: Any, *, out: np.ndarray | None = None, num_threads: int | None = None) -> np.ndarray:
    """y = tanh(x). Everything else is as for `relu`.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.tanh(np.array([0.0, 1000.0])).tolist()
    [0.0, 1.0]
    """
    return forward_pass("tanh", x, 0.0, out, num_threads)


def tanh_backward(
    y: np.ndarray, dy: np.ndarray, *, out: np.ndarray | None = None, num_threads: int | None = None
) -> np.ndarray:
    """dx = dy * (1 - y^2), from the output y of `tanh`. Otherwise as for `relu_backward`.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.tanh_backward(np.array([0.0, 0.5]), np.array([4.0, 4.0])).tolist()
    [4.0, 3.0]
    """
    return backward_pass("tanh", y, dy, 0.0, out, num_threads)


@activation("Relu6", lambda x: x.activation("clipped_relu", 6.0))
def relu6(x: Any, *, out: np.ndarray | None = None, num_threads: int | None = None) -> np.ndarray:
    """y = min(max(x, 0), 6); NaN stays NaN. Everything else is as for `relu`.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.relu6(np.array([-1.0, 2.0, 9.0])).tolist()
    [0.0, 2.0, 6.0]
    """
    return forward_pass("clipped_relu", x, 6.0, out, num_threads)


def relu6_backward(
    y: np.ndarray, dy: np.ndarray, *, out: np.ndarray | None = None, num_threads: int | None = None
) -> np.ndarray:
    """dx = dy where 0 < y < 6, else 0, from the output y of `relu6`.

    Otherwise as for `relu_backward`.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.relu6_backward(np.array([0.0, 2.0, 6.0]), np.ones(3)).tolist()
    [0.0, 1.0, 0.0]
    """
    return backward_pass("clipped_relu", y, dy, 6.0, out, num_threads)


@activation("Elu", lambda x, alpha: x.activation("elu", alpha))
def elu(
    x: Any,
    alpha: float = 1.0,
    *,
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """y = x where x > 0, else alpha * (exp(x) - 1).

    `alpha` must be finite and >= 0. Everything else is as for `relu`.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.elu(np.array([-1000.0, 2.0]), alpha=0.5).tolist()
    [-0.5, 2.0]
    """
    return forward_pass("elu", x, number(alpha, "alpha", 0), out, num_threads)


def elu_backward(
    y: np.ndarray,
    dy: np.ndarray,
    *,
    alpha: float = 1.0,
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """dx = dy where y > 0, else dy * (y + alpha), from the output y of `elu`.

    Otherwise as for `relu_backward`.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.elu_backward(np.array([-0.25, 2.0]), np.ones(2), alpha=0.5).tolist()
    [0.25, 1.0]
    """
    return backward_pass("elu", y, dy, number(alpha, "alpha", 0), out, num_threads)


@activation("Selu", lambda x: x.activation("selu"))
def selu(x: Any, *, out: np.ndarray | None = None, num_threads: int | None = None) -> np.ndarray:
    """y = 1.0507 * elu(x, alpha=1.67326) (Klambauer et al. 2017: preserves mean 0 and variance 1).

    Everything else is as for `relu`.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.selu(np.array([-1000.0, 1.0])).round(4).tolist()
    [-1.7581, 1.0507]
    """
    return forward_pass("selu", x, 0.0, out, num_threads)


def selu_backward(
    y: np.ndarray, dy: np.ndarray, *, out: np.ndarray | None = None, num_threads: int | None = None
) -> np.ndarray:
    """dx = dy times 1.0507 where y >= 0, else times y + 1.7581, from the output y of `selu`.

    Otherwise as for `relu_backward`.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.selu_backward(np.array([-1.0, 1.0]), np.ones(2)).round(4).tolist()
    [0.7581, 1.0507]
    """
    return backward_pass("selu", y, dy, 0.0, out, num_threads)


def exponential(
    x: np.ndarray, *, out: np.ndarray | None = None, num_threads: int | None = None
) -> np.ndarray:
    """y = exp(x). Everything else is as for `relu`.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.exponential(np.array([0.0, -1000.0])).tolist()
    [1.0, 0.0]
    """
    return forward_pass("exponential", x, 0.0, out, num_threads)


def exponential_backward(
    y: np.ndarray, dy: np.ndarray, *, out: np.ndarray | None = None, num_threads: int | None = None
) -> np.ndarray:
    """dx = dy * y, from the output y of `exponential`. Otherwise as for `relu_backward`.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.exponential_backward(np.array([3.0]), np.array([2.0])).tolist()
    [6.0]
    """
    return backward_pass("exponential", y, dy, 0.0, out, num_threads)


@activation("Softplus", lambda x: x.activation("softplus"))
def softplus(
    x: Any, *, out: np.ndarray | None = None, num_threads: int | None = None
) -> np.ndarray:
    """y = log(1 + exp(x)), without overflow for any x. Everything else is as for `relu`.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.softplus(np.array([-1000.0, 1000.0])).tolist()
    [0.0, 1000.0]
    """
    return forward_pass("softplus", x, 0.0, out, num_threads)


def softplus_backward(
    y: np.ndarray, dy: np.ndarray, *, out: np.ndarray | None = None, num_threads: int | None = None
) -> np.ndarray:
    """dx = dy * (1 - exp(-y)), from the output y of `softplus`. Otherwise as for `relu_backward`.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.softplus_backward(np.array([0.0, 1000.0]), np.ones(2)).tolist()
    [0.0, 1.0]
    """
    return backward_pass("softplus", y, dy, 0.0, out, num_threads)


@activation("Softsign", lambda x: x.activation("softsign"))
def softsign(
    x: Any, *, out: np.ndarray | None = None, num_threads: int | None = None
) -> np.ndarray:
    """y = x / (1 + |x|). Everything else is as for `relu`.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.softsign(np.array([-1.0, 3.0])).tolist()
    [-0.5, 0.75]
    """
    return forward_pass("softsign", x, 0.0, out, num_threads)


def softsign_backward(
    y: np.ndarray, dy: np.ndarray, *, out: np.ndarray | None = None, num_threads: int | None = None
) -> np.ndarray:
    """dx = dy * (1 - |y|)^2, from the output y of `softsign`. Otherwise as for `relu_backward`.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.softsign_backward(np.array([-0.5, 0.75]), np.ones(2)).tolist()
    [0.25, 0.0625]
    """
    return backward_pass("softsign", y, dy, 0.0, out, num_threads)


@activation("HardSigmoid", lambda x: x.activation("hard_sigmoid"))
def hard_sigmoid(
    x: Any, *, out: np.ndarray | None = None, num_threads: int | None = None
) -> np.ndarray:
    """y = min(max(x + 3, 0), 6) / 6. Everything else is as for `relu`.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.hard_sigmoid(np.array([-4.0, 0.0, 4.0])).tolist()
    [0.0, 0.5, 1.0]
    """
    return forward_pass("hard_sigmoid", x, 0.0, out, num_threads)


def hard_sigmoid_backward(
    y: np.ndarray, dy: np.ndarray, *, out: np.ndarray | None = None, num_threads: int | None = None
) -> np.ndarray:
    """dx = dy / 6 where 0 < y < 1, else 0, from the output y of `hard_sigmoid`.

    Otherwise as for `relu_backward`.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.hard_sigmoid_backward(np.array([0.0, 0.5]), np.array([3.0, 3.0])).tolist()
    [0.0, 0.5]
    """
    return backward_pass("hard_sigmoid", y, dy, 0.0, out, num_threads)


def forward_pass(
    kind: str,
    x: np.ndarray,
    slope: float,
    out: np.ndarray | None,
    num_threads: int | None,
    **bounds: float,
) -> np.ndarray:
    """Compute y = f(x) with the kernel `kind`; arguments as for its operation."""
    x = check.check_float(x, "x")
    threads = runtime.resolve_num_threads(num_threads)
    y = check.result(out, x.shape, x, {"x": x}, in_place="x")
    if x.size:
        ActivationForward(kind, check.operand(x).reshape(-1), y.reshape(-1), slope, **bounds).run(
            threads
        )
    return y if out is None else out


def backward_pass(
    kind: str,
    y: np.ndarray,
    dy: np.ndarray,
    slope: float,
    out: np.ndarray | None,
    num_threads: int | None,
    name: str = "y",
    **bounds: float,
) -> np.ndarray:
    """Compute dx = dy f'(x) with the kernel `kind`, from y or x, called `name` in errors."""
    y = check.check_float(y, name)
    dy = check.check_float(dy, "dy", y, name)
    check.check_shape(dy, "dy", y.shape, f"to match `{name}`")
    threads = runtime.resolve_num_threads(num_threads)
    dx = check.result(out, y.shape, y, {name: y, "dy": dy}, in_place="dy")
    if y.size:
        flat = (check.operand(y).reshape(-1), check.operand(dy).reshape(-1), dx.reshape(-1))
        ActivationBackward(kind, *flat, slope, **bounds).run(threads)
    return dx if out is None else out
