"""Exponentials, logarithms, trigonometry and rounding, element by element."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastconv.ops._function import elementwise


@elementwise("numpy", "Exp", chain=lambda x: x.apply("exp"), real=True)
def exp(x: Any) -> np.ndarray:
    """exp(x)

    >>> from fastconv import ops
    >>> ops.exp([0.0]).tolist()
    [1.0]
    """
    return np.exp(x)


@elementwise("numpy", "Exp2", chain=lambda x: x.apply("exp2"), real=True)
def exp2(x: Any) -> np.ndarray:
    """2 to the power of x

    >>> from fastconv import ops
    >>> ops.exp2([3.0]).tolist()
    [8.0]
    """
    return np.exp2(x)


@elementwise("numpy", "Expm1", chain=lambda x: x.apply("expm1"), real=True)
def expm1(x: Any) -> np.ndarray:
    """exp(x) - 1, exact near 0

    >>> from fastconv import ops
    >>> ops.expm1([0.0]).tolist()
    [0.0]
    """
    return np.expm1(x)


@elementwise("numpy", "Log", chain=lambda x: x.apply("log"), real=True)
def log(x: Any) -> np.ndarray:
    """The natural logarithm; -infinity of 0, NaN of negative numbers.

    >>> from fastconv import ops
    >>> ops.log([1.0]).tolist()
    [0.0]
    """
    return np.log(x)


@elementwise("numpy", "Log1p", chain=lambda x: x.apply("log1p"), real=True)
def log1p(x: Any) -> np.ndarray:
    """log(1 + x), exact near 0

    >>> from fastconv import ops
    >>> ops.log1p([0.0]).tolist()
    [0.0]
    """
    return np.log1p(x)


@elementwise("numpy", "Log2", chain=lambda x: x.apply("log2"), real=True)
def log2(x: Any) -> np.ndarray:
    """The logarithm to base 2.

    >>> from fastconv import ops
    >>> ops.log2([8.0]).tolist()
    [3.0]
    """
    return np.log2(x)


@elementwise("numpy", "Log10", chain=lambda x: x.apply("log10"), real=True)
def log10(x: Any) -> np.ndarray:
    """The logarithm to base 10.

    >>> from fastconv import ops
    >>> ops.log10([1.0]).tolist()
    [0.0]
    """
    return np.log10(x)


@elementwise("numpy", "Sin", chain=lambda x: x.apply("sin"), real=True)
def sin(x: Any) -> np.ndarray:
    """The sine.

    >>> from fastconv import ops
    >>> ops.sin([0.0]).tolist()
    [0.0]
    """
    return np.sin(x)


@elementwise("numpy", "Cos", chain=lambda x: x.apply("cos"), real=True)
def cos(x: Any) -> np.ndarray:
    """The cosine.

    >>> from fastconv import ops
    >>> ops.cos([0.0]).tolist()
    [1.0]
    """
    return np.cos(x)


@elementwise("numpy", "Tan", chain=lambda x: x.apply("tan"), real=True)
def tan(x: Any) -> np.ndarray:
    """The tangent.

    >>> from fastconv import ops
    >>> ops.tan([0.0]).tolist()
    [0.0]
    """
    return np.tan(x)


@elementwise("numpy", "Arcsin", chain=lambda x: x.apply("asin"), real=True)
def arcsin(x: Any) -> np.ndarray:
    """The inverse of the sine.

    >>> from fastconv import ops
    >>> ops.arcsin([0.0]).tolist()
    [0.0]
    """
    return np.arcsin(x)


@elementwise("numpy", "Arccos", chain=lambda x: x.apply("acos"), real=True)
def arccos(x: Any) -> np.ndarray:
    """The inverse of the cosine.

    >>> from fastconv import ops
    >>> ops.arccos([1.0]).tolist()
    [0.0]
    """
    return np.arccos(x)


@elementwise("numpy", "Arctan", chain=lambda x: x.apply("atan"), real=True)
def arctan(x: Any) -> np.ndarray:
    """The inverse of the tangent.

    >>> from fastconv import ops
    >>> ops.arctan([0.0]).tolist()
    [0.0]
    """
    return np.arctan(x)


@elementwise("numpy", "Sinh", chain=lambda x: x.apply("sinh"), real=True)
def sinh(x: Any) -> np.ndarray:
    """The hyperbolic sine.

    >>> from fastconv import ops
    >>> ops.sinh([0.0]).tolist()
    [0.0]
    """
    return np.sinh(x)


@elementwise("numpy", "Cosh", chain=lambda x: x.apply("cosh"), real=True)
def cosh(x: Any) -> np.ndarray:
    """The hyperbolic cosine.

    >>> from fastconv import ops
    >>> ops.cosh([0.0]).tolist()
    [1.0]
    """
    return np.cosh(x)


@elementwise("numpy", "Arcsinh", chain=lambda x: x.apply("asinh"), real=True)
def arcsinh(x: Any) -> np.ndarray:
    """The inverse of the hyperbolic sine.

    >>> from fastconv import ops
    >>> ops.arcsinh([0.0]).tolist()
    [0.0]
    """
    return np.arcsinh(x)


@elementwise("numpy", "Arccosh", chain=lambda x: x.apply("acosh"), real=True)
def arccosh(x: Any) -> np.ndarray:
    """The inverse of the hyperbolic cosine.

    >>> from fastconv import ops
    >>> ops.arccosh([1.0]).tolist()
    [0.0]
    """
    return np.arccosh(x)


@elementwise("numpy", "Arctanh", chain=lambda x: x.apply("atanh"), real=True)
def arctanh(x: Any) -> np.ndarray:
    """The inverse of the hyperbolic tangent.

    >>> from fastconv import ops
    >>> ops.arctanh([0.0]).tolist()
    [0.0]
    """
    return np.arctanh(x)


@elementwise("numpy", "Floor", chain=lambda x: x.apply("floor"), real=True)
def floor(x: Any) -> np.ndarray:
    """The largest integer not above x; it has no gradient.

    >>> from fastconv import ops
    >>> ops.floor([-1.5, 2.5]).tolist()
    [-2.0, 2.0]
    """
    return np.floor(x)


@elementwise("numpy", "Ceil", chain=lambda x: x.apply("ceil"), real=True)
def ceil(x: Any) -> np.ndarray:
    """The smallest integer not below x; it has no gradient.

    >>> from fastconv import ops
    >>> ops.ceil([-1.5, 2.5]).tolist()
    [-1.0, 3.0]
    """
    return np.ceil(x)


@elementwise("numpy", "Trunc", chain=lambda x: x.apply("trunc"), real=True)
def trunc(x: Any) -> np.ndarray:
    """x without its fraction; it has no gradient.

    >>> from fastconv import ops
    >>> ops.trunc([-1.5, 2.5]).tolist()
    [-1.0, 2.0]
    """
    return np.trunc(x)


def _rounded(x: Any, decimals: int) -> Any:
    if decimals == 0:
        return x.apply("rint")
    return (x * 10.0**decimals).apply("rint") / 10.0**decimals


@elementwise("numpy", "Round", chain=_rounded)
def round(x: Any, decimals: int = 0) -> np.ndarray:
    """The nearest multiple of 10^-decimals, of two equally near ones the even; it has no gradient.

    >>> from fastconv import ops
    >>> ops.round([0.5, 1.5, 2.6]).tolist()
    [0.0, 2.0, 3.0]
    """
    return np.round(x, decimals)


@elementwise("numpy", "Arctan2", "x1 x2", chain=lambda x1, x2: x1.apply("atan2", x2), real=True)
def arctan2(x1: Any, x2: Any) -> np.ndarray:
    """The angle of the point (x2, x1), from -pi to pi.

    >>> from fastconv import ops
    >>> ops.arctan2([0.0], [1.0]).tolist()
    [0.0]
    """
    return np.arctan2(x1, x2)


def _log_of_sum(x1: Any, x2: Any) -> Any:
    distance = (x1 - x2).apply("absolute")
    larger = x1.apply("maximum", x2) + (-distance).apply("exp").apply("log1p")
    # Equal numbers share the gradient, which a maximum would give to the first.
    return x1.apply("equal", x2).where((x1 + x2) * 0.5 + math.log(2), larger)


@elementwise("numpy", "Logaddexp", "x1 x2", chain=_log_of_sum, real=True)
def logaddexp(x1: Any, x2: Any) -> np.ndarray:
    """log(exp(x1) + exp(x2)), without overflow.

    >>> from fastconv import ops
    >>> ops.logaddexp([1000.0], [0.0]).tolist()
    [1000.0]
    """
    return np.logaddexp(x1, x2)


# The error function from its definition in the C library, element by element.
_erf = np.vectorize(math.erf, otypes=[np.float64])


@elementwise("math", "Erf", chain=lambda x: x.apply("erf"), real=True)
def erf(x: Any) -> np.ndarray:
    """The error function, 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x.

    >>> from fastconv import ops
    >>> ops.erf([0.0]).tolist()
    [0.0]
    """
    return _erf(x).astype(x.dtype) if x.size else x.copy()
