"""The activation functions that `activation=` of a layer accepts.

Each is a function on arrays. In a model the plan runs the same formula, where possible fused into
the preceding layer; `operation` returns its operation in a plan.

>>> import numpy as np
>>> from fastconv import activations
>>> activations.get("relu")(np.array([-1.0, 2.0])).tolist()
[0.0, 2.0]
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np

from fastconv.common.arguments import normalize_int
from fastconv.common.defaults import LEAKY_RELU_SLOPE
from fastconv.common.suggestions import did_you_mean
from fastconv.plan import operations
from fastconv.shapes import Shape


def _ops() -> ModuleType:
    """Return `fastconv.ops`, imported at the first call: a model does not call these functions."""
    from fastconv import ops

    return ops


def linear(x: np.ndarray) -> np.ndarray:
    """x, unchanged."""
    return x


def relu(
    x: np.ndarray,
    negative_slope: float = 0.0,
    max_value: float | None = None,
    threshold: float = 0.0,
) -> np.ndarray:
    """max(x, 0); NaN stays NaN.

    In general min(x, max_value) where x > threshold, else negative_slope * (x - threshold).
    """
    if negative_slope == 0 and max_value is None and threshold == 0:
        return _ops().relu(x)
    return _ops().bounded_relu(
        x, negative_slope=negative_slope, max_value=max_value, threshold=threshold
    )


def leaky_relu(x: np.ndarray, negative_slope: float = LEAKY_RELU_SLOPE) -> np.ndarray:
    """x where x > 0, else negative_slope * x."""
    return _ops().leaky_relu(x, negative_slope=negative_slope)


def relu6(x: np.ndarray) -> np.ndarray:
    """min(max(x, 0), 6)."""
    return _ops().relu6(x)


def elu(x: np.ndarray, alpha: float = 1.0) -> np.ndarray:
    """x where x > 0, else alpha * (exp(x) - 1) (Clevert et al. 2016, arXiv 1511.07289)."""
    return _ops().elu(x, alpha=alpha)


def selu(x: np.ndarray) -> np.ndarray:
    """1.0507 * elu(x, 1.67326): preserves mean 0 and variance 1 (Klambauer et al. 2017)."""
    return _ops().selu(x)


def gelu(x: np.ndarray, approximate: bool = False) -> np.ndarray:
    """x * P(X <= x) for a standard normal X; with `approximate`, an approximation by a tanh."""
    return _ops().gelu(x, approximate=approximate)


def silu(x: np.ndarray) -> np.ndarray:
    """x * sigmoid(x), also called swish."""
    return _ops().silu(x)


def mish(x: np.ndarray) -> np.ndarray:
    """x * tanh(softplus(x))."""
    return _ops().mish(x)


def hard_silu(x: np.ndarray) -> np.ndarray:
    """x * hard_sigmoid(x), also called hard swish."""
    return _ops().hard_silu(x)


def sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x))."""
    return _ops().sigmoid(x)


def hard_sigmoid(x: np.ndarray) -> np.ndarray:
    """min(max(x + 3, 0), 6) / 6."""
    return _ops().hard_sigmoid(x)


def tanh(x: np.ndarray) -> np.ndarray:
    """The hyperbolic tangent."""
    return _ops().tanh(x)


def softplus(x: np.ndarray) -> np.ndarray:
    """log(1 + exp(x))."""
    return _ops().softplus(x)


def softsign(x: np.ndarray) -> np.ndarray:
    """x / (1 + |x|)."""
    return _ops().softsign(x)


def exponential(x: np.ndarray) -> np.ndarray:
    """exp(x)."""
    return _ops().exponential(x)


def celu(x: np.ndarray, alpha: float = 1.0) -> np.ndarray:
    """max(x, 0) + min(alpha * (exp(x / alpha) - 1), 0)."""
    return _ops().elu(x) if alpha == 1 else _ops().celu(x, alpha=alpha)


