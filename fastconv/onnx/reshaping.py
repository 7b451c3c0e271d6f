"""Reshapes of values whose axes have another order in memory than in the file.

A reshape divides or joins neighbouring axes of the file. An axis of memory can be divided where it
is; axes that are joined must be neighbours in memory, in the order of the file. So the axes of each
group are brought together first, which moves nothing if they are together already:

    (N, C, H, W) -> (N, C, H W)         memory (N, H, W, C) -> (N, H W, C)
    (N, C, H, W) -> (N, 2, C / 2, H, W) memory (N, H, W, C) -> (N, H, W, 2, C / 2)
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from fastconv import layers, ops
from fastconv.onnx.layering import is_batch
from fastconv.onnx.sizes import case_shapes
from fastconv.onnx.tensor import Tensor, permuted

Groups = list[tuple[list[int], list[int]]]  # axes before, axes after


def flattened(x: Tensor) -> Tensor:
    """Return (N, all elements of a sample): images keep the order that they have in memory."""
    if x.rank == 2:
        return x
    if x.columns is not None or x.order[0] != 0:
        x = Tensor.of(x.plain)
    sizes = x.sizes(1)
    value = layers.Flatten()(x.value)
    places = np.arange(math.prod(sizes)).reshape(sizes)
    columns = places.transpose([axis - 1 for axis in x.order[1:]]).reshape(-1)
    moved = not np.array_equal(columns, np.arange(len(columns)))
    return Tensor(value, (0, 1), columns if moved else None)


def reshaped(x: Tensor, shape: Sequence[int | None]) -> Tensor:
    """Return the reshaped tensor; `shape` as of `sizes.new_shape`."""
    if x.columns is not None:
        x = Tensor.of(x.plain)
    if _keeps_samples(x, shape):
        return flattened(x)
    groups = _common_groups(x, shape)
    shape = shape if groups is None else _resolved(x, shape, groups)
    if groups is None or x.order == tuple(range(x.rank)):
        return Tensor.of(ops.reshape(x.plain, _as_argument(x.shape, shape)))
    group_of = {axis: number for number, (before, _) in enumerate(groups) for axis in before}
    order: list[int] = []
    after: list[int] = []
    for axis in x.order:
        if axis not in order:
            before, new = groups[group_of[axis]]
            order += before
            after += new
    after += [a for before, new in groups if not before for a in new]
    value = permuted(x.value, tuple(x.order.index(axis) for axis in order))
    sizes = [shape[axis] for axis in after]
    return Tensor(ops.reshape(value, _as_argument(value.shape, sizes)), tuple(after))


def _resolved(x: Tensor, shape: Sequence[int | None], groups: Groups) -> list[int | None]:
    """Return the shape with the product of its group for -1, where that is known."""
    sizes = list(shape)
    for before, after in groups:
        old = [n for axis, n in enumerate(x.shape) if axis in before and n is not None]
        new = [shape[axis] for axis in after]
        if new.count(-1) == 1 and None not in new and len(old) == len(before):
            rest = math.prod(n for n in new if n is not None and n != -1)
            sizes[after[new.index(-1)]] = math.prod(old) // rest
    return sizes


def _keeps_samples(x: Tensor, shape: Sequence[int | None]) -> bool:
    """Whether the result is (N, all elements of a sample)."""
    if len(shape) != 2 or not is_batch(x) or None in x.shape[1:] or x.shape[:1] != (None,):
        return False
    whole = math.prod(x.sizes(1))
    return shape[1] == whole or (shape[0] is None and shape[1] == -1)


def _as_argument(before: Sequence[int | None], shape: Sequence[int | None]) -> tuple:
    """Return an argument of `ops.reshape`: None only where the axis has an open size before."""
    return tuple(
        -1 if n is None and not (axis < len(before) and before[axis] is None) else n
        for axis, n in enumerate(shape)
    )


def _common_groups(x: Tensor, shape: Sequence[int | None]) -> Groups | None:
    """Return the groups of axes that are divided or joined, equal in all cases of open sizes; None
    without."""
    found: Groups | None = None
    for before in case_shapes(x):
        whole = math.prod(before)
        after = [before[a] if n is None else n for a, n in enumerate(shape)]
        if -1 in after:
            known = math.prod(n for n in after if n != -1)
            if not known or whole % known:
                return None
            after = [whole // known if n == -1 else n for n in after]
        groups = _groups(before, after)
        if groups is None or (found is not None and groups != found):
            return None
        found = groups
    return found


def _groups(before: Sequence[int], after: Sequence[int]) -> Groups | None:
    """Return the smallest runs of axes with equal numbers of elements; None if there are none."""
    if math.prod(before) != math.prod(after) or 0 in before:
        return None
    groups: Groups = []
    i = j = 0
    while i < len(before) or j < len(after):
        old, new = [i] if i < len(before) else [], [j] if j < len(after) else []
        a = before[i] if old else 1
        b = after[j] if new else 1
        i, j = i + len(old), j + len(new)
        while a != b:
            if a < b:
                a, old, i = a * before[i], [*old, i], i + 1
            else:
                b, new, j = b * after[j], [*new, j], j + 1
        groups.append((old, new))
    return groups
