"""One convolution as plain data, and its sizes.

They are worked out from the definition (a window that fits, counted one by one) and not by
fastconv, so that the table of cases can also judge `fastconv.shapes`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any


@dataclass(frozen=True)
class ConvCase:
    """One convolution: x (N, H, W, C), w (KH, KW, C / groups, K) -> y (N, OH, OW, K)."""

    name: str
    input_shape: tuple[int, int, int, int]
    filters: int
    kernel_size: tuple[int, int]
    strides: tuple[int, int] = (1, 1)
    padding: Any = "valid"
    padding_mode: str = "zeros"
    dilation_rate: tuple[int, int] = (1, 1)
    groups: int = 1

    def __str__(self) -> str:
        return self.name

    @property
    def kernel_shape(self) -> tuple[int, int, int, int]:
        return (*self.kernel_size, self.input_shape[3] // self.groups, self.filters)

    @property
    def has_gradients(self) -> bool:
        """The backward passes are defined for padding with zeros."""
        return self.padding_mode == "zeros"

    @property
    def options(self) -> dict[str, Any]:
        """The keyword arguments of the backward passes; `forward_options` adds the padding mode."""
        return {
            "strides": self.strides,
            "padding": self.padding,
            "dilation_rate": self.dilation_rate,
            "groups": self.groups,
        }

    @property
    def forward_options(self) -> dict[str, Any]:
        return {**self.options, "padding_mode": self.padding_mode}

    @cached_property
    def pads(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """((top, bottom), (left, right)) in elements, whatever form `padding` has."""
        return resolve_padding(
            self.padding,
            self.input_shape[1:3],
            [(k - 1) * d + 1 for k, d in zip(self.kernel_size, self.dilation_rate, strict=True)],
            self.strides,
        )

    @cached_property
    def output_shape(self) -> tuple[int, int, int, int]:
        rows, columns = (
            count_windows(
                self.input_shape[1 + axis] + sum(self.pads[axis]),
                (self.kernel_size[axis] - 1) * self.dilation_rate[axis] + 1,
                self.strides[axis],
            )
            for axis in (0, 1)
        )
        return (self.input_shape[0], rows, columns, self.filters)

    @property
    def reduction(self) -> int:
        """Products summed into one output element: KH * KW * C / groups."""
        return self.kernel_shape[0] * self.kernel_shape[1] * self.kernel_shape[2]

    @property
    def macs(self) -> int:
        """Multiply-adds of one pass; 2 * macs floating-point operations."""
        batch, rows, columns, filters = self.output_shape
        return batch * rows * columns * filters * self.reduction

    @property
    def is_depthwise(self) -> bool:
        return self.groups == self.input_shape[3] > 1


def resolve_padding(padding: Any, size: Any, window: Any, strides: Any) -> tuple:
    """The four sides of any accepted form of `padding`; "same" makes ceil(n / s) windows fit."""
    if padding == "valid":
        return ((0, 0), (0, 0))
    if padding == "same":
        sides = []
        for n, k, s in zip(size, window, strides, strict=True):
            windows = (n + s - 1) // s
            total = max((windows - 1) * s + k - n, 0)
            sides.append((total // 2, total - total // 2))
        return tuple(sides)
    if isinstance(padding, int):
        return ((padding, padding), (padding, padding))
    return tuple((p, p) if isinstance(p, int) else tuple(p) for p in padding)


def count_windows(length: int, window: int, stride: int) -> int:
    """Windows that fit on an axis, counted rather than calculated."""
    return sum(1 for start in range(0, length, stride) if start + window <= length)
