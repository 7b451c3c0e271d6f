"""Combines several values into one: elementwise or by concatenation."""

from __future__ import annotations

from typing import Any

from fastconv._ext import _merge
from fastconv.plan.lowering.base import Lowering
from fastconv.plan.tape import Tensor


class Merge(Lowering):
    """Inputs smaller than the output are broadcast first, so the merge itself handles equal shapes.

    The gradient of a sum is the gradient of each of its terms: they share one tensor without a
    copy.
    """

    merges = True
    xs: list[Tensor]
    y: Tensor

    @property
    def overwrites_dy(self) -> bool:
        return self.operation.kind == "average"

    def forward(self, *xs: Tensor) -> Tensor:
        self.x_shapes: list[Any] = [x.shape for x in xs]
        shape = merged_shape(self.x_shapes)
        repeated = self.xs = [self._repeated(x, shape) for x in xs]
        y = self.y = self.tape.tensor(shape)
        kind, relu = self.operation.kind, self.epilogue is not None

        def make():
            return _merge.Merge(kind, [x.array for x in repeated], y.array, relu=relu)

        self.tape.emit(make, *repeated, y)
        return y

    def backward(self, dy: Tensor, needs: Any) -> Any:
        if self.operation.kind == "average":
            factor = 1 / len(needs)
            self.tape.emit(lambda: _merge.Scale(dy.array, dy.array, factor), dy)
        return [
            self._summed(self._gradient(index, dy), shape) if need else None
            for index, (need, shape) in enumerate(zip(needs, self.x_shapes, strict=True))
        ]

    def _gradient(self, index: int, dy: Tensor) -> Tensor:
        kind, xs, y = self.operation.kind, self.xs, self.y
        if kind in ("add", "average") or (kind == "subtract" and index == 0):
            return dy
        dx = self.tape.tensor(dy.shape)
        if kind == "subtract":
            self.tape.emit(lambda: _merge.Scale(dy.array, dx.array, -1.0), dy, dx)
            return dx

        def make():
            arrays = [x.array for x in xs]
            return _merge.MergeBackward(kind, arrays, y.array, index, dy.array, dx.array)

        self.tape.emit(make, *xs, y, dy, dx)
        return dx

    def _repeated(self, x: Tensor, shape: tuple[int, ...]) -> Tensor:
        """Broadcast `x` to the rank and sizes of `shape`."""
        x = x.reshape(*aligned_shape(x.shape, len(shape)))
        if x.shape == shape:
            return x
        y = self.tape.tensor(shape)
        self.tape.emit(lambda: _merge.Repeat(x.array, y.array), x, y)
        return y

    def _summed(self, dy: Tensor, shape: tuple[int, ...]) -> Tensor:
        """The reverse of `_repeated`: sum `dy` down to `shape`."""
        aligned = aligned_shape(shape, len(dy.shape))
        if aligned == dy.shape:
            return dy.reshape(*shape)
        dx = self.tape.tensor(aligned)
        self.tape.emit(lambda: _merge.RepeatBackward(dx.array, dy.array), dx, dy)
        return dx.reshape(*shape)


class Concatenate(Lowering):
    merges = True
    overwrites_dy = False

    def forward(self, *xs: Tensor) -> Tensor:
        axis = self.operation.axis
        self.x_shapes: list[Any] = [x.shape for x in xs]
        shape = list(xs[0].shape)
        shape[axis] = sum(x.shape[axis] for x in xs)
        y = self.tape.tensor(tuple(shape))
        self.tape.emit(lambda: _merge.Concatenate([x.array for x in xs], y.array, axis), *xs, y)
        return y

    def backward(self, dy: Tensor, needs: Any) -> Any:
        axis = self.operation.axis
        dxs = [
            self.tape.tensor(shape) if need else None
            for need, shape in zip(needs, self.x_shapes, strict=True)
        ]

        def make():
            pieces = [
                shape[axis] if dx is None else dx.array
                for dx, shape in zip(dxs, self.x_shapes, strict=True)
            ]
            return _merge.Split(pieces, dy.array, axis)

        self.tape.emit(make, dy, *dxs)
        return dxs


def aligned_shape(shape: tuple[int, ...], rank: int) -> tuple[int, ...]:
    """Return `shape` with `rank` axes: the missing ones, of size 1, follow the batch axis."""
    return (shape[0], *(1,) * (rank - len(shape)), *shape[1:])


def merged_shape(shapes: list[tuple[int, ...]]) -> tuple[int, ...]:
    """Return the shape to which all of `shapes` are broadcast."""
    rank = max(map(len, shapes))
    return tuple(map(max, zip(*(aligned_shape(shape, rank) for shape in shapes), strict=True)))
