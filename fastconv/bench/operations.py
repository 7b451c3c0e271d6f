"""One pass of a convolution or pooling, bound to its arrays, ready to be timed.

These are the operations that a plan binds. Filters are packed (and transformed, for Winograd's
algorithm) inside the timed call, as training has to, unless they are `frozen`.

The compiled core chooses its instruction set when it is loaded, so it is loaded by the functions
that need it and not before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from fastconv import shapes
from fastconv.common.arrays import aligned_empty

PASSES = ("forward", "backward_input", "backward_kernel")


class Side(NamedTuple):
    """A call without arguments, and a function that gives the result of the last one by name."""

    call: Callable[[], object]
    result: Callable[[], dict[str, np.ndarray]]


class Convolution(NamedTuple):
    """A convolution of a real network: `padding` is per side, `groups == channels` is depthwise.

    `padding_w` is the padding to the left and right, where it differs from that above and below.

    >>> row = Convolution("stem", 1, 32, 32, 3, 64, 7, 7, 2, 3, 1)
    >>> row.output_shape
    (1, 16, 16, 64)
    """

    name: str
    batch: int
    height: int
    width: int
    channels: int
    filters: int
    kernel_h: int
    kernel_w: int
    stride: int
    padding: int
    groups: int
    dilation: int = 1
    padding_w: int | None = None

    @property
    def input_shape(self) -> tuple[int, int, int, int]:
        return self.batch, self.height, self.width, self.channels

    @property
    def kernel_shape(self) -> tuple[int, int, int, int]:
        return self.kernel_h, self.kernel_w, self.channels // self.groups, self.filters

    @property
    def output_shape(self) -> tuple[int, int, int, int]:
        out_h, out_w = (
            (size + 2 * pad - self.dilation * (kernel - 1) - 1) // self.stride + 1
            for size, kernel, pad in zip(
                self.input_shape[1:], self.kernel_shape, self.paddings, strict=False
            )
        )
        return self.batch, out_h, out_w, self.filters

    @property
    def paddings(self) -> tuple[int, int]:
        """Zeros above and below, and zeros to the left and right; on each side."""
        return self.padding, self.padding if self.padding_w is None else self.padding_w

    @property
    def flops(self) -> float:
        """Two per multiply-add of the direct algorithm, taps on padding included; any pass."""
        return 2.0 * np.prod(self.output_shape) * np.prod(self.kernel_shape[:3])

    @property
    def geometry(self) -> shapes.Conv2DGeometry:
        """The same in the terms of `fastconv.shapes`; ValueError if it is not a convolution."""
        return shapes.conv2d_geometry(
            self.input_shape,
            self.kernel_shape,
            strides=self.stride,
            padding=tuple((pad, pad) for pad in self.paddings),
            dilation_rate=self.dilation,
            groups=self.groups,
        )

    def arrays(self, seed: int = 1) -> dict[str, np.ndarray]:
        """Random float32 `x`, `w`, `b` and `dy` of this convolution."""
        rng = np.random.default_rng(seed)
        wanted = {
            "x": self.input_shape,
            "w": self.kernel_shape,
            "b": (self.filters,),
            "dy": self.output_shape,
        }
        arrays = {k: aligned_empty(s, np.float32) for k, s in wanted.items()}
        for array in arrays.values():
            rng.standard_normal(dtype=np.float32, out=array)
        arrays["w"] *= np.float32(np.prod(self.kernel_shape[:3]) ** -0.5)
        return arrays


def convolution(
    row: Convolution,
    direction: str,
    arrays: dict[str, np.ndarray],
    threads: int,
    algorithm: str = "auto",
    *,
    frozen: bool = False,
) -> Side:
    """The pass `direction` of `row`; `frozen` packs the filters of a forward pass once.

    Raises ValueError for an unknown pass, or an algorithm that does not apply.
    """
    from fastconv.ops import compiled

    geometry = row.geometry
    x, w, b, dy = (arrays[name] for name in ("x", "w", "b", "dy"))
    if direction == "forward":
        y = aligned_empty(row.output_shape, np.float32)
        op = compiled.conv2d_forward(geometry, x, w, b, y, algorithm=algorithm, frozen=frozen)
        op.freeze_weights(frozen)
        outputs = {"y": y}
    elif direction == "backward_input":
        dx = aligned_empty(x.shape, np.float32)
        op = compiled.conv2d_backward_input(geometry, dy, w, dx, algorithm=algorithm)
        outputs = {"dx": dx}
    elif direction == "backward_kernel":
        dw, db = aligned_empty(w.shape, np.float32), aligned_empty(b.shape, np.float32)
        op = compiled.conv2d_backward_kernel(geometry, x, dy, dw, db, algorithm=algorithm)
        outputs = {"dw": dw, "db": db}
    else:
        raise ValueError(f"`direction` must be one of {PASSES}, received {direction!r}")
    return Side(lambda: op.run(threads), lambda: outputs)


def algorithm_of(
    row: Convolution, direction: str, algorithm: str = "auto", *, frozen: bool = False
) -> str:
    """What `algorithm` comes to for this pass: the choice that "auto" makes, or itself."""
    from fastconv.ops import compiled

    frozen = frozen and direction == "forward"
    return compiled.choose_algorithm(row.geometry, direction, np.float32, algorithm, frozen)


def cost_terms() -> tuple[str, ...]:
    """The names of the terms of the cost estimate that "auto" chooses an algorithm by."""
    from fastconv.ops import compiled

    return compiled.COST_TERMS


def cost_amounts(
    row: Convolution,
    direction: str,
    algorithm: str,
    *,
    frozen: bool = False,
    isa: str | None = None,
) -> tuple[float, ...]:
    """The amount of each of `cost_terms` in a pass by an algorithm that applies.

    `isa` names an instruction set of this build, which the machine may lack; None for the one in
    use.
    """
    from fastconv.ops import compiled

    return compiled.cost_amounts(row.geometry, direction, algorithm, frozen, isa)


def pooling(
    kind: str, direction: str, x: np.ndarray, dy: np.ndarray, pool: int, stride: int, threads: int
) -> Side:
    """ "max" or "average" pooling, "forward" or "backward", of `x` (N,H,W,C) with `dy` (N,OH,OW,C).

    The forward pass of max pooling records where the maxima are, as training needs it.
    """
    from fastconv.ops import compiled

    geometry = shapes.pool2d_geometry(x.shape, pool_size=pool, strides=stride)
    y, dx = aligned_empty(dy.shape, np.float32), aligned_empty(x.shape, np.float32)
    if kind == "max":
        argmax = np.zeros(dy.shape, geometry.argmax_dtype)
        forward = compiled.MaxPoolForward(geometry, x, y, argmax)
        backward = compiled.MaxPoolBackward(geometry, dy, argmax, dx)
    else:
        forward = compiled.AveragePoolForward(geometry, x, y)
        backward = compiled.AveragePoolBackward(geometry, dy, dx)
    forward.run(threads)  # the backward pass of max pooling reads what this recorded
    if direction == "forward":
        return Side(lambda: forward.run(threads), lambda: {"y": y})
    return Side(lambda: backward.run(threads), lambda: {"dx": dx})


def pooling_bytes(kind: str, x: np.ndarray, dy: np.ndarray) -> int:
    """Bytes that have to move once, in either direction: input, output, and for max pooling one
    byte per window that says where the maximum was."""
    return x.nbytes + dy.nbytes + (dy.size if kind == "max" else 0)
