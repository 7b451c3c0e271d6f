"""Permutes elements or mixes them along axes with constants: linear maps without weights.

The gradient of each is the transposed map.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastconv._ext import _channels, _resample
from fastconv.plan.lowering.base import Lowering
from fastconv.plan.tape import Tape, Tensor


class AxisMaps(Lowering):
    overwrites_dy = False
    x_shape: tuple[int, ...]
    maps: tuple[Any, ...]

    def forward(self, x: Tensor) -> Tensor:
        self.x_shape, self.maps = x.shape, (None, *self.operation.maps)
        sizes = (
            size if axis_map is None else axis_map.output_size
            for size, axis_map in zip(x.shape, self.maps, strict=True)
        )
        return _resampled(self.tape, x, tuple(sizes), self.maps, self.operation.fill)

    def backward(self, dy: Tensor, need_dx: bool) -> Any:
        if not need_dx:
            return None
        maps = [axis_map and axis_map.transposed for axis_map in self.maps]
        return _resampled(self.tape, dy, self.x_shape, maps)


class Transpose(Lowering):
    overwrites_dy = False

    def forward(self, x: Tensor) -> Tensor:
        return transposed(self.tape, x, self.operation.axes)

    def backward(self, dy: Tensor, need_dx: bool) -> Any:
        if not need_dx:
            return None
        return transposed(
            self.tape, dy, tuple(int(axis) for axis in np.argsort(self.operation.axes))
        )


class ScaleShift(Lowering):
    def forward(self, x: Tensor) -> Tensor:
        y, operation = x if self.may_overwrite else self.tape.tensor(x.shape), self.operation
        self._emit(
            x, y, np.array(operation.scale, np.float32), np.array(operation.shift, np.float32)
        )
        return y

    def backward(self, dy: Tensor, need_dx: bool) -> Any:
        if not need_dx:
            return None
        self._emit(dy, dy, np.array(self.operation.scale, np.float32), None)
        return dy

    def _emit(self, x, y, scale, shift):
        self.tape.emit(lambda: _channels.ScaleShift(x.array, scale, shift, y.array), x, y)


def _resampled(tape: Tape, x: Tensor, shape: tuple[int, ...], maps, fill: float = 0.0) -> Tensor:
    y = tape.tensor(shape)
    tape.emit(lambda: _resample.Resample(x.array, y.array, maps, fill=fill), x, y)
    return y


def transposed(tape: Tape, x: Tensor, axes: tuple[int, ...]) -> Tensor:
    """Record a permutation of the axes of `x`; matrix transposes if two neighbours swap."""
    y = tape.tensor(tuple(x.shape[axis] for axis in axes))
    moved = next((i for i, axis in enumerate(axes) if axis != i), 0)
    # a b | c d -> a | c d | b: the moved axes are contiguous and swap with another contiguous run
    cut = axes[moved]
    if axes == (*range(moved), *range(cut, len(axes)), *range(moved, cut)):
        matrices = (
            math.prod(x.shape[:moved]), math.prod(x.shape[moved:cut]), math.prod(x.shape[cut:])
        )  # fmt: skip
        if 1 in matrices[1:]:
            return x.reshape(*y.shape)
        flat_x, flat_y = x.reshape(*matrices), y.reshape(matrices[0], matrices[2], matrices[1])
        tape.emit(lambda: _resample.Transpose(flat_x.array, flat_y.array), x, y)
    else:
        maps = [None] * len(axes)
        tape.emit(lambda: _resample.Resample(x.array, y.array, maps, axes), x, y)
    return y
