"""What parameter sharing saves: the same number of units, connected to everything instead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from fastconv.common.arguments import normalize_int, normalize_pair
from fastconv.layers.base import known_shape


@dataclass(frozen=True)
class DenseComparison:
    """Parameters of a convolution and of a dense layer of as many units on the same input."""

    input_shape: tuple[int, int, int]
    units: int
    kernel_size: tuple[int, int]

    @property
    def dense(self) -> int:
        """(N_in + 1) N_units: every unit has a weight for every number of the input."""
        return (prod(self.input_shape) + 1) * self.units

    @property
    def convolution(self) -> int:
        """N_f (k k C + 1): every filter has a weight for every number under its window."""
        return self.units * (prod(self.kernel_size) * self.input_shape[-1] + 1)

    @property
    def factor(self) -> float:
        """How many times more the dense layer has."""
        return self.dense / self.convolution

    def __str__(self) -> str:
        height, width, channels = self.input_shape
        rows, columns = self.kernel_size
        return (
            f"dense:       ({height}*{width}*{channels} + 1)*{self.units} = {self.dense:,}\n"
            f"convolution: {self.units}*({rows}*{columns}*{channels} + 1) = {self.convolution:,}\n"
            f"{self.factor:,.0f} times fewer"
        )


def compare_with_dense(
    input_shape: Sequence[int], units: Any, kernel_size: Any = (3, 3)
) -> DenseComparison:
    """A convolution of `units` filters against a dense layer of `units` neurons.

    Args:
        input_shape: (height, width, channels) of one sample.
        units: filters, or neurons.
        kernel_size: (height, width) of the filters, or one integer for both.

    Raises ValueError or TypeError for sizes that cannot be.

    >>> print(compare_with_dense((128, 128, 3), 256))
    dense:       (128*128*3 + 1)*256 = 12,583,168
    convolution: 256*(3*3*3 + 1) = 7,168
    1,755 times fewer
    """
    shape = known_shape(input_shape)
    if len(shape) != 3:
        raise ValueError(f"`input_shape` must be (height, width, channels), received {input_shape}")
    return DenseComparison(
        shape, normalize_int(units, "units"), normalize_pair(kernel_size, "kernel_size")
    )
