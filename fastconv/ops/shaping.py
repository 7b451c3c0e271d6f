"""The arrangement of elements: shapes, axes, joining, splitting, repeating, padding.

Named as in NumPy and Keras; `arrangement` has the compiled operations on images.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np

from fastconv.common.literals import PadMode
from fastconv.ops._function import Spec, broadcast_shapes, composite, function, sum_to
from fastconv.shapes import normalize_int


def axes_of(axis: Any, rank: int, name: str = "axis") -> tuple[int, ...]:
    """Return the axes that `axis` means for `rank` axes: all for None, negative ones from the end.

    Raises ValueError for an axis that does not exist or occurs twice, TypeError for no integer.
    """
    if axis is None:
        return tuple(range(rank))
    several = axis if isinstance(axis, (tuple, list)) else [axis]
    axes = [
        number + rank if (number := normalize_int(one, name, minimum=-64)) < 0 else number
        for one in several
    ]
    if any(not 0 <= one < rank for one in axes) or len(set(axes)) < len(axes):
        raise ValueError(
            f"`{name}` must be axes from {-rank} to {rank - 1}, each once, received {axis!r}"
        )
    return tuple(axes)


def _axis(axis: Any, rank: int, name: str = "axis") -> int:
    (one,) = axes_of([axis], rank, name)
    return one


def count(shape: Any) -> Any:
    """Return the number of elements of an array of `shape`; None if a size is unknown."""
    return None if None in shape else math.prod(shape)


def _back(dy, y, x, *_, **__):
    """The gradient of functions that only change the shape."""
    return dy.reshape(x.shape)


# ------------------------------------------------------------------------------------------- shapes


def resolve_shape(shape: tuple[int | None, ...], newshape: Any) -> tuple[int | None, ...]:
    """Return the result's shape of `reshape`: None and -1 stand for unknown sizes.

    One -1 is computed if all sizes are known. A None takes the size of the same axis of `shape`.
    """
    wanted = newshape if isinstance(newshape, (tuple, list)) else [newshape]
    sizes = [
        shape[a] if n is None and a < len(shape) else -1 if n is None else normalize_int(
            n, "newshape", minimum=-1
        )
        for a, n in enumerate(wanted)
    ]  # fmt: skip
    if sizes.count(-1) > 1:
        raise ValueError(f"`newshape` must have one size of -1 at most, received {newshape!r}")
    if sizes.count(None) < shape.count(None):  # the unknown size is part of another one
        return tuple(None if n == -1 else n for n in sizes)
    known = math.prod(n for n in sizes if n not in (None, -1))
    whole = math.prod(n for n in shape if n is not None)
    if known != whole and (-1 not in sizes or known == 0 or whole % known):
        raise ValueError(f"`newshape` {newshape!r} does not fit an array of shape {shape}")
    return tuple(whole // max(known, 1) if n == -1 else n for n in sizes)


def _reshaped(x: Spec, newshape: Any) -> tuple:
    return resolve_shape(x.shape, newshape)


@function("numpy", "Reshape", gradient=_back, shape=_reshaped)
def reshape(x: Any, newshape: Any) -> np.ndarray:
    """The same elements in the same order in another shape; one size may be -1.

    >>> from fastconv import ops
    >>> ops.reshape([1, 2, 3, 4], (2, -1)).tolist()
    [[1, 2], [3, 4]]
    """
    return x.reshape(resolve_shape(x.shape, newshape))


@function("numpy", "Ravel", gradient=_back)
def ravel(x: Any) -> np.ndarray:
    """All elements along one axis.

    >>> from fastconv import ops
    >>> ops.ravel([[1, 2], [3, 4]]).tolist()
    [1, 2, 3, 4]
    """
    return x.reshape(-1)


def _expanded(x: Spec, axis: Any) -> tuple:
    axes = axes_of(axis, x.ndim + (len(axis) if isinstance(axis, (tuple, list)) else 1))
    sizes = iter(x.shape)
    return tuple(1 if a in axes else next(sizes) for a in range(x.ndim + len(axes)))


@function("numpy", "ExpandDims", gradient=_back, shape=_expanded)
def expand_dims(x: Any, axis: Any) -> np.ndarray:
    """New axes of size 1, at the positions `axis` of the result.

    >>> from fastconv import ops
    >>> ops.expand_dims([1, 2], axis=-1).tolist()
    [[1], [2]]
    """
    return x.reshape(_expanded(x, axis))


def _squeezed(x: Spec, axis: Any = None) -> tuple:
    ones = [a for a, n in enumerate(x.shape) if n == 1]
    axes = ones if axis is None else axes_of(axis, x.ndim)
    if any(a not in ones for a in axes):
        raise ValueError(f"`axis` must be axes of size 1, received {axis!r} for shape {x.shape}")
    return tuple(n for a, n in enumerate(x.shape) if a not in axes)


@function("numpy", "Squeeze", gradient=_back, shape=_squeezed)
def squeeze(x: Any, axis: Any = None) -> np.ndarray:
    """The array without the axes `axis` of size 1; of None, without all of them.

    >>> from fastconv import ops
    >>> ops.squeeze([[[1], [2]]]).tolist()
    [1, 2]
    """
    return x.reshape(_squeezed(x, axis))


def _broadcast_shape(x: Spec, shape: Any) -> tuple:
    return broadcast_shapes([x.shape, tuple(shape)])


@function(
    "numpy",
    "BroadcastTo",
    gradient=lambda dy, y, x, shape: sum_to(dy, x.shape),
    shape=_broadcast_shape,
)
def broadcast_to(x: Any, shape: Any) -> np.ndarray:
    """`x` repeated along new axes and axes of size 1, so that it has `shape`.

    >>> from fastconv import ops
    >>> ops.broadcast_to([1, 2], (2, 2)).tolist()
    [[1, 2], [1, 2]]
    """
    return np.broadcast_to(x, tuple(x.shape[a] if n is None else n for a, n in enumerate(shape)))


# --------------------------------------------------------------------------------------------- axes


def _swapped(dy, y, x, axis1, axis2):
    return np.swapaxes(dy, axis1, axis2)


@function("numpy", "Swapaxes", gradient=_swapped)
def swapaxes(x: Any, axis1: int, axis2: int) -> np.ndarray:
    """Two axes in each other's place.

    >>> from fastconv import ops
    >>> ops.swapaxes([[1, 2]], 0, 1).tolist()
    [[1], [2]]
    """
    return np.swapaxes(x, axis1, axis2)


def _moved_back(dy, y, x, source, destination):
    return np.moveaxis(dy, destination, source)


@function("numpy", "Moveaxis", gradient=_moved_back)
def moveaxis(x: Any, source: Any, destination: Any) -> np.ndarray:
    """Axes at other positions; all others stay in order.

    >>> from fastconv import ops
    >>> ops.moveaxis([[[1, 2]]], 0, -1).shape
    (1, 2, 1)
    """
    return np.moveaxis(x, source, destination)


@function("numpy", "Flip", gradient=lambda dy, y, x, axis: np.flip(dy, axis))
def flip(x: Any, axis: Any = None) -> np.ndarray:
    """The elements along `axis` in reverse order; of None, along all axes.

    >>> from fastconv import ops
    >>> ops.flip([1, 2, 3]).tolist()
    [3, 2, 1]
    """
    return np.flip(x, axis)


def _rolled_back(dy, y, x, shift, axis):
    negative = [-n for n in shift] if isinstance(shift, (tuple, list)) else -shift
    return np.roll(dy, negative, axis)


def _rolled(x: Spec, shift: Any, axis: Any = None) -> tuple:
    axes_of(axis, x.ndim)
    return x.shape


@function("numpy", "Roll", gradient=_rolled_back, shape=_rolled)
def roll(x: Any, shift: Any, axis: Any = None) -> np.ndarray:
    """The elements moved by `shift` positions along `axis`; the last ones become the first.

    >>> from fastconv import ops
    >>> ops.roll([1, 2, 3], 1).tolist()
    [3, 1, 2]
    """
    return np.roll(x, shift, axis)


# ---------------------------------------------------------------------------- joining and splitting


def _split_back(dy, y, xs, axis):
    if axis is None:
        parts = np.split(dy, np.cumsum([x.size for x in xs])[:-1])
        return ([part.reshape(x.shape) for part, x in zip(parts, xs, strict=True)],)
    ends = np.cumsum([x.shape[axis] for x in xs])[:-1]
    return (np.split(dy, ends, axis),)


def _joined(xs: Any, axis: int | None = 0) -> tuple:
    if axis is None:
        counts: list[Any] = [count(x.shape) for x in xs]
        return (None if None in counts else sum(counts),)
    rank = xs[0].ndim
    axis = _axis(axis, rank)
    for x in xs:
        if x.ndim != rank or any(
            a != axis and None not in (n, m) and n != m
            for a, (n, m) in enumerate(zip(x.shape, xs[0].shape, strict=False))
        ):
            raise ValueError(
                f"`xs` must have equal sizes except along axis {axis}, received "
                f"{[x.shape for x in xs]}"
            )
    whole = None if any(x.shape[axis] is None for x in xs) else sum(x.shape[axis] for x in xs)
    return (*xs[0].shape[:axis], whole, *xs[0].shape[axis + 1 :])


@function("numpy", "Concatenate", "*xs", gradient=_split_back, shape=_joined)
def concatenate(xs: Any, axis: int | None = 0) -> np.ndarray:
    """Arrays joined along an axis; along None, all of their elements.

    >>> from fastconv import ops
    >>> ops.concatenate([[1, 2], [3]], axis=0).tolist()
    [1, 2, 3]
    """
    return np.concatenate(xs, axis)


@composite("numpy", "Vstack", "*xs")
def vstack(xs: Any) -> np.ndarray:
    """Arrays joined along the first axis; vectors are rows.

    >>> from fastconv import ops
    >>> ops.vstack([[1, 2], [3, 4]]).tolist()
    [[1, 2], [3, 4]]
    """
    return concatenate([reshape(x, (1, -1)) if len(x.shape) == 1 else x for x in xs], 0)


@composite("numpy", "Hstack", "*xs")
def hstack(xs: Any) -> np.ndarray:
    """Arrays joined along the second axis; vectors along their only one.

    >>> from fastconv import ops
    >>> ops.hstack([[1, 2], [3, 4]]).tolist()
    [1, 2, 3, 4]
    """
    return concatenate(xs, 0 if len(xs[0].shape) == 1 else 1)


def _unstacked(dy, y, x, axis):
    return ([np.take(dy, i, axis) for i in range(len(x))],)


@function("numpy", "Stack", "*x", gradient=_unstacked)
def stack(x: Any, axis: int = 0) -> np.ndarray:
    """Arrays of one shape joined along a new axis.

    >>> from fastconv import ops
    >>> ops.stack([[1, 2], [3, 4]], axis=1).tolist()
    [[1, 3], [2, 4]]
    """
    return np.stack(x, axis)


def _ends(size: Any, indices_or_sections: Any) -> list[int]:
    """Return the ends of all parts but the last one."""
    if isinstance(indices_or_sections, (tuple, list, np.ndarray)):
        return [int(end) for end in indices_or_sections]
    sections = normalize_int(indices_or_sections, "indices_or_sections")
    if size % sections:
        raise ValueError(
            f"`indices_or_sections` must divide the size {size} of the axis, received {sections}"
        )
    return [size // sections * k for k in range(1, sections)]


def _parts(x: Spec, indices_or_sections: Any, axis: int = 0) -> list[tuple]:
    axis = _axis(axis, x.ndim)
    if x.shape[axis] is None:
        raise ValueError(f"`axis` must be one of known size, received {axis} for shape {x.shape}")
    ends = [0, *_ends(x.shape[axis], indices_or_sections), x.shape[axis]]
    return [
        (*x.shape[:axis], max(0, stop - start), *x.shape[axis + 1 :])
        for start, stop in pairwise(ends)
    ]


def _rejoined(dy, y, x, indices_or_sections, axis):
    return np.concatenate(dy, axis)


@function("numpy", "Split", gradient=_rejoined, shape=_parts)
def split(x: Any, indices_or_sections: Any, axis: int = 0) -> list[np.ndarray]:
    """A list of parts along an axis: an equal number, or parts that end at the indices given.

    >>> from fastconv import ops
    >>> [part.tolist() for part in ops.split([1, 2, 3, 4], 2)]
    [[1, 2], [3, 4]]
    """
    axis = _axis(axis, x.ndim)
    return np.split(x, _ends(x.shape[axis], indices_or_sections), axis)


def _each(x: Spec, num: int | None = None, axis: int = 0) -> list[tuple]:
    axis = _axis(axis, x.ndim)
    count = x.shape[axis] if num is None else num
    if count is None:
        raise ValueError(f"`num` must be given for an axis of unknown size, received {x.shape}")
    return [x.shape[:axis] + x.shape[axis + 1 :]] * count


@function("core", "Unstack", gradient=lambda dy, y, x, num, axis: np.stack(dy, axis), shape=_each)
def unstack(x: Any, num: int | None = None, axis: int = 0) -> list[np.ndarray]:
    """The elements along an axis as a list.

    >>> from fastconv import ops
    >>> [part.tolist() for part in ops.unstack([[1, 2], [3, 4]])]
    [[1, 2], [3, 4]]
    """
    return [np.take(x, i, axis) for i in range(x.shape[axis])]


# ---------------------------------------------------------------------------- repeating and padding


def _repeat_gradient(dy, y, x, repeats, axis):
    flat, axis = (x.reshape(-1), 0) if axis is None else (x, axis)
    counts = np.broadcast_to(repeats, flat.shape[axis])
    dx = np.add.reduceat(dy, np.concatenate([[0], np.cumsum(counts)[:-1]]), axis)
    return dx.reshape(x.shape)


def _check_repeats(repeats: Any) -> Any:
    if np.min(repeats) < 1:
        raise ValueError(f"`repeats` must be at least 1, received {repeats!r}")
    return repeats


@function("numpy", "Repeat", gradient=_repeat_gradient)
def repeat(x: Any, repeats: Any, axis: int | None = None) -> np.ndarray:
    """Every element along `axis` several times; of None, of the flat array.

    >>> from fastconv import ops
    >>> ops.repeat([1, 2], 2).tolist()
    [1, 1, 2, 2]
    """
    return np.repeat(x, _check_repeats(repeats), axis)


def _tile_gradient(dy, y, x, repeats):
    counts = repeats if isinstance(repeats, (tuple, list)) else [repeats]
    rank = max(x.ndim, len(counts))
    counts = [1] * (rank - len(counts)) + list(counts)
    sizes = [1] * (rank - x.ndim) + list(x.shape)
    pairs = [n for pair in zip(counts, sizes, strict=True) for n in pair]
    return dy.reshape(pairs).sum(axis=tuple(range(0, 2 * rank, 2))).reshape(x.shape)


def _tiled(x: Spec, repeats: Any) -> tuple:
    counts = repeats if isinstance(repeats, (tuple, list)) else [repeats]
    rank = max(x.ndim, len(counts))
    sizes = (*(1,) * (rank - x.ndim), *x.shape)
    times = [normalize_int(n, "repeats", minimum=0) for n in (*[1] * (rank - len(counts)), *counts)]
    return tuple((None if n is None else n * k) for n, k in zip(sizes, times, strict=True))


@function("numpy", "Tile", gradient=_tile_gradient, shape=_tiled)
def tile(x: Any, repeats: Any) -> np.ndarray:
    """The whole array several times along each axis.

    >>> from fastconv import ops
    >>> ops.tile([1, 2], 2).tolist()
    [1, 2, 1, 2]
    """
    return np.tile(x, repeats)


_PAD_MODES = ("constant", "reflect", "symmetric", "edge", "wrap")


def _widths(pad_width: Any, rank: int) -> list[Any]:
    width = np.asarray(pad_width)
    if width.dtype.kind not in "iu" or (width.size and width.min() < 0):
        raise ValueError(f"`pad_width` must hold integers of at least 0, received {pad_width!r}")
    return [tuple(map(int, pair)) for pair in np.broadcast_to(width, (rank, 2))]


def _padded(x: Spec, pad_width: Any, mode: str = "constant", **_: Any) -> tuple:
    widths = _widths(pad_width, x.ndim)
    return tuple(
        None if n is None else before + n + after
        for n, (before, after) in zip(x.shape, widths, strict=True)
    )


def _pad_gradient(dy, y, x, pad_width, mode, constant_values=None):
    """Mirrored elements add their gradient to the element that they mirror."""
    widths = _widths(pad_width, x.ndim)
    if mode == "constant":
        inner = [slice(b, b + n) for n, (b, _) in zip(x.shape, widths, strict=True)]
        return dy[tuple(inner)]
    for axis, (width, n) in enumerate(zip(widths, x.shape, strict=True)):
        source = np.pad(np.arange(n), width, mode)
        dx = np.zeros((n, *np.moveaxis(dy, axis, 0).shape[1:]), dy.dtype)
        np.add.at(dx, source, np.moveaxis(dy, axis, 0))
        dy = np.moveaxis(dx, 0, axis)
    return dy


@function("numpy", "Pad", gradient=_pad_gradient, shape=_padded, keys="constant_values")
def pad(
    x: Any, pad_width: Any, mode: PadMode = "constant", constant_values: float | None = None
) -> np.ndarray:
    """Elements added before and after each axis.

    Args:
        x: any shape.
        pad_width: a number, (before, after), or a pair for each axis.
        mode: "constant", "reflect" (without the outermost element) or "symmetric" (with it); beyond
            Keras "edge" (the outermost element) or "wrap" (from the other end).
        constant_values: value for "constant"; by default 0.

    Raises ValueError for an unknown mode and negative widths.

    >>> from fastconv import ops
    >>> ops.pad([1, 2], (1, 2)).tolist()
    [0, 1, 2, 0, 0]
    """
    if mode not in _PAD_MODES:
        raise ValueError(f"`mode` must be one of {_PAD_MODES}, received {mode!r}")
    widths = _widths(pad_width, x.ndim)
    if mode != "constant":
        if constant_values is not None:
            raise ValueError(
                f"`constant_values` must be None for mode {mode!r}, received {constant_values!r}"
            )
        return np.pad(x, widths, mode)
    return np.pad(x, widths, constant_values=constant_values or 0)
