"""Functions of `fastconv.ops` that an operation of layers computes in the compiled core."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastconv.layers.symbolic import Call, SymbolicTensor
from fastconv.ops._function import Function
from fastconv.ops.windows import pooling_geometry
from fastconv.plan import operations
from fastconv.plan.operations import Operation
from fastconv.resampling import select_axis

_WHOLE = slice(None)


def native_operations(
    function: Function, call: Call, settings: dict[str, Any], index: int = 0
) -> list[Operation] | None:
    """Return operations of layers that equal result `index` of a call; None without any.

    They compute on batches: only the batch, in front, may be of unknown size.
    """
    output = call.outputs[index]
    if not all(map(_is_batch, [*call.inputs, output])):
        return None
    shape: Any = call.inputs[0].shape
    rank, name = len(shape), function.name
    if name == "split":
        return _part(shape, output.shape, settings, index)
    if len(call.outputs) > 1:
        return None
    if name in ("softmax", "log_softmax") and settings["axis"] in (-1, rank - 1) and rank > 1:
        return [operations.Softmax(log=name == "log_softmax")]
    if name in ("reshape", "expand_dims", "squeeze"):
        return _reshaped(shape, output.shape)
    if name in ("max_pool", "average_pool") and rank == 4:
        window = dict(settings)
        if window.pop("data_format") != "channels_first":
            kind = "max" if name == "max_pool" else "average"
            return [operations.Pooling(kind, pooling_geometry(shape, **window))]
    axes = settings.get("axes") if name == "transpose" else None
    if axes is not None and axes[0] == 0:
        return [operations.Transpose(tuple(axes))]
    if name == "concatenate" and len(call.inputs) == len(call.layer.given["xs"]):
        axis = settings["axis"] % rank
        return [operations.Concatenate(axis)] if axis > 0 else None
    if name == "flip" and settings["axis"] is not None:
        flipped = {axis % rank for axis in np.atleast_1d(settings["axis"])}
        return _selected(
            shape, [slice(None, None, -1) if axis in flipped else _WHOLE for axis in range(rank)]
        )
    if name == "get_item":
        key = call.layer.given["key"]
        return _selected(shape, key if isinstance(key, (tuple, list)) else [key])
    return None


def _is_batch(tensor: SymbolicTensor) -> bool:
    """Whether only the batch, in front, is unknown, and the dtype is that of layers."""
    shape = tensor.shape
    return tensor.dtype == "float32" and shape[:1] == (None,) and None not in shape[1:]


def _reshaped(before: Any, after: Any) -> list[Operation] | None:
    sample, others = after[1:], before[1:]
    keeps_batch = sample and math.prod(sample) == math.prod(others)
    return [operations.Reshape(sample, others)] if keeps_batch else None


def _part(shape: Any, part: Any, settings: dict[str, Any], index: int) -> list[Operation] | None:
    """Return the selection of one result of `split`."""
    axis, given = settings["axis"] % len(shape), settings["indices_or_sections"]
    start = index * part[axis] if isinstance(given, int) else ([0, *given])[index]
    key = [_WHOLE] * len(shape)
    key[axis] = slice(int(start), int(start) + part[axis])
    return _selected(shape, key) if axis > 0 and 0 not in part[1:] else None


def _selected(shape: Any, key: Sequence[Any]) -> list[Operation] | None:
    """Return the operations of an index of slices and integers that leaves the batch; None for any
    other."""
    rank = len(shape)
    if any(type(part) not in (int, slice, type(...)) for part in key):
        return None
    key = list(key)
    if Ellipsis in key:
        place = key.index(Ellipsis)
        key[place : place + 1] = [_WHOLE] * (rank - len(key) + 1)
    key += [_WHOLE] * (rank - len(key))
    chosen = [np.atleast_1d(np.arange(n)[part]) for n, part in zip(shape[1:], key[1:], strict=True)]
    if key[0] != _WHOLE or any(len(places) == 0 for places in chosen):
        return None
    maps = tuple(
        None if np.array_equal(places, np.arange(n)) else select_axis(n, places)
        for n, places in zip(shape[1:], chosen, strict=True)
    )
    found: list[Operation] = [operations.AxisMaps(maps)] if any(maps) else []
    kept = tuple(len(p) for p, k in zip(chosen, key[1:], strict=True) if isinstance(k, slice))
    if len(kept) < rank - 1:
        found.append(operations.Reshape(kept, tuple(map(len, chosen))))
    return found if kept and found else None
