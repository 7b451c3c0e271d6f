"""Dot products of two tensors, sample by sample."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fastconv.common.arguments import normalize_int
from fastconv.layers.axes import positive_axes, with_axes_last
from fastconv.layers.base import Layer
from fastconv.layers.normalization import UnitNormalization
from fastconv.layers.symbolic import Call, SymbolicTensor
from fastconv.plan import operations
from fastconv.plan.graph import Graph
from fastconv.plan.operations import Operation
from fastconv.shapes import Shape, sample_sizes

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from fastconv.layers.options import LayerOptions


class Dot(Layer):
    """The dot products of the vectors along one axis of each of two tensors: the output has the
    other axes of the first and then those of the second, or one of size 1 if there are none.

    It multiplies every vector with every other one before it adds, in memory of that size.

    Args:
        axes: axis of both, or (axis of the first, axis of the second); not the batch, 0.
        normalize: whether to divide the vectors by their lengths first, for their cosine.
        name, trainable, dtype: see `Layer`.

    Raises:
        ValueError: not two inputs, an axis that they do not have, or axes of different sizes.
        TypeError: an axis that is not an integer.

    >>> from fastconv import layers
    >>> x, y = layers.Input((3, 5)), layers.Input((10, 3))
    >>> layers.Dot(axes=(1, 2))([x, y]).shape
    (None, 5, 10)
    """

    settings: tuple[str, ...] = ("axes", "normalize")

    merges = True

    def __init__(
        self, axes: int | tuple[int, int], normalize: bool = False, **common: Unpack[LayerOptions]
    ):
        super().__init__(**common)
        pair = axes if isinstance(axes, (tuple, list)) else (axes, axes)
        if len(pair) != 2:
            raise ValueError(f"`axes` must be an integer or two of them, received {axes!r}")
        checked = [normalize_int(axis, "axes", minimum=-64) for axis in pair]
        self.axes: list[int] | int = checked if pair is axes else checked[0]
        self.normalize: bool = bool(normalize)

    def _sides(self, input_shape: Any) -> list[tuple[int, tuple[int, ...], int]]:
        """Return (axis, the sizes of the other axes, the size of the axis) of both inputs."""
        if len(input_shape) != 2 or not all(isinstance(s, (tuple, list)) for s in input_shape):
            raise ValueError(f"layer {self.name!r} takes 2 inputs, received shapes {input_shape}")
        sides = []
        pair = self.axes if isinstance(self.axes, list) else [self.axes] * 2
        for axis, shape in zip(pair, input_shape, strict=True):
            (axis,) = positive_axes(self, axis, len(shape), "axes")
            others = list(sample_sizes(shape))
            size = others.pop(axis - 1)
            sides.append((axis, tuple(others), size))
        if sides[0][2] != sides[1][2]:
            raise ValueError(
                f"layer {self.name!r} takes inputs with equal sizes along `axes` {self.axes}, "
                f"received shapes {input_shape}"
            )
        return sides

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> Shape:
        (_, first, _), (_, second, _) = self._sides(input_shape)
        return (None, *((*first, *second) or (1,)))

    def apply_to(
        self,
        graph: Graph,
        call: Call,
        values: Sequence[int],
        turn: tuple[int, ...],
        training: bool | None,
    ) -> list[int]:
        arranged = [
            graph.apply(chain, value)
            for chain, value in zip(self._arrangements(call.input_shape), values, strict=True)
        ]
        return super().apply_to(graph, call, arranged, turn, training)

    def _arrangements(self, input_shape: Any) -> list[list[Operation]]:
        """Return what makes (size, P, 1) of the first and (size, 1, Q) of the second input."""
        chains = []
        unit = operations.LayerNormalization(None, None, 1, UnitNormalization.EPSILON, unit=True)
        for place, (axis, others, size) in enumerate(self._sides(input_shape)):
            rank = len(others) + 2
            unit = operations.LayerNormalization(
                None, None, 1, UnitNormalization.EPSILON, unit=True
            )
            chain = with_axes_last([axis], rank, [unit]) if self.normalize else []
            order = (0, axis, *(other for other in range(1, rank) if other != axis))
            count = math.prod(others)
            shape = (size, 1, count) if place else (size, count, 1)
            chains.append([*chain, operations.Transpose(order), operations.Reshape(shape)])
        return chains

    def operations(self, input_shape: Sequence[Shape]) -> list[Operation]:
        (_, first, size), (_, second, _) = self._sides(input_shape)
        count = math.prod(first + second)
        return [
            operations.Merge("multiply"),
            operations.Reshape((size, count)),
            operations.GlobalPooling("average"),
            operations.ScaleShift((float(size),) * count, (0.0,) * count),
            operations.Reshape(sample_sizes(self.compute_output_shape(input_shape))),
        ]


def dot(inputs: Sequence[SymbolicTensor], axes: int = -1, **options: Any) -> SymbolicTensor:
    """`Dot(axes, **options)(inputs)`"""
    return Dot(axes=axes, **options)(inputs)
