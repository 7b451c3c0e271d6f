"""Layers on arbitrary axes, in terms of the compiled core's operations on the last axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fastconv.common.arguments import as_integer, normalize_int
from fastconv.layers.base import Layer
from fastconv.plan import operations
from fastconv.plan.operations import Operation
from fastconv.shapes import Shape

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from fastconv.layers.options import LayerOptions


class OnAxes(Layer):
    """Base class of layers that operate along `axis`, an integer or a list, and keep the shape."""

    settings: tuple[str, ...] = ("axis",)

    def __init__(self, axis: Any, **common: Unpack[LayerOptions]):
        super().__init__(**common)
        self.axis: Any = list(axis) if isinstance(axis, (list, tuple)) else axis

    def axes_of(self, input_shape: Shape) -> list[int]:
        """Return the axes of the layer, in order."""
        return positive_axes(self, self.axis, len(input_shape))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        self.axes_of(input_shape)
        return tuple(input_shape)


def one_axis(axis: Any) -> int:
    """Return `axis` as an integer; TypeError for a list."""
    return normalize_int(axis, "axis", minimum=-64)


def positive_axes(layer: Layer, axis: Any, rank: int, name: str = "axis") -> list[int]:
    """Return `axis`, an integer or a list, as sorted non-negative numbers; the batch is 0.

    Raises ValueError for an axis that inputs of `rank` do not have, or for the batch; TypeError for
    a non-integer.
    """
    axes = axis if isinstance(axis, list) else [axis]
    numbers = [number for each in axes if (number := as_integer(each)) is not None]
    if len(numbers) < len(axes):
        raise TypeError(f"`{name}` of {layer.name!r} must be integers, received {axis!r}")
    positive = sorted(number + rank if number < 0 else number for number in numbers)
    if not positive or len({*positive}) < len(positive):
        raise ValueError(f"`{name}` of {layer.name!r} must name axes once, received {axis!r}")
    if positive[0] < 1 or positive[-1] >= rank:
        raise ValueError(
            f"`{name}` of {layer.name!r} must be from 1 to {rank - 1} or from {1 - rank} to -1 for "
            f"inputs of {rank} axes, the batch among them, received {axis!r}"
        )
    return positive


def with_axes_last(axes: Sequence[int], rank: int, inner: list[Operation]) -> list[Operation]:
    """Return operations that apply `inner`, operations on the last axes, to `axes`."""
    order = (*(axis for axis in range(rank) if axis not in axes), *axes)
    if order == tuple(range(rank)):
        return inner
    back = tuple(order.index(axis) for axis in range(rank))
    return [operations.Transpose(order), *inner, operations.Transpose(back)]