def hard_shrink(x: np.ndarray, threshold: float = 0.5) -> np.ndarray:
    """x where |x| > threshold, else 0."""
    return _ops().hard_shrink(x, threshold=threshold)


def hard_tanh(x: np.ndarray) -> np.ndarray:
    """min(max(x, -1), 1)."""
    return _ops().hard_tanh(x)


def log_sigmoid(x: np.ndarray) -> np.ndarray:
    """log(sigmoid(x)), without overflow."""
    return _ops().log_sigmoid(x)


def soft_shrink(x: np.ndarray, threshold: float = 0.5) -> np.ndarray:
    """x moved by `threshold` towards 0, and 0 where |x| <= threshold."""
    return _ops().soft_shrink(x, threshold=threshold)


def sparse_plus(x: np.ndarray) -> np.ndarray:
    """0 where x <= -1, x where x >= 1, (x + 1)^2 / 4 in between."""
    return _ops().sparse_plus(x)


def sparse_sigmoid(x: np.ndarray) -> np.ndarray:
    """min(max((x + 1) / 2, 0), 1)."""
    return _ops().sparse_sigmoid(x)


def sparsemax(x: np.ndarray, axis: int = -1) -> np.ndarray:
    """max(x - t, 0), with the t for which the elements along `axis` add up to 1: a softmax with
    zeros (Martins & Astudillo 2016, arXiv 1602.02068)."""
    return _ops().sparsemax(x, axis=axis)


def squareplus(x: np.ndarray, b: float = 4) -> np.ndarray:
    """(x + sqrt(x^2 + b)) / 2."""
    return _ops().squareplus(x, b=b)


def tanh_shrink(x: np.ndarray) -> np.ndarray:
    """x - tanh(x)."""
    return _ops().tanh_shrink(x)


def glu(x: np.ndarray, axis: int = -1) -> np.ndarray:
    """The first half of x along `axis` times the sigmoid of the second half.

    It changes the shape, so it is no `activation=` of a layer.
    """
    return _ops().glu(x, axis=axis)


def threshold(x: np.ndarray, threshold: float, default_value: float) -> np.ndarray:
    """x where x > threshold, else default_value. Without defaults, no `activation=` of a layer."""
    return _ops().threshold(x, threshold, default_value)


def softmax(x: np.ndarray, axis: int | Sequence[int] | None = -1) -> np.ndarray:
    """exp(x) / sum(exp(x)) over one axis, over several axes together, or over all of them (None).

    Raises ValueError for an axis that `x` does not have or a repeated axis, TypeError for a
    non-integer axis.
    """
    return _over_axes(_ops().softmax, x, axis)


def log_softmax(x: np.ndarray, axis: int | Sequence[int] | None = -1) -> np.ndarray:
    """The logarithm of the softmax, finite where the softmax rounds to zero; raises the errors of
    `softmax`."""
    return _over_axes(_ops().log_softmax, x, axis)


def _over_axes(function: Callable[..., np.ndarray], x: np.ndarray, axis: Any) -> np.ndarray:
    """Apply `function`, which operates along the last axis, along `axis`."""
    axes = range(np.ndim(x)) if axis is None else axis
    axes = list(axes) if isinstance(axes, (tuple, list, range)) else [axes]
    rank = np.ndim(x)
    positive = [n + rank if (n := normalize_int(a, "axis", minimum=-rank)) < 0 else n for a in axes]
    if not positive or len({*positive}) < len(positive) or max(positive) >= rank:
        raise ValueError(
            f"`axis` must name axes of `x` from {-rank} to {rank - 1}, each once, received {axis!r}"
        )
    last = range(-len(axes), 0)
    moved = np.moveaxis(x, positive, last)
    flat = moved if len(axes) == 1 else moved.reshape(*moved.shape[: -len(axes)], -1)
    return np.moveaxis(function(flat).reshape(moved.shape), last, positive)


