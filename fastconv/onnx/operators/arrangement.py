"""Operators that move elements. What only changes names or order of axes moves nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from fastconv import layers, ops
from fastconv.onnx.layering import is_batch, layer_name
from fastconv.onnx.nodes import Node
from fastconv.onnx.operators.constants import check_bytes
from fastconv.onnx.registry import operator
from fastconv.onnx.reshaping import flattened, reshaped
from fastconv.onnx.sizes import case_shapes, new_shape, values_of
from fastconv.onnx.tensor import Tensor, channels_last, permuted, plain_order


@operator("Reshape", 5, 13, 14, 19, 21, 23, 24, 25)
def reshape(node: Node, x: Tensor, shape: Tensor) -> Tensor:
    return reshaped(x, new_shape(x, shape, zero_copies=not node["allowzero"]))


@operator("Flatten", 1, 9, 11, 13, 21, 23, 24, 25)
def flatten(node: Node, x: Tensor) -> Tensor:
    axis = node["axis"] + (x.rank if node["axis"] < 0 else 0)
    if axis == 1 and is_batch(x) and None not in x.shape[1:] and x.rank > 1:
        return flattened(x)
    cases = [(math.prod(n[:axis]), math.prod(n[axis:])) for n in case_shapes(x)]
    rows, columns = ({case[k] for case in cases} for k in (0, 1))
    shape = [-1 if len(rows) > 1 else rows.pop(), -1 if len(columns) > 1 else columns.pop()]
    if shape == [-1, -1]:
        raise ValueError(f"the sizes after axis {axis} must be known, received {x.shape}")
    return reshaped(x, [None, shape[1]] if axis == 1 and x.shape[0] is None else shape)


@operator("Transpose", 1, 13, 21, 23, 24, 25)
def transpose(node: Node, x: Tensor) -> Tensor:
    axes = node["perm"] or list(reversed(range(x.rank)))
    if sorted(axes) != list(range(x.rank)):
        raise ValueError(f"`perm` must hold each axis once, received {axes} for {x.shape}")
    x = x if x.columns is None else Tensor.of(x.plain)
    return Tensor(x.value, tuple(axes.index(axis) for axis in x.order))


def removed(x: Tensor, axes: Sequence[int]) -> tuple[int, ...]:
    """Return the order of a value without these axes of the file."""
    left = [axis for axis in range(x.rank) if axis not in axes]
    return tuple(left.index(axis) for axis in x.order if axis in left)


@operator("Squeeze", 13, 21, 23, 24, 25)
def squeeze(node: Node, x: Tensor, axes: Tensor | None = None) -> Tensor:
    return _squeezed(x, None if axes is None else axes.integers())


@operator("Squeeze", 1, 11)
def squeeze_by_attribute(node: Node, x: Tensor) -> Tensor:
    return _squeezed(x, node["axes"])


def _squeezed(x: Tensor, axes: Sequence[int] | None) -> Tensor:
    given = [a for a, n in enumerate(x.shape) if n == 1] if axes is None else axes
    gone = [axis % max(x.rank, 1) for axis in given]
    return Tensor(ops.squeeze(x.value, x.axes(gone)), removed(x, gone)) if gone else x


@operator("Unsqueeze", 13, 21, 23, 24, 25)
def unsqueeze(node: Node, x: Tensor, axes: Tensor) -> Tensor:
    return _unsqueezed(x, axes.integers())


@operator("Unsqueeze", 1, 11)
def unsqueeze_by_attribute(node: Node, x: Tensor) -> Tensor:
    return _unsqueezed(x, node["axes"])


def _unsqueezed(x: Tensor, axes: Sequence[int]) -> Tensor:
    """New axes of size 1; an image again if memory allows it."""
    rank = x.rank + len(axes)
    new = {axis % rank for axis in axes}
    if len(new) < len(axes) or not all(-rank <= axis < rank for axis in axes):
        raise ValueError(f"`axes` must be different axes of {rank}, received {list(axes)}")
    kept = [axis for axis in range(rank) if axis not in new]
    before = [kept[axis] for axis in x.order]
    wanted = [channels_last(rank), plain_order(rank)][:: 1 if rank > 3 else -1]
    if is_batch(x):  # stays in front
        batch = before[0]
        others = (axis for axis in range(rank) if axis != batch)
        wanted = [order for order in wanted if order[0] == batch] + [(batch, *others)]
    fits = [order for order in wanted if [a for a in order if a not in new] == before]
    order = fits[0] if fits else (*before, *sorted(new))
    places = tuple(k for k, axis in enumerate(order) if axis in new)
    value = x.plain if x.columns is not None else x.value
    return Tensor(ops.expand_dims(value, places), order) if places else x


@operator("Concat", 4, 11, 13)
def concat(node: Node, *tensors: Tensor) -> Tensor:
    x = next((each for each in tensors if not each.is_constant), tensors[0])
    axis = x.axis(node["axis"])
    columns = [each.columns for each in tensors if each.columns is not None]
    if columns:
        if axis != 1 or len(columns) < len(tensors):
            return concat(node, *(Tensor.of(each.plain) for each in tensors))
        starts = accumulate((len(each) for each in columns), initial=0)
        moved = [each + start for each, start in zip(columns, starts, strict=False)]
        value = ops.concatenate([each.value for each in tensors], 1)
        return Tensor(value, x.order, np.concatenate(moved))
    values = [each.in_order(x.order) for each in tensors]
    if len(values) == 1:
        return x
    known = all(None not in each.value.shape[1:] for each in tensors)
    if known and axis > 0 and all(is_batch(each) for each in tensors):
        return Tensor(layers.Concatenate(axis, name=layer_name(node))(values), x.order)
    return Tensor(ops.concatenate(values, axis), x.order)


@operator("Split", 2, 11)
def split_by_attribute(node: Node, x: Tensor) -> list[Tensor]:
    return _split(node, x, node["split"], len(node.outputs))


@operator("Split", 13)
def split_13(node: Node, x: Tensor, sizes: Tensor | None = None) -> list[Tensor]:
    return _split(node, x, None if sizes is None else sizes.integers(), len(node.outputs))


@operator("Split", 18)
def split(node: Node, x: Tensor, sizes: Tensor | None = None) -> list[Tensor]:
    parts = node["num_outputs"] or len(node.outputs)
    return _split(node, x, None if sizes is None else sizes.integers(), parts)


def _split(node: Node, x: Tensor, sizes: Sequence[int] | None, parts: int) -> list[Tensor]:
    axis, whole = x.axis(node["axis"]), x.shape[node["axis"]]
    if whole is None:
        raise ValueError(f"the size of axis {node['axis']} must be known, received {x.shape}")
    if sizes is None:
        part = -(-whole // parts)
        sizes = [min(part, max(0, whole - k * part)) for k in range(parts)]
    if sum(sizes) != whole or min(sizes) < 0:
        raise ValueError(f"parts of sizes {list(sizes)} do not make up {whole}")
    ends = list(accumulate(sizes))[:-1]
    x = Tensor.of(x.plain) if x.columns is not None else x
    return [Tensor(part, x.order) for part in ops.split(x.value, ends, axis)]


# ------------------------------------------------------------------------------------------- slices


@operator("Slice", 10, 11, 13)
def slice_(
    node: Node, x: Tensor, starts: Tensor, ends: Tensor, axes: Tensor | None = None,
    steps: Tensor | None = None,
) -> Tensor:  # fmt: skip
    count = starts.value.shape[0]
    which = list(range(count)) if axes is None else axes.integers()
    by = [1] * count if steps is None else steps.integers()
    first, last = (list(zip(*values_of(each), strict=True)) for each in (starts, ends))
    return _sliced(x, first, last, which, by)


@operator("Slice", 1)
def slice_by_attributes(node: Node, x: Tensor) -> Tensor:
    starts, ends = ([(n,) for n in node[name]] for name in ("starts", "ends"))
    return _sliced(x, starts, ends, node["axes"] or range(len(starts)), [1] * len(starts))


def _sliced(x: Tensor, starts: Any, ends: Any, axes: Sequence[int], steps: Sequence[int]) -> Tensor:
    """`starts` and `ends` hold a number per case of open sizes."""
    x = Tensor.of(x.plain) if x.columns is not None else x
    key = [slice(None)] * x.rank
    sizes = case_shapes(x) if not x.is_constant else [x.shape]
    x.axes([axis % x.rank for axis in axes])
    for first, last, axis, step in zip(starts, ends, axes, steps, strict=True):
        whole = [shape[axis] for shape in sizes]
        key[x.axis(axis)] = slice(
            _bound(first, whole, step < 0), _bound(last, whole, step > 0), step
        )
    if all(part == slice(None, None, 1) or part == slice(None) for part in key):
        return x
    return Tensor(ops.get_item(x.value, tuple(key)), x.order)


def _bound(cases: Sequence[int], whole: Sequence[Any], at_end: bool) -> int | None:
    """Return a bound of a slice; None for the end of the axis, on the side that `at_end` means."""
    if at_end and all(n >= size for n, size in zip(cases, whole, strict=False)):
        return None
    if len(set(cases)) > 1:
        raise ValueError("a bound depends on an open size")
    number = cases[0]
    if number < -(2**31):
        return None
    return number


@operator("Gather", 1, 11, 13)
def gather(node: Node, x: Tensor, indices: Tensor) -> Tensor:
    axis, rank = node["axis"] % max(x.rank, 1), indices.rank
    x = Tensor.of(x.plain) if x.columns is not None else x
    place = x.axis(axis)
    renamed: list[int] = []
    for each in x.order:
        if each == axis:
            renamed += range(axis, axis + rank)
        else:
            renamed.append(each + (rank - 1 if each > axis else 0))
    value = indices.plain
    if rank == 0 and indices.is_constant:
        key = (slice(None),) * place + (int(value),)
        return Tensor(ops.get_item(x.value, key), tuple(renamed))
    return Tensor(ops.take(x.value, value, axis=place), tuple(renamed))


# ------------------------------------------------------------------------------ padding, repeating


_MODES = ("constant", "reflect", "edge", "wrap")


@operator("Pad", 2)
def pad_by_attributes(node: Node, x: Tensor) -> Tensor:
    return _padded(node, x, node["pads"], list(range(x.rank)), node["value"])


@operator("Pad", 11, 13, 18, 19, 21, 23, 24, 25)
def pad(
    node: Node, x: Tensor, pads: Tensor, value: Tensor | None = None, axes: Tensor | None = None
) -> Tensor:
    which = list(range(x.rank)) if axes is None else axes.integers()
    fill = 0 if value is None else value.array.reshape(()).item()
    return _padded(node, x, pads.integers(), which, fill)


def _padded(node: Node, x: Tensor, pads: Sequence[int], axes: Sequence[int], fill: float) -> Tensor:
    x = Tensor.of(x.plain) if x.columns is not None else x
    count = len(axes)
    if len(pads) != 2 * count or node["mode"] not in _MODES:
        raise ValueError(f"{len(pads)} pads in mode {node['mode']!r} for {count} axes")
    widths, key = [(0, 0)] * x.rank, [slice(None)] * x.rank
    for place, before, after in zip(x.axes(axes), pads[:count], pads[count:], strict=True):
        widths[place] = (max(before, 0), max(after, 0))
        key[place] = slice(-min(before, 0), min(after, 0) or None)
    value = x.value
    if any(n < 0 for n in pads):
        value = ops.get_item(value, tuple(key))
    if not any(n > 0 for n in pads):
        return Tensor(value, x.order)
    if x.is_constant:
        sizes = (n + sum(w) for n, w in zip(value.shape, widths, strict=True))
        check_bytes(tuple(sizes), x.dtype)
    if node["mode"] == "constant":
        value = ops.pad(value, widths, constant_values=fill or None)
    else:
        value = ops.pad(value, widths, mode=node["mode"])
    return Tensor(value, x.order)


@operator("Expand", 8, 13)
def expand(node: Node, x: Tensor, shape: Tensor) -> Tensor:
    cases, own = values_of(shape), case_shapes(x)
    rank = max(x.rank, len(cases[0]))
    wanted: list[int | None] = []
    for axis in range(-rank, 0):
        sizes = {case[axis] if len(case) >= -axis else 1 for case in cases}
        mine = x.shape[axis] if x.rank >= -axis else 1
        if len(sizes) == 1 and (mine is not None or sizes == {1}):
            wanted.append(max(sizes.pop(), mine or 1) if mine is not None else None)
        elif all(case[axis] == sample[axis] for case, sample in zip(cases, own, strict=True)):
            wanted.append(None)
        else:
            raise ValueError(f"the new size of axis {axis} depends on an open size")
    if x.is_constant:
        check_bytes([n or 1 for n in wanted], x.dtype)
    value = x.plain if rank == x.rank else ops.expand_dims(x.plain, tuple(range(rank - x.rank)))
    return Tensor.of(ops.broadcast_to(value, tuple(wanted)))


@operator("Tile", 6, 13)
def tile(node: Node, x: Tensor, repeats: Tensor) -> Tensor:
    times = repeats.integers()
    if len(times) != x.rank or min(times, default=1) < 0:
        raise ValueError(f"expected a number of repeats per axis of {x.shape}, received {times}")
    if x.is_constant:
        sizes = [n * k for n, k in zip(x.array.shape, times, strict=True)]
        check_bytes(sizes, x.dtype)
    x = Tensor.of(x.plain) if x.columns is not None else x
    return x.mapped(ops.tile, tuple(times[axis] for axis in x.order))


# ---------------------------------------------------------------------------------- depth and space


@operator("DepthToSpace", 1)
@operator("DepthToSpace", 11, 13, 28)
def depth_to_space(node: Node, x: Tensor) -> Tensor:
    block = node["blocksize"]
    height, width, channels = _image_sizes(x)
    if block < 1 or channels % block**2:
        raise ValueError(f"`blocksize`={block} does not divide the channels of {x.shape}")
    inner = channels // block**2
    if node["mode"] == "CRD":
        parts, axes = (inner, block, block), (0, 1, 4, 2, 5, 3)
    else:
        parts, axes = (block, block, inner), (0, 1, 3, 2, 4, 5)
    y = permuted(ops.reshape(x.image, (-1, height, width, *parts)), axes)
    y = ops.reshape(y, (-1, height * block, width * block, inner))
    return Tensor.of(y, channels_last(4))


@operator("SpaceToDepth", 1, 13, 28)
def space_to_depth(node: Node, x: Tensor) -> Tensor:
    block = node["blocksize"]
    height, width, channels = _image_sizes(x)
    if block < 1 or height % block or width % block:
        raise ValueError(f"`blocksize`={block} does not divide the image of {x.shape}")
    rows, columns = height // block, width // block
    y = ops.reshape(x.image, (-1, rows, block, columns, block, channels))
    axes = (0, 1, 3, 5, 2, 4) if node["mode"] == "CRD" else (0, 1, 3, 2, 4, 5)
    y = ops.reshape(permuted(y, axes), (-1, rows, columns, block**2 * channels))
    return Tensor.of(y, channels_last(4))


def _image_sizes(x: Tensor) -> tuple[int, int, int]:
    if x.rank != 4:
        raise ValueError(f"expected images (N, C, H, W), received shape {x.shape}")
    channels, height, width = x.sizes(1)
    return height, width, channels


# ------------------------------------------------------------------------------------------ dropout


@operator("Dropout", 6, 7, 10)
def dropout_by_attribute(node: Node, x: Tensor) -> list[Tensor]:
    return _dropped(node, x, node["ratio"])


@operator("Dropout", 12, 13, 22)
def dropout(
    node: Node, x: Tensor, ratio: Tensor | None = None, training: Tensor | None = None
) -> list[Tensor]:
    rate = 0.5 if ratio is None else float(ratio.array.reshape(()))
    if training is not None and bool(training.array.reshape(())) and rate:
        raise ValueError(
            "`training_mode` must be false: its random numbers are not those of others"
        )
    return _dropped(node, x, rate)


def _dropped(node: Node, x: Tensor, rate: float) -> list[Tensor]:
    """The layer drops elements in `fit`; a file is applied as it is."""
    y = x
    if is_batch(x) and 0 < rate < 1:
        y = x.mapped(layers.Dropout(rate, name=layer_name(node)))
    if not node.needs_output(1):
        return [y]
    mask = np.ones(x.sizes(), bool) if x.is_constant else x.value == x.value
    return [y, Tensor.of(mask, plain_order(x.rank) if x.is_constant else x.order)]
