"""Sums, means, extremes and other reductions along axes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastconv.ops import arithmetic, transcendental
from fastconv.ops._function import Spec, composite, function
from fastconv.ops.core import as_float, cast, stop_gradient
from fastconv.ops.shaping import axes_of, reshape

Axis = Any  # None, an integer or a tuple of integers


def _reduced(x: Spec, axis: Axis = None, keepdims: bool = False, **_: Any) -> tuple:
    axes = axes_of(axis, x.ndim)
    return tuple(1 if a in axes else n for a, n in enumerate(x.shape) if keepdims or a not in axes)


def _kept(array: np.ndarray, x: np.ndarray, axis: Axis) -> np.ndarray:
    """Return a result of `x` with the reduced axes as axes of size 1."""
    axes = axes_of(axis, x.ndim)
    return array.reshape([1 if a in axes else n for a, n in enumerate(x.shape)])


def _whole(x: Spec | np.ndarray, **_: Any) -> Any:
    """Integers add up in int32 at least, as in Keras."""
    dtype = x.dtype
    if dtype.kind == "b" or (dtype.kind == "i" and dtype.itemsize < 4):
        return np.dtype(np.int32)
    return np.dtype(np.uint32) if dtype.kind == "u" and dtype.itemsize < 4 else dtype


def _sum_gradient(dy, y, x, axis, keepdims):
    return np.broadcast_to(_kept(dy, x, axis), x.shape)


@function("numpy", "Sum", gradient=_sum_gradient, shape=_reduced, dtype=_whole)
def sum(x: Any, axis: Axis = None, keepdims: bool = False) -> np.ndarray:
    """The sum along `axis`: one, several, or (None) all axes; they stay with size 1 if `keepdims`.

    >>> from fastconv import ops
    >>> ops.sum([[1.0, 2.0], [3.0, 4.0]], axis=1).tolist()
    [3.0, 7.0]
    """
    return np.sum(x, axis=axes_of(axis, x.ndim), keepdims=keepdims, dtype=_whole(x))


def _mean_gradient(dy, y, x, axis, keepdims):
    count = math.prod(x.shape[a] for a in axes_of(axis, x.ndim))
    return np.broadcast_to(_kept(dy, x, axis) / x.dtype.type(count), x.shape)


@function("numpy", "Mean", gradient=_mean_gradient, shape=_reduced, real=True)
def mean(x: Any, axis: Axis = None, keepdims: bool = False) -> np.ndarray:
    """The mean along `axis`; see `sum`.

    >>> from fastconv import ops
    >>> ops.mean([[1.0, 2.0], [3.0, 4.0]], axis=1).tolist()
    [1.5, 3.5]
    """
    return np.mean(x, axis=axes_of(axis, x.ndim), keepdims=keepdims)


def _extreme_gradient(dy, y, x, axis, keepdims, initial=None):
    """Equal extremes share the gradient."""
    chosen = x == _kept(y, x, axis)
    count = chosen.sum(axis=axes_of(axis, x.ndim), keepdims=True)
    share = _kept(dy, x, axis) / np.maximum(count, 1).astype(x.dtype)
    return np.where(chosen, share, x.dtype.type(0))


def _initial(initial: Any, x: np.ndarray) -> dict[str, Any]:
    return {} if initial is None else {"initial": x.dtype.type(initial)}


@function("numpy", "Max", gradient=_extreme_gradient, shape=_reduced)
def max(
    x: Any, axis: Axis = None, keepdims: bool = False, initial: float | None = None
) -> np.ndarray:
    """The largest element along `axis`, at least `initial`; see `sum`. Equal ones share the
    gradient.

    >>> from fastconv import ops
    >>> ops.max([[1.0, 2.0], [3.0, 4.0]], axis=0).tolist()
    [3.0, 4.0]
    """
    return np.max(x, axis=axes_of(axis, x.ndim), keepdims=keepdims, **_initial(initial, x))


@function("numpy", "Min", gradient=_extreme_gradient, shape=_reduced)
def min(
    x: Any, axis: Axis = None, keepdims: bool = False, initial: float | None = None
) -> np.ndarray:
    """The smallest element along `axis`, at most `initial`; see `max`.

    >>> from fastconv import ops
    >>> ops.min([[1.0, 2.0], [3.0, 4.0]], axis=0).tolist()
    [1.0, 2.0]
    """
    return np.min(x, axis=axes_of(axis, x.ndim), keepdims=keepdims, **_initial(initial, x))


@composite("numpy", "Amax")
def amax(x: Any, axis: Axis = None, keepdims: bool = False) -> np.ndarray:
    """The largest element along `axis`, as `max`.

    >>> from fastconv import ops
    >>> ops.amax([1.0, 2.0]).tolist()
    2.0
    """
    return max(x, axis, keepdims)


@composite("numpy", "Amin")
def amin(x: Any, axis: Axis = None, keepdims: bool = False) -> np.ndarray:
    """The smallest element along `axis`, as `min`.

    >>> from fastconv import ops
    >>> ops.amin([1.0, 2.0]).tolist()
    1.0
    """
    return min(x, axis, keepdims)


def _prod_gradient(dy, y, x, axis, keepdims, dtype=None):
    """The product of all other elements: of those before it and those after it."""
    axes = axes_of(axis, x.ndim)
    last = tuple(range(x.ndim - len(axes), x.ndim))
    moved = np.moveaxis(x, axes, last)
    rows = moved.reshape(*moved.shape[: last[0]], -1) if axes else moved[..., None]
    ones = np.ones_like(rows[..., :1])
    before = np.cumprod(np.concatenate([ones, rows[..., :-1]], -1), -1)
    after = np.cumprod(np.concatenate([ones, rows[..., :0:-1]], -1), -1)[..., ::-1]
    others = np.moveaxis((before * after).reshape(moved.shape), last, axes)
    return _kept(dy, x, axis) * others


def _prod_dtype(x, dtype=None, **_):
    return np.dtype(dtype) if dtype is not None else _whole(x)


@function("numpy", "Prod", gradient=_prod_gradient, shape=_reduced, dtype=_prod_dtype)
def prod(x: Any, axis: Axis = None, keepdims: bool = False, dtype: Any = None) -> np.ndarray:
    """The product along `axis`; see `sum`.

    >>> from fastconv import ops
    >>> ops.prod([2.0, 3.0, 4.0]).tolist()
    24.0
    """
    axes = axes_of(axis, x.ndim)
    return np.prod(x, axis=axes, keepdims=keepdims, dtype=_prod_dtype(x, dtype))


def _var_gradient(dy, y, x, axis, keepdims):
    axes = axes_of(axis, x.ndim)
    count = math.prod(x.shape[a] for a in axes)
    apart = x - x.mean(axis=axes, keepdims=True)
    return _kept(dy, x, axis) * apart * x.dtype.type(2 / count)


@function("numpy", "Var", gradient=_var_gradient, shape=_reduced, real=True)
def var(x: Any, axis: Axis = None, keepdims: bool = False) -> np.ndarray:
    """The mean of the squared distances from the mean along `axis`; see `sum`.

    >>> from fastconv import ops
    >>> ops.var([1.0, 3.0]).tolist()
    1.0
    """
    return np.var(x, axis=axes_of(axis, x.ndim), keepdims=keepdims)


@composite("numpy", "Std")
def std(x: Any, axis: Axis = None, keepdims: bool = False) -> np.ndarray:
    """The square root of `var`.

    >>> from fastconv import ops
    >>> ops.std([1.0, 3.0]).tolist()
    1.0
    """
    return arithmetic.sqrt(var(x, axis, keepdims))


@function("numpy", "Any", shape=_reduced, dtype="bool")
def any(x: Any, axis: Axis = None, keepdims: bool = False) -> np.ndarray:
    """Whether an element along `axis` is true or not 0, bool; see `sum`.

    >>> from fastconv import ops
    >>> ops.any([False, True]).tolist()
    True
    """
    return np.any(x, axis=axes_of(axis, x.ndim), keepdims=keepdims)


@function("numpy", "All", shape=_reduced, dtype="bool")
def all(x: Any, axis: Axis = None, keepdims: bool = False) -> np.ndarray:
    """Whether all elements along `axis` are true or not 0, bool; see `sum`.

    >>> from fastconv import ops
    >>> ops.all([False, True]).tolist()
    False
    """
    return np.all(x, axis=axes_of(axis, x.ndim), keepdims=keepdims)


@function("numpy", "CountNonzero", shape=_reduced, dtype="int32")
def count_nonzero(x: Any, axis: Axis = None) -> np.ndarray:
    """The number of elements along `axis` that are not 0, int32; see `sum`.

    >>> from fastconv import ops
    >>> ops.count_nonzero([0.0, 2.0, 3.0]).tolist()
    2
    """
    return np.asarray(np.sum(x != 0, axis=axes_of(axis, x.ndim), dtype=np.int32))


@function("numpy", "Argmax", shape=_reduced, dtype="int32")
def argmax(x: Any, axis: int | None = None, keepdims: bool = False) -> np.ndarray:
    """The index of the first largest element along `axis`, int32; of None, in the flat array.

    >>> from fastconv import ops
    >>> ops.argmax([[1.0, 2.0], [4.0, 3.0]], axis=1).tolist()
    [1, 0]
    """
    return _index_of(np.argmax, x, axis, keepdims)


@function("numpy", "Argmin", shape=_reduced, dtype="int32")
def argmin(x: Any, axis: int | None = None, keepdims: bool = False) -> np.ndarray:
    """The index of the first smallest element along `axis`, int32; of None, in the flat array.

    >>> from fastconv import ops
    >>> ops.argmin([[1.0, 2.0], [4.0, 3.0]], axis=1).tolist()
    [0, 1]
    """
    return _index_of(np.argmin, x, axis, keepdims)


def _index_of(find: Any, x: np.ndarray, axis: int | None, keepdims: bool) -> np.ndarray:
    found = np.asarray(find(x, axis=axis)).astype(np.int32)
    return _kept(found, x, axis) if keepdims else found


@composite("math", "Logsumexp")
def logsumexp(x: Any, axis: Axis = None, keepdims: bool = False) -> np.ndarray:
    """log(sum(exp(x))) along `axis`, without overflow; see `sum`.

    >>> from fastconv import ops
    >>> ops.logsumexp([1000.0, -1000.0]).tolist()
    1000.0
    """
    top = max(x, axis, keepdims=True)
    top = stop_gradient(arithmetic.where(arithmetic.isfinite(top), top, 0.0))
    total = transcendental.log(sum(transcendental.exp(x - top), axis, keepdims=True)) + top
    return total if keepdims else sum(total, axes_of(axis, len(x.shape)))


@composite("numpy", "Average", "x weights", promoted="x")
def average(x: Any, axis: Axis = None, weights: Any = None) -> np.ndarray:
    """The mean along `axis` with `weights` that have the shape of `x` or of its one `axis`.

    >>> from fastconv import ops
    >>> ops.average([1.0, 4.0], weights=[2.0, 1.0]).tolist()
    2.0
    """
    if weights is None:
        return mean(x, axis)
    x = as_float(x)
    if len(weights.shape) != len(x.shape):
        (only,) = axes_of(axis, len(x.shape))
        weights = reshape(weights, [-1 if a == only else 1 for a in range(len(x.shape))])
    weights = weights + x * 0
    return sum(x * weights, axis) / sum(weights, axis)


def _cumulated(x: Spec, axis: int | None = None, dtype: Any = None) -> tuple:
    if axis is not None:
        axes_of(axis, x.ndim)
        return x.shape
    known = [n for n in x.shape if n is not None]
    return (math.prod(known) if len(known) == x.ndim else None,)


def _cumsum_gradient(dy, y, x, axis, dtype=None):
    if axis is None:
        return np.cumsum(dy[::-1])[::-1].reshape(x.shape)
    return np.flip(np.cumsum(np.flip(dy, axis), axis), axis)


@function("numpy", "Cumsum", gradient=_cumsum_gradient, shape=_cumulated, dtype=_prod_dtype)
def cumsum(x: Any, axis: int | None = None, dtype: Any = None) -> np.ndarray:
    """The sums of all elements up to each one along `axis`; of None, in the flat array.

    >>> from fastconv import ops
    >>> ops.cumsum([1.0, 2.0, 3.0]).tolist()
    [1.0, 3.0, 6.0]
    """
    return np.cumsum(x, axis=axis, dtype=_prod_dtype(x, dtype))


def _cumprod_gradient(dy, y, x, axis, dtype=None):
    """The derivative of y[j] with respect to x[i] is the product of the others up to j."""
    shape, axis = x.shape, -1 if axis is None else axis
    x = np.moveaxis(x, axis, -1) if dy.shape == shape else x.reshape(-1)
    dy = np.moveaxis(dy, axis, -1)
    dx = np.zeros_like(x)
    for i in range(x.shape[-1]):
        others = x.copy()
        others[..., i] = 1
        dx[..., i] = (np.cumprod(others, -1)[..., i:] * dy[..., i:]).sum(-1)
    return np.moveaxis(dx, -1, axis).reshape(shape)


@function("numpy", "Cumprod", gradient=_cumprod_gradient, shape=_cumulated, dtype=_prod_dtype)
def cumprod(x: Any, axis: int | None = None, dtype: Any = None) -> np.ndarray:
    """The products of all elements up to each one along `axis`; of None, in the flat array.

    >>> from fastconv import ops
    >>> ops.cumprod([1.0, 2.0, 3.0]).tolist()
    [1.0, 2.0, 6.0]
    """
    return np.cumprod(x, axis=axis, dtype=_prod_dtype(x, dtype))


def _singular_shape(x: Spec, axes: tuple[int, int]) -> tuple:
    known = sorted(size for axis in axes if (size := x.shape[axis]) is not None)
    count = known[0] if len(known) == len(axes) else None
    of_axis = dict(zip(axes, (1, count), strict=True))
    return tuple(of_axis.get(axis, n) for axis, n in enumerate(x.shape))


def _singular_gradient(dy, y, x, axes):
    left, _, right = np.linalg.svd(np.moveaxis(x, axes, (-2, -1)), full_matrices=False)
    return np.moveaxis(left * np.moveaxis(dy, axes, (-2, -1)) @ right, (-2, -1), axes)


@function(
    "fastconv", "SingularValues", gradient=_singular_gradient, shape=_singular_shape, real=True
)
def _singular_values(x: Any, axes: tuple[int, int]) -> np.ndarray:
    """The singular values of matrices along the second of two axes; the first one has size 1."""
    values = np.linalg.svd(np.moveaxis(x, axes, (-2, -1)), compute_uv=False)
    return np.moveaxis(values[..., None, :], (-2, -1), axes)


# ord of a matrix -> the axis of the sums of |x|, of which the norm is an extreme, or "svd" for its
# singular values; and their extreme or sum
_MATRIX_NORMS: dict[Any, tuple[Any, str]] = {
    1: (0, "max"), -1: (0, "min"), math.inf: (1, "max"), -math.inf: (1, "min"),
    2: ("svd", "max"), -2: ("svd", "min"), "nuc": ("svd", "sum"),
}  # fmt: skip


def _matrix_norm(x: Any, ord: Any, axes: tuple[int, int], keepdims: bool) -> Any:
    along, reduce = _MATRIX_NORMS[ord]
    if along == "svd":
        values = _singular_values(x, axes)
    else:
        values = sum(arithmetic.absolute(x), axes[along], True)
    return {"max": max, "min": min, "sum": sum}[reduce](values, axes, keepdims)


@composite("linalg", "Norm")
def norm(x: Any, ord: Any = None, axis: Axis = None, keepdims: bool = False) -> np.ndarray:
    """The norm of vectors along one axis, or of matrices along two.

    Args:
        x: any shape.
        ord: of vectors, a number p for (sum of |x|^p)^(1/p), infinity or -infinity. Of matrices,
            "fro"; 1, -1, infinity or -infinity for the extreme sum of a column or a row; 2, -2 or
            "nuc" for the extreme singular value or the sum of all. None for the root of the sum of
            squares.
        axis: one axis, two axes, or None for all.
        keepdims: whether the axes stay with size 1.

    Raises ValueError for an unsupported `ord`.

    >>> from fastconv import ops
    >>> ops.norm([3.0, 4.0]).tolist()
    5.0
    """
    x = as_float(x)
    axes = axes_of(axis, len(x.shape))
    if ord is None or (ord == "fro" and len(axes) == 2) or (ord == 2 and len(axes) == 1):
        return arithmetic.sqrt(sum(arithmetic.square(x), axis, keepdims))
    if len(axes) == 2 and ord in _MATRIX_NORMS:
        return _matrix_norm(x, ord, axes, keepdims)
    if len(axes) != 1 or isinstance(ord, str):
        raise ValueError(
            "`ord` must be None, a number for one axis, or for two axes 'fro' or one of "
            f"{[*_MATRIX_NORMS]}, received {ord!r} for {axis!r}"
        )
    size = arithmetic.absolute(x)
    if ord == math.inf:
        return max(size, axis, keepdims)
    if ord == -math.inf:
        return min(size, axis, keepdims)
    if ord == 0:
        return sum(cast(arithmetic.not_equal(x, 0.0), "float32"), axis, keepdims)
    if ord == 1:
        return sum(size, axis, keepdims)
    return arithmetic.power(sum(arithmetic.power(size, float(ord)), axis, keepdims), 1 / ord)


@composite("nn", "Moments")
def moments(
    x: Any, axes: Axis, keepdims: bool = False, synchronized: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """(mean, variance) along `axes`.

    Raises ValueError for `synchronized`, which needs several devices.

    >>> from fastconv import ops
    >>> [float(part) for part in ops.moments([1.0, 3.0], axes=0)]
    [2.0, 1.0]
    """
    if synchronized:
        raise ValueError("`synchronized` must be False: there is one device, received True")
    return mean(x, axes, keepdims), var(x, axes, keepdims)
