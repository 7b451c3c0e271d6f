"""The table of poolings, in the manner of `conv_cases`: plain data under telling names.

width-*    C around every vector width
window-*   windows of 1x1 to 17x17 (above 256 pixels the positions no longer fit in a byte)
stride-*   overlapping, adjoining and scattered windows
pad-*      every form of padding that leaves no window without a pixel
pixel-*    images of one pixel, one row, one column; windows that cover the image
net-*      layers of real networks
random-*   drawn from a seeded generator
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tests.support.conv_case import count_windows, resolve_padding
from tests.support.conv_cases import VECTOR_WIDTHS


@dataclass(frozen=True)
class PoolCase:
    """One pooling: x (N, H, W, C) -> y (N, OH, OW, C)."""

    name: str
    input_shape: tuple[int, int, int, int]
    pool_size: tuple[int, int] = (2, 2)
    strides: tuple[int, int] | None = None
    padding: Any = "valid"

    def __str__(self) -> str:
        return self.name

    @property
    def options(self) -> dict[str, Any]:
        return {"pool_size": self.pool_size, "strides": self.strides, "padding": self.padding}

    @property
    def steps(self) -> tuple[int, int]:
        return self.pool_size if self.strides is None else self.strides

    @cached_property
    def pads(self) -> tuple[tuple[int, int], tuple[int, int]]:
        return resolve_padding(self.padding, self.input_shape[1:3], self.pool_size, self.steps)

    @cached_property
    def output_shape(self) -> tuple[int, int, int, int]:
        rows, columns = (len(self.extents(axis)) for axis in (0, 1))
        return (self.input_shape[0], rows, columns, self.input_shape[3])

    def extents(self, axis: int) -> list[int]:
        """In-image elements under each window along one axis."""
        size, window, step = self.input_shape[1 + axis], self.pool_size[axis], self.steps[axis]
        before, after = self.pads[axis]
        starts = (
            i * step - before for i in range(count_windows(before + size + after, window, step))
        )
        return [min(start + window, size) - max(start, 0) for start in starts]

    @property
    def is_legal(self) -> bool:
        """At least one window, and none without a pixel."""
        return all(min(self.extents(axis), default=0) > 0 for axis in (0, 1))

    @property
    def divisible(self) -> int:
        """A number that the pixel count of every window divides, so that averages are exact."""
        counts = {h * w for h in self.extents(0) for w in self.extents(1)}
        return math.lcm(*counts)


def _width_cases():
    for index, width in enumerate(VECTOR_WIDTHS):
        yield PoolCase(f"width-c{width}", (1 + index % 5, 6, 7, width))
        if index % 2:
            yield PoolCase(f"width-c{width}-same", (1, 7, 5, width), (3, 3), (2, 2), "same")


def _window_cases():
    for k in (1, 2, 3, 4, 5, 6, 7):
        yield PoolCase(f"window-{k}x{k}", (2, 9, 11, 5), (k, k))
    for kh, kw in ((1, 2), (2, 1), (1, 5), (4, 1), (2, 3), (5, 2)):
        yield PoolCase(f"window-{kh}x{kw}", (1, 10, 9, 17), (kh, kw))
    yield PoolCase("window-16x16", (1, 18, 19, 3), (16, 16), (1, 1))
    yield PoolCase("window-17x16", (1, 19, 18, 9), (17, 16), (2, 1))
    yield PoolCase("window-17x17-same", (2, 18, 17, 4), (17, 17), (5, 4), "same")
    yield PoolCase("window-1x300", (1, 2, 301, 2), (1, 300), (1, 1))


def _stride_cases():
    for stride in (1, 2, 3, 4):
        for padding in ("valid", "same"):
            yield PoolCase(
                f"stride-{stride}-3x3-{padding}", (2, 10, 11, 16), (3, 3), (stride, stride), padding
            )
    yield PoolCase("stride-1x2", (1, 8, 9, 8), (2, 3), (1, 2))
    yield PoolCase("stride-3x1", (1, 8, 9, 33), (3, 2), (3, 1), "same")
    yield PoolCase("stride-beyond-window", (2, 9, 10, 7), (2, 2), (3, 4))
    yield PoolCase("stride-beyond-window-same", (1, 11, 9, 9), (2, 1), (4, 3), "same")
    yield PoolCase("stride-beyond-image", (1, 3, 4, 4), (2, 2), (5, 6))


def _padding_cases():
    yield PoolCase("pad-1", (1, 7, 8, 5), (3, 3), (2, 2), 1)
    yield PoolCase("pad-2", (2, 7, 6, 16), (5, 5), (3, 3), 2)
    yield PoolCase("pad-0x1", (1, 6, 7, 3), (2, 3), (2, 2), (0, 1))
    yield PoolCase("pad-asymmetric", (1, 7, 8, 9), (3, 4), (2, 3), ((0, 2), (3, 1)))
    yield PoolCase("pad-top-left", (1, 6, 6, 4), (3, 3), (1, 1), ((2, 0), (1, 0)))
    yield PoolCase("pad-same-even-window", (2, 7, 9, 8), (4, 2), (3, 2), "same")
    yield PoolCase("pad-same-odd-size", (1, 13, 13, 64), padding="same")
    yield PoolCase("pad-window-beyond-image", (1, 3, 2, 6), (5, 7), (1, 1), "same")


def _pixel_cases():
    yield PoolCase("pixel-1x1", (3, 1, 1, 7), (1, 1))
    yield PoolCase("pixel-3x3-same", (2, 1, 1, 17), (3, 3), (1, 1), "same")
    yield PoolCase("pixel-one-row", (1, 1, 13, 5), (1, 2))
    yield PoolCase("pixel-one-column", (2, 12, 1, 8), (3, 1), (2, 1))
    yield PoolCase("pixel-global", (2, 7, 5, 33), (7, 5))
    yield PoolCase("pixel-global-c1", (5, 4, 4, 1), (4, 4))


def _network_cases():
    yield PoolCase("net-mnist-1", (2, 26, 26, 32))
    yield PoolCase("net-mnist-2", (2, 11, 11, 64))
    yield PoolCase("net-lenet", (2, 28, 28, 6))
    yield PoolCase("net-alexnet", (1, 15, 15, 96), (3, 3), (2, 2))
    yield PoolCase("net-resnet-stem", (1, 16, 16, 64), (3, 3), (2, 2), 1)
    yield PoolCase("net-resnet-head", (3, 7, 7, 70), (7, 7))
    yield PoolCase("net-inception", (1, 9, 9, 24), (3, 3), (1, 1), "same")


def _random_cases(count: int = 40, seed: int = 20240301):
    rng = random.Random(seed)
    for index in range(count):
        while True:
            pool = (rng.randint(1, 6), rng.randint(1, 6))
            case = PoolCase(
                f"random-{index:03}",
                (
                    rng.randint(1, 5),
                    rng.randint(1, 14),
                    rng.randint(1, 14),
                    rng.choice(VECTOR_WIDTHS),
                ),
                pool,
                rng.choice((None, (rng.randint(1, 4), rng.randint(1, 4)))),
                rng.choice(
                    (
                        "valid",
                        "same",
                        rng.randint(0, 2),
                        (rng.randint(0, 2), rng.randint(0, 2)),
                        (
                            (rng.randint(0, 3), rng.randint(0, 3)),
                            (rng.randint(0, 3), rng.randint(0, 3)),
                        ),
                    )
                ),
            )
            if case.is_legal:
                yield case
                break


def _all_cases():
    for family in (
        _width_cases,
        _window_cases,
        _stride_cases,
        _padding_cases,
        _pixel_cases,
        _network_cases,
        _random_cases,
    ):
        yield from family()


CASES: tuple[PoolCase, ...] = tuple(_all_cases())
BY_NAME: dict[str, PoolCase] = {case.name: case for case in CASES}
