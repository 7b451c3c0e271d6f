"""Layers that return their input."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastconv.common.arguments import number
from fastconv.layers.base import Layer
from fastconv.plan.operations import ActivityPenalty, Operation
from fastconv.regularizers import L1L2
from fastconv.shapes import Shape

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from fastconv.layers.options import LayerOptions


class Identity(Layer):
    """The input, unchanged: a place that another layer may take.

    >>> from fastconv import layers
    >>> layers.Identity().compute_output_shape((None, 8, 8, 3))
    (None, 8, 8, 3)
    """

    def operations(self, input_shape: Shape) -> list[Operation]:
        return []


class ActivityRegularization(Layer):
    """The input, unchanged; the loss of training includes a penalty on it, divided by the batch
    size: the sum of l1 |x| + l2 x^2.

    Args:
        l1, l2: factors, at least 0.
        name, trainable, dtype, input_shape: see `Layer`.

    Raises ValueError for a negative factor, TypeError for a value that is not a number.

    >>> from fastconv import layers
    >>> layers.ActivityRegularization(l2=0.01).compute_output_shape((None, 10))
    (None, 10)
    """

    settings: tuple[str, ...] = ("l1", "l2")

    l1: float
    l2: float

    def __init__(self, l1: float = 0.0, l2: float = 0.0, **common: Unpack[LayerOptions]):
        super().__init__(**common)
        self.l1, self.l2 = number(l1, "l1", 0), number(l2, "l2", 0)

    @property
    def adds_losses(self) -> bool:
        return True

    def operations(self, input_shape: Shape) -> list[Operation]:
        return []

    def all_operations(self, input_shape: Shape) -> list[Operation]:
        penalty = ActivityPenalty(L1L2(self.l1, self.l2).for_plan())
        return [*super().all_operations(input_shape), penalty]
