"""Arithmetic, comparisons and logic, element by element with broadcasting."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.ops._function import elementwise

_PAIR = "x1 x2"


@elementwise("numpy", "Add", _PAIR, chain=lambda x1, x2: x1 + x2)
def add(x1: Any, x2: Any) -> np.ndarray:
    """x1 + x2

    >>> from fastconv import ops
    >>> ops.add([1.0, 2.0], 3).tolist()
    [4.0, 5.0]
    """
    return np.add(x1, x2)


@elementwise("numpy", "Subtract", _PAIR, chain=lambda x1, x2: x1 - x2)
def subtract(x1: Any, x2: Any) -> np.ndarray:
    """x1 - x2

    >>> from fastconv import ops
    >>> ops.subtract([1.0, 2.0], 3).tolist()
    [-2.0, -1.0]
    """
    return np.subtract(x1, x2)


@elementwise("numpy", "Multiply", _PAIR, chain=lambda x1, x2: x1 * x2)
def multiply(x1: Any, x2: Any) -> np.ndarray:
    """x1 * x2

    >>> from fastconv import ops
    >>> ops.multiply([1.0, 2.0], [[3.0], [4.0]]).tolist()
    [[3.0, 6.0], [4.0, 8.0]]
    """
    return np.multiply(x1, x2)


@elementwise("numpy", "Divide", _PAIR, chain=lambda x1, x2: x1 / x2, real=True)
def divide(x1: Any, x2: Any) -> np.ndarray:
    """x1 / x2; integers give float32.

    >>> from fastconv import ops
    >>> ops.divide([1, 2], 4).tolist()
    [0.25, 0.5]
    """
    return np.divide(x1, x2)


@elementwise("numpy", "TrueDivide", _PAIR, chain=lambda x1, x2: x1 / x2, real=True)
def true_divide(x1: Any, x2: Any) -> np.ndarray:
    """x1 / x2, as `divide`.

    >>> from fastconv import ops
    >>> ops.true_divide([1, 2], 4).tolist()
    [0.25, 0.5]
    """
    return np.divide(x1, x2)


def _quotient_or_zero(x1: Any, x2: Any) -> Any:
    zero = x2.apply("equal", 0.0)
    return zero.where(0.0, x1 / zero.where(1.0, x2))


@elementwise("numpy", "DivideNoNan", _PAIR, chain=_quotient_or_zero, real=True)
def divide_no_nan(x1: Any, x2: Any) -> np.ndarray:
    """x1 / x2, and 0 where x2 is 0.

    >>> from fastconv import ops
    >>> ops.divide_no_nan([1.0, 2.0], [0.0, 4.0]).tolist()
    [0.0, 0.5]
    """
    zero = x2 == 0
    return np.where(zero, x2.dtype.type(0), x1 / np.where(zero, x2.dtype.type(1), x2))


@elementwise("numpy", "FloorDivide", _PAIR, chain=lambda x1, x2: x1.apply("floor_divide", x2))
def floor_divide(x1: Any, x2: Any) -> np.ndarray:
    """The largest integer not above x1 / x2; it has no gradient.

    >>> from fastconv import ops
    >>> ops.floor_divide([-1.0, 5.0], 2.0).tolist()
    [-1.0, 2.0]
    """
    return np.floor_divide(x1, x2)


@elementwise("numpy", "Mod", _PAIR, chain=lambda x1, x2: x1.apply("floor_mod", x2))
def mod(x1: Any, x2: Any) -> np.ndarray:
    """x1 - x2 * floor(x1 / x2): the remainder, which has the sign of x2.

    >>> from fastconv import ops
    >>> ops.mod([-1.0, 5.0], 3.0).tolist()
    [2.0, 2.0]
    """
    return np.mod(x1, x2)


@elementwise("numpy", "Power", _PAIR, chain=lambda x1, x2: x1.power(x2))
def power(x1: Any, x2: Any) -> np.ndarray:
    """x1 to the power of x2.

    >>> from fastconv import ops
    >>> ops.power([1.0, 2.0, 3.0], 2).tolist()
    [1.0, 4.0, 9.0]
    """
    return np.power(x1, x2)


@elementwise("numpy", "Negative", chain=lambda x: -x)
def negative(x: Any) -> np.ndarray:
    """-x

    >>> from fastconv import ops
    >>> ops.negative([1.0, -2.0]).tolist()
    [-1.0, 2.0]
    """
    return np.negative(x)


@elementwise("numpy", "Absolute", chain=lambda x: x.apply("absolute"))
def absolute(x: Any) -> np.ndarray:
    """The absolute value; its gradient at 0 is 0.

    >>> from fastconv import ops
    >>> ops.absolute([1.0, -2.0]).tolist()
    [1.0, 2.0]
    """
    return np.absolute(x)


@elementwise("numpy", "Abs", chain=lambda x: x.apply("absolute"))
def abs(x: Any) -> np.ndarray:
    """The absolute value, as `absolute`.

    >>> from fastconv import ops
    >>> ops.abs([1.0, -2.0]).tolist()
    [1.0, 2.0]
    """
    return np.absolute(x)


@elementwise("numpy", "Sign", chain=lambda x: x.apply("sign"))
def sign(x: Any) -> np.ndarray:
    """-1, 0 or 1.

    >>> from fastconv import ops
    >>> ops.sign([3.0, 0.0, -2.0]).tolist()
    [1.0, 0.0, -1.0]
    """
    return np.sign(x)


@elementwise("numpy", "Square", chain=lambda x: x * x)
def square(x: Any) -> np.ndarray:
    """x * x

    >>> from fastconv import ops
    >>> ops.square([1.0, -2.0]).tolist()
    [1.0, 4.0]
    """
    return np.square(x)


@elementwise("numpy", "Sqrt", chain=lambda x: x.apply("square_root"), real=True)
def sqrt(x: Any) -> np.ndarray:
    """The square root; NaN for a negative number.

    >>> from fastconv import ops
    >>> ops.sqrt([4, 9]).tolist()
    [2.0, 3.0]
    """
    return np.sqrt(x)


@elementwise("math", "Rsqrt", chain=lambda x: 1 / x.apply("square_root"), real=True)
def rsqrt(x: Any) -> np.ndarray:
    """1 / sqrt(x)

    >>> from fastconv import ops
    >>> ops.rsqrt([4.0, 0.25]).tolist()
    [0.5, 2.0]
    """
    return 1 / np.sqrt(x)


@elementwise("numpy", "Reciprocal", chain=lambda x: 1 / x, real=True)
def reciprocal(x: Any) -> np.ndarray:
    """1 / x

    >>> from fastconv import ops
    >>> ops.reciprocal([4.0, 0.5]).tolist()
    [0.25, 2.0]
    """
    return np.reciprocal(x)


@elementwise("numpy", "Maximum", _PAIR, chain=lambda x1, x2: x1.apply("maximum", x2))
def maximum(x1: Any, x2: Any) -> np.ndarray:
    """The larger of x1 and x2; of equal numbers, x1 gets the gradient.

    >>> from fastconv import ops
    >>> ops.maximum([1.0, -2.0], 0).tolist()
    [1.0, 0.0]
    """
    return np.maximum(x1, x2)


@elementwise("numpy", "Minimum", _PAIR, chain=lambda x1, x2: x1.apply("minimum", x2))
def minimum(x1: Any, x2: Any) -> np.ndarray:
    """The smaller of x1 and x2; of equal numbers, x1 gets the gradient.

    >>> from fastconv import ops
    >>> ops.minimum([1.0, -2.0], 0).tolist()
    [0.0, -2.0]
    """
    return np.minimum(x1, x2)


def _clipped(x: Any, x_min: Any, x_max: Any) -> Any:
    return x.apply("maximum", x_min).apply("minimum", x_max)


@elementwise("numpy", "Clip", chain=_clipped)
def clip(x: Any, x_min: float, x_max: float) -> np.ndarray:
    """min(max(x, x_min), x_max), for two numbers; the gradient is 0 outside of them.

    >>> from fastconv import ops
    >>> ops.clip([-3.0, 0.5, 7.0], 0, 1).tolist()
    [0.0, 0.5, 1.0]
    """
    return np.minimum(np.maximum(x, _like(x_min, x)), _like(x_max, x))


def _like(number: Any, x: np.ndarray) -> np.ndarray:
    return np.asarray(number, np.int32 if x.dtype == bool else x.dtype)


@elementwise(
    "numpy", "Hypot", _PAIR, chain=lambda x1, x2: (x1 * x1 + x2 * x2).power(0.5), real=True
)
def hypot(x1: Any, x2: Any) -> np.ndarray:
    """sqrt(x1^2 + x2^2)

    >>> from fastconv import ops
    >>> ops.hypot([3.0], [4.0]).tolist()
    [5.0]
    """
    return np.sqrt(x1 * x1 + x2 * x2)


# -------------------------------------------------------------------------------------- comparisons


@elementwise("numpy", "Equal", _PAIR, chain=lambda x1, x2: x1.apply("equal", x2))
def equal(x1: Any, x2: Any) -> np.ndarray:
    """x1 == x2, bool

    >>> from fastconv import ops
    >>> ops.equal([1, 2], 2).tolist()
    [False, True]
    """
    return np.equal(x1, x2)


@elementwise("numpy", "NotEqual", _PAIR, chain=lambda x1, x2: x1.apply("not_equal", x2))
def not_equal(x1: Any, x2: Any) -> np.ndarray:
    """x1 != x2, bool

    >>> from fastconv import ops
    >>> ops.not_equal([1, 2], 2).tolist()
    [True, False]
    """
    return np.not_equal(x1, x2)


@elementwise("numpy", "Greater", _PAIR, chain=lambda x1, x2: x1.apply("greater", x2))
def greater(x1: Any, x2: Any) -> np.ndarray:
    """x1 > x2, bool

    >>> from fastconv import ops
    >>> ops.greater([1, 3], 2).tolist()
    [False, True]
    """
    return np.greater(x1, x2)


@elementwise("numpy", "GreaterEqual", _PAIR, chain=lambda x1, x2: x1.apply("greater_equal", x2))
def greater_equal(x1: Any, x2: Any) -> np.ndarray:
    """x1 >= x2, bool

    >>> from fastconv import ops
    >>> ops.greater_equal([1, 2], 2).tolist()
    [False, True]
    """
    return np.greater_equal(x1, x2)


@elementwise("numpy", "Less", _PAIR, chain=lambda x1, x2: x2.apply("greater", x1))
def less(x1: Any, x2: Any) -> np.ndarray:
    """x1 < x2, bool

    >>> from fastconv import ops
    >>> ops.less([1, 3], 2).tolist()
    [True, False]
    """
    return np.less(x1, x2)


@elementwise("numpy", "LessEqual", _PAIR, chain=lambda x1, x2: x2.apply("greater_equal", x1))
def less_equal(x1: Any, x2: Any) -> np.ndarray:
    """x1 <= x2, bool

    >>> from fastconv import ops
    >>> ops.less_equal([2, 3], 2).tolist()
    [True, False]
    """
    return np.less_equal(x1, x2)


@elementwise("numpy", "Isnan", chain=lambda x: x.apply("isnan"))
def isnan(x: Any) -> np.ndarray:
    """Whether a number is NaN, bool.

    >>> from fastconv import ops
    >>> ops.isnan([1.0, float("nan")]).tolist()
    [False, True]
    """
    return np.isnan(x)


@elementwise("numpy", "Isinf", chain=lambda x: x.apply("isinf"))
def isinf(x: Any) -> np.ndarray:
    """Whether a number is infinite, bool.

    >>> from fastconv import ops
    >>> ops.isinf([1.0, float("-inf")]).tolist()
    [False, True]
    """
    return np.isinf(x)


@elementwise("numpy", "Isfinite", chain=lambda x: x.apply("isfinite"))
def isfinite(x: Any) -> np.ndarray:
    """Whether a number is neither infinite nor NaN, bool.

    >>> from fastconv import ops
    >>> ops.isfinite([1.0, float("inf")]).tolist()
    [True, False]
    """
    return np.isfinite(x)


# -------------------------------------------------------------------------------------------- logic


@elementwise("numpy", "LogicalAnd", _PAIR, chain=lambda x1, x2: x1.apply("logical_and", x2))
def logical_and(x1: Any, x2: Any) -> np.ndarray:
    """Whether both x1 and x2 are true or not 0, bool.

    >>> from fastconv import ops
    >>> ops.logical_and([True, True], [True, False]).tolist()
    [True, False]
    """
    return np.logical_and(x1, x2)


@elementwise("numpy", "LogicalOr", _PAIR, chain=lambda x1, x2: x1.apply("logical_or", x2))
def logical_or(x1: Any, x2: Any) -> np.ndarray:
    """Whether x1 or x2 is true or not 0, bool.

    >>> from fastconv import ops
    >>> ops.logical_or([False, True], False).tolist()
    [False, True]
    """
    return np.logical_or(x1, x2)


def _either(x1: Any, x2: Any) -> Any:
    return x1.apply("logical_not").apply("not_equal", x2.apply("logical_not"))


@elementwise("numpy", "LogicalXor", _PAIR, chain=_either)
def logical_xor(x1: Any, x2: Any) -> np.ndarray:
    """Whether exactly one of x1 and x2 is true or not 0, bool.

    >>> from fastconv import ops
    >>> ops.logical_xor([False, True], True).tolist()
    [True, False]
    """
    return np.logical_xor(x1, x2)


@elementwise("numpy", "LogicalNot", chain=lambda x: x.apply("logical_not"))
def logical_not(x: Any) -> np.ndarray:
    """Whether x is false or 0, bool.

    >>> from fastconv import ops
    >>> ops.logical_not([True, False]).tolist()
    [False, True]
    """
    return np.logical_not(x)


def _where_chain(condition: Any, x1: Any, x2: Any) -> Any:
    return condition.where(x1, x2)


@elementwise("numpy", "Where", "condition x1 x2", chain=_where_chain, promoted="x1 x2")
def where(condition: Any, x1: Any = None, x2: Any = None) -> Any:
    """x1 where the condition is true, else x2.

    With the condition alone, the indices of its true elements, one array per axis; not for symbolic
    tensors, because the number of results depends on the values.

    >>> from fastconv import ops
    >>> ops.where([True, False], 1.0, [5.0, 6.0]).tolist()
    [1.0, 6.0]
    """
    if x1 is None and x2 is None:
        return tuple(index.astype(np.int32) for index in np.nonzero(condition))
    if x1 is None or x2 is None:
        raise ValueError("`x1` and `x2` must be given both or not at all, received one of them")
    return np.where(condition, x1, x2)
