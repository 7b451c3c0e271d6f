"""Elements by position: indexing, taking, sorting, classes as vectors."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.ops._function import Spec, function
from fastconv.ops.core import dtype_of
from fastconv.ops.shaping import axes_of, count


def _scattered(dy, y, x, key):
    dx = np.zeros(x.shape, dy.dtype)
    np.add.at(dx, key, dy)
    return dx


@function("numpy", "GetItem", gradient=_scattered, promoted="", keys="key")
def get_item(x: Any, key: Any) -> np.ndarray:
    """x[key], for integers, slices, None and ... as in NumPy.

    >>> from fastconv import ops
    >>> ops.get_item([1, 2, 3], slice(1, None)).tolist()
    [2, 3]
    """
    return x[key]


def _take_gradient(dy, y, x, indices, axis):
    flat, along = (x.reshape(-1), 0) if axis is None else (x, axes_of(axis, x.ndim)[0])
    dx = np.zeros((flat.shape[along], *np.delete(flat.shape, along)), dy.dtype)
    rank = np.ndim(indices)
    moved = np.moveaxis(dy, range(along, along + rank), range(rank))
    np.add.at(dx, np.asarray(indices) % flat.shape[along], moved)
    return np.moveaxis(dx, 0, along).reshape(x.shape), None


@function("numpy", "Take", "x indices", gradient=_take_gradient, promoted="x")
def take(x: Any, indices: Any, axis: int | None = None) -> np.ndarray:
    """The elements of `x` at `indices` along `axis`; of None, of the flat array.

    Raises IndexError for an index that the axis does not have.

    >>> from fastconv import ops
    >>> ops.take([10, 20, 30], [2, 0]).tolist()
    [30, 10]
    """
    return np.take(x, indices.astype(np.int64), axis)


def _take_along_gradient(dy, y, x, indices, axis):
    dx = np.zeros(x.shape, dy.dtype)
    if axis is None:
        np.add.at(dx.reshape(-1), indices.reshape(-1), dy.reshape(-1))
        return dx, None
    axis = axes_of(axis, x.ndim)[0]
    places = list(np.ogrid[tuple(slice(n) for n in indices.shape)])
    places[axis] = indices
    np.add.at(dx, tuple(places), dy)
    return dx, None


@function("numpy", "TakeAlongAxis", "x indices", gradient=_take_along_gradient, promoted="x")
def take_along_axis(x: Any, indices: Any, axis: int | None = None) -> np.ndarray:
    """The elements of `x` along `axis` at an index for every place; of None, of the flat array.

    >>> from fastconv import ops
    >>> ops.take_along_axis([[10, 20], [30, 40]], [[1], [0]], axis=1).tolist()
    [[20], [30]]
    """
    indices = indices.astype(np.int64)
    if axis is None:
        return x.reshape(-1)[indices.reshape(-1)]
    return np.take_along_axis(x, indices, axis)


def _permuted_back(dy, y, x, axis):
    order = np.argsort(x, axis, kind="stable")
    if axis is None:
        dx = np.empty_like(dy)
        dx[order] = dy
        return dx.reshape(x.shape)
    dx = np.empty_like(dy)
    np.put_along_axis(dx, order, dy, axis)
    return dx


def _sorted(x: Spec, axis: int | None = -1) -> tuple:
    if axis is None:
        return (count(x.shape),)
    axes_of(axis, x.ndim)
    return x.shape


@function("numpy", "Sort", gradient=_permuted_back, shape=_sorted)
def sort(x: Any, axis: int | None = -1) -> np.ndarray:
    """The elements along `axis` in ascending order; of None, of the flat array.

    >>> from fastconv import ops
    >>> ops.sort([3, 1, 2]).tolist()
    [1, 2, 3]
    """
    order = np.argsort(x, axis, kind="stable")
    return x.reshape(-1)[order] if axis is None else np.take_along_axis(x, order, axis)


@function("numpy", "Argsort", shape=_sorted, dtype="int32")
def argsort(x: Any, axis: int | None = -1) -> np.ndarray:
    """The indices that sort the elements along `axis`, int32; equal ones stay in order. None is
    the flat array.

    >>> from fastconv import ops
    >>> ops.argsort([3, 1, 2]).tolist()
    [1, 2, 0]
    """
    return np.argsort(x, axis, kind="stable").astype(np.int32)


def _check_count(x: Any, k: int) -> None:
    size = x.shape[-1]
    if k < 1 or (size is not None and k > size):
        raise ValueError(f"`k` must be from 1 to {size}, the last size, received {k!r}")


def _top_shape(x: Spec, k: int, sorted: bool = True) -> list[tuple]:
    _check_count(x, k)
    return [(*x.shape[:-1], k)] * 2


def _top_dtypes(x: Spec, k: int, sorted: bool = True) -> tuple:
    return x.dtype, "int32"


def _top_gradient(dy, y, x, k, sorted):
    dx = np.zeros(x.shape, x.dtype)
    np.put_along_axis(dx, y[1], dy[0], -1)
    return dx


@function("math", "TopK", gradient=_top_gradient, shape=_top_shape, dtype=_top_dtypes)
def top_k(x: Any, k: int, sorted: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """(values, indices) of the k largest elements along the last axis, in descending order.

    They are in this order even if not `sorted`, which leaves the order open.

    >>> from fastconv import ops
    >>> [part.tolist() for part in ops.top_k([3, 1, 2], 2)]
    [[3, 2], [0, 2]]
    """
    _check_count(x, k)
    order = np.argsort(-x if x.dtype.kind == "f" else -x.astype(np.int64), -1, kind="stable")
    indices = order[..., :k]
    return np.take_along_axis(x, indices, -1), indices.astype(np.int32)


@function("math", "InTopK", "targets predictions", promoted="")
def in_top_k(targets: Any, predictions: Any, k: int) -> np.ndarray:
    """Whether the class in `targets` (N,) is among the k best `predictions` (N, classes), bool.

    >>> from fastconv import ops
    >>> ops.in_top_k([2], [[0.5, 0.2, 0.3]], k=2).tolist()
    [True]
    """
    chosen = np.take_along_axis(predictions, targets.astype(np.int64)[:, None], -1)
    return (predictions > chosen).sum(-1) < k


def _check_sparse(sparse: bool) -> None:
    if sparse:
        raise ValueError(f"`sparse` must be False: there are no sparse arrays, received {sparse!r}")


def _hot_shape(
    x: Spec, num_classes: int, axis: int = -1, dtype: Any = None, sparse: bool = False
) -> tuple:
    _check_hot(x, sparse)
    (place,) = axes_of(axis, len(x.shape) + 1)
    return (*x.shape[:place], num_classes, *x.shape[place:])


def _check_hot(x: Any, sparse: bool) -> None:
    _check_sparse(sparse)
    if x.dtype.kind not in "iu":
        raise TypeError(f"`x` must hold integers, received {x.dtype}")


@function(
    "nn",
    "OneHot",
    promoted="",
    shape=_hot_shape,
    dtype=lambda x, num_classes, axis=-1, dtype=None, sparse=False: dtype_of(dtype),
)
def one_hot(
    x: Any, num_classes: int, axis: int = -1, dtype: Any = None, sparse: bool = False
) -> np.ndarray:
    """Vectors along a new axis with 1 at the class number, of any integer elsewhere 0.

    >>> from fastconv import ops
    >>> ops.one_hot([1, -1], 3).tolist()
    [[0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]
    """
    _check_hot(x, sparse)
    hot = x[..., None] == np.arange(num_classes)
    return np.moveaxis(hot, -1, axis).astype(dtype_of(dtype))


@function("nn", "MultiHot", "inputs", promoted="")
def multi_hot(
    inputs: Any,
    num_classes: int | None = None,
    axis: int = -1,
    dtype: Any = None,
    sparse: bool = False,
) -> np.ndarray:
    """Vectors with 1 at each of the class numbers along the second axis of `inputs`, or the only
    one.

    >>> from fastconv import ops
    >>> ops.multi_hot([[0, 2]], 3).tolist()
    [[1.0, 0.0, 1.0]]
    """
    _check_sparse(sparse)
    if num_classes is None:
        raise ValueError("`num_classes` must be given, received None")
    hot = (inputs[..., None] == np.arange(num_classes)).any(1 if inputs.ndim > 1 else 0)
    return np.moveaxis(hot, -1, axis).astype(dtype_of(dtype))


@function(
    "numpy", "Tril", gradient=lambda dy, y, x, k: np.tril(dy, k), shape=lambda x, k=0: x.shape
)
def tril(x: Any, k: int = 0) -> np.ndarray:
    """The matrices of the last two axes with 0 above diagonal k.

    >>> from fastconv import ops
    >>> ops.tril([[1, 2], [3, 4]]).tolist()
    [[1, 0], [3, 4]]
    """
    return np.tril(x, k)


@function(
    "numpy", "Triu", gradient=lambda dy, y, x, k: np.triu(dy, k), shape=lambda x, k=0: x.shape
)
def triu(x: Any, k: int = 0) -> np.ndarray:
    """The matrices of the last two axes with 0 below diagonal k.

    >>> from fastconv import ops
    >>> ops.triu([[1, 2], [3, 4]]).tolist()
    [[1, 2], [0, 4]]
    """
    return np.triu(x, k)
