"""Layers with several inputs and one output: sums, products, maxima, concatenation.

Each also has a function that creates the layer and calls it: `add([x, y])` is `Add()([x, y])`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from fastconv.common.arguments import normalize_int
from fastconv.layers.base import Layer
from fastconv.layers.symbolic import SymbolicTensor
from fastconv.plan import operations
from fastconv.plan.operations import Operation
from fastconv.shapes import Shape, sample_sizes

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from fastconv.layers.options import LayerOptions


class _Merge(Layer):
    """Base class of elementwise merges. Axes of size 1 are broadcast; a tensor with fewer axes than
    the others gets axes of size 1 after the batch axis."""

    merges = True
    kind = ""

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> Shape:
        shapes = _several_shapes(self, input_shape)
        sizes: list[int | None] = [None]
        for axis in zip_longest(*(reversed(sample_sizes(s)) for s in shapes), fillvalue=1):
            larger = set(axis) - {1}
            if len(larger) > 1:
                raise ValueError(
                    f"layer {self.name!r} takes inputs whose sizes are equal or 1, "
                    f"received shapes {shapes}"
                )
            sizes.insert(1, max(axis))
        return tuple(sizes)

    def operations(self, input_shape: Sequence[Shape]) -> list[Operation]:
        return [operations.Merge(self.kind)]


class Add(_Merge):
    """The sum of a list of tensors.

    >>> from fastconv import layers
    >>> x = layers.Input((8, 8, 16))
    >>> layers.Add()([x, layers.Conv2D(16, 3, padding="same")(x)]).shape
    (None, 8, 8, 16)

    Raises ValueError if the shapes are neither equal nor broadcastable.
    """

    kind = "add"


class Subtract(_Merge):
    """The first of two tensors minus the second. Raises as `Add`, and for more or fewer tensors."""

    kind = "subtract"

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> Shape:
        if len(input_shape) != 2:
            raise ValueError(f"layer {self.name!r} takes 2 inputs, received {len(input_shape)}")
        return super().compute_output_shape(input_shape)


class Multiply(_Merge):
    """The elementwise product of a list of tensors. Raises as `Add`."""

    kind = "multiply"


class Average(_Merge):
    """The elementwise mean of a list of tensors. Raises as `Add`."""

    kind = "average"


class Maximum(_Merge):
    """The elementwise maximum of a list of tensors. Raises as `Add`.

    In case of a tie, the first one gets the gradient.
    """

    kind = "maximum"


class Minimum(_Merge):
    """The elementwise minimum of a list of tensors. Raises as `Add`.

    In case of a tie, the first one gets the gradient.
    """

    kind = "minimum"


class Concatenate(Layer):
    """Concatenates a list of tensors.

    Args:
        axis: axis of concatenation, not 0 (the batch). All other axes must have equal sizes.

    Raises ValueError for the batch axis, a missing axis, and shapes that do not match.

    >>> from fastconv import layers
    >>> x, y = layers.Input((8, 8, 16)), layers.Input((8, 8, 3))
    >>> layers.Concatenate()([x, y]).shape
    (None, 8, 8, 19)
    """

    settings: tuple[str, ...] = ("axis",)

    merges = True

    def __init__(self, axis: int = -1, **common: Unpack[LayerOptions]):
        super().__init__(**common)
        self.axis: int = normalize_int(axis, "axis", minimum=-64)

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> Shape:
        shapes = _several_shapes(self, input_shape)
        axis = self._positive_axis(shapes)
        rests = {shape[:axis] + shape[axis + 1 :] for shape in shapes}
        if len(rests) > 1:
            raise ValueError(
                f"layer {self.name!r} takes inputs of equal sizes except along axis {self.axis}, "
                f"received shapes {shapes}"
            )
        joined = sum(sample_sizes(shape)[axis - 1] for shape in shapes)
        return (*shapes[0][:axis], joined, *shapes[0][axis + 1 :])

    def _positive_axis(self, shapes: Sequence[Shape]) -> int:
        rank = len(shapes[0])
        axis = self.axis + rank if self.axis < 0 else self.axis
        if not 1 <= axis < rank:
            raise ValueError(
                f"`axis` of layer {self.name!r} must be one of 1 to {rank - 1}, or negative and "
                f"not the batch, for inputs of shapes {shapes}; received {self.axis}"
            )
        return axis

    def operations(self, input_shape: Sequence[Shape]) -> list[Operation]:
        shapes = _several_shapes(self, input_shape)
        return [operations.Concatenate(self._positive_axis(shapes))]


def _several_shapes(layer: Layer, shapes: Any) -> list[Shape]:
    """Return `shapes` as a list of at least one tuple."""
    if not shapes or not all(isinstance(shape, (tuple, list)) for shape in shapes):
        raise ValueError(f"layer {layer.name!r} takes a list of inputs, received shape {shapes}")
    return [tuple(shape) for shape in shapes]


def add(inputs: Sequence[SymbolicTensor], **options: Any) -> SymbolicTensor:
    """`Add(**options)(inputs)`"""
    return Add(**options)(inputs)


def subtract(inputs: Sequence[SymbolicTensor], **options: Any) -> SymbolicTensor:
    """`Subtract(**options)(inputs)`"""
    return Subtract(**options)(inputs)


def multiply(inputs: Sequence[SymbolicTensor], **options: Any) -> SymbolicTensor:
    """`Multiply(**options)(inputs)`"""
    return Multiply(**options)(inputs)


def average(inputs: Sequence[SymbolicTensor], **options: Any) -> SymbolicTensor:
    """`Average(**options)(inputs)`"""
    return Average(**options)(inputs)


def maximum(inputs: Sequence[SymbolicTensor], **options: Any) -> SymbolicTensor:
    """`Maximum(**options)(inputs)`"""
    return Maximum(**options)(inputs)


def minimum(inputs: Sequence[SymbolicTensor], **options: Any) -> SymbolicTensor:
    """`Minimum(**options)(inputs)`"""
    return Minimum(**options)(inputs)


def concatenate(inputs: Sequence[SymbolicTensor], axis: int = -1, **options: Any) -> SymbolicTensor:
    """`Concatenate(axis, **options)(inputs)`"""
    return Concatenate(axis=axis, **options)(inputs)