# The operation of each function in a plan; None for no operation.
_OPERATIONS: dict[Callable[..., Any], operations.Activation | operations.Softmax | None] = {
    linear: None,
    leaky_relu: operations.Activation("leaky_relu", LEAKY_RELU_SLOPE),
    relu6: operations.Activation("clipped_relu", 6.0),
    elu: operations.Activation("elu", 1.0),
    celu: operations.Activation("elu", 1.0),
    softmax: operations.Softmax(),
    log_softmax: operations.Softmax(log=True),
} | {
    function: operations.Activation(function.__name__)
    for function in (
        relu, selu, gelu, silu, mish, hard_silu, sigmoid, hard_sigmoid, tanh, softplus, softsign,
        exponential,
    )
}  # fmt: skip


def _clipped(x: Any, least: float, most: float) -> Any:
    return x.apply("maximum", least).apply("minimum", most)


# Those that are chains of element-wise instructions (`fastconv.plan.chain`), with the chain; None
# for that of the function of `fastconv.ops` of the same name.
_CHAINS: dict[Callable[..., Any], Callable[[Any], Any] | None] = {
    hard_shrink: None,
    hard_tanh: lambda x: _clipped(x, -1.0, 1.0),
    log_sigmoid: lambda x: -(-x).activation("softplus"),
    soft_shrink: None,
    sparse_plus: lambda x: (
        _clipped(x + 1, 0.0, 2.0).power(2) * 0.25 + (x - 1).apply("maximum", 0.0)
    ),
    sparse_sigmoid: lambda x: _clipped((x + 1) * 0.5, 0.0, 1.0),
    squareplus: None,
    tanh_shrink: lambda x: x - x.activation("tanh"),
}

FUNCTIONS = {function.__name__: function for function in (*_OPERATIONS, *_CHAINS, sparsemax)}
# Keras's other names.
swish: Callable[[np.ndarray], np.ndarray] = silu
hard_swish: Callable[[np.ndarray], np.ndarray] = hard_silu
_ALIASES = {"swish": swish, "hard_swish": hard_swish}


def operation(function: Callable[..., Any], shape: Shape) -> operations.Operation | None:
    """Return the operation of one of these functions with default arguments, on values of `shape`;
    None for linear."""
    if function in _OPERATIONS:
        return _OPERATIONS[function]
    from fastconv.plan.chain import build
    from fastconv.plan.functions import Elementwise, FunctionCall, Slot

    if function is sparsemax:
        return FunctionCall(_ops().sparsemax.function, {"x": Slot(0), "axis": -1})
    define = _CHAINS[function]
    if define is None:
        record = getattr(_ops(), function.__name__).function
        define = partial(record.chain, **{name: record.defaults[name] for name in record.settings})
    return Elementwise(build(define, 1), (Slot(0),), (shape,), shape)


def is_known(function: Any) -> bool:
    """Return whether `function` is None or one of these functions."""
    return function is None or any(function is each for each in FUNCTIONS.values())


def get(identifier: str | Callable | None) -> Callable[..., Any]:
    """Return the function of a name, of None (linear), or `identifier` if it is one of these
    functions.

    Raises ValueError for an unknown name and TypeError for any other callable: a model runs its
    activations as compiled kernels.
    """
    if identifier is None:
        return linear
    names = FUNCTIONS | _ALIASES
    if isinstance(identifier, str):
        if identifier not in names:
            raise ValueError(
                f"`activation` must be one of {[*names]}, received {identifier!r}"
                f"{did_you_mean(identifier, names)}"
            )
        return names[identifier]
    if identifier in FUNCTIONS.values():
        return identifier
    raise TypeError(
        f"`activation` must be None, one of {[*names]} or a function of "
        f"fastconv.activations, received {identifier!r}"
    )


def serialize(function: Callable[..., Any]) -> str:
    """Return the name of one of these functions in files; TypeError for any other object."""
    return get(function).__name__


def deserialize(name: str) -> Callable[..., Any]:
    """Return the function of a name; ValueError for an unknown name."""
    return get(name)
