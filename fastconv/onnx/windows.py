"""The windows of convolutions and poolings, from the attributes of a node.

`pads` holds (before, after) for each spatial axis. In the end they are numbers, except that the
padding "same" of an image of unknown size stays a word: layers resolve it for each size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fastconv import ops
from fastconv.common.literals import Padding
from fastconv.onnx.nodes import Node
from fastconv.onnx.tensor import Tensor

_MOST_POSITIONS = 2**16  # of a window that is computed element by element

Pads = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Window:
    """A window on images: one number per spatial axis."""

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads: Pads
    same: bool = False  # `pads` are those of "same", in which the larger half is behind

    @property
    def rank(self) -> int:
        return len(self.kernel)

    @property
    def spans(self) -> tuple[int, ...]:
        """The sizes of the window on the image."""
        return tuple((k - 1) * d + 1 for k, d in zip(self.kernel, self.dilations, strict=True))

    @property
    def is_padded(self) -> bool:
        return any(n for pair in self.pads for n in pair)

    @property
    def keras_padding(self) -> Padding | None:
        """The equal `padding` of a layer for images of every size, None without one."""
        if self.same:
            return "same"
        if not self.is_padded:
            return "valid"
        halves = tuple(((n - 1) // 2, n // 2) for n in self.spans)
        return "same" if set(self.strides) == {1} and self.pads == halves else None

    def unpadded(self) -> Window:
        return replace(self, pads=((0, 0),) * self.rank, same=False)

    def output_sizes(self, sizes: Sequence[int]) -> tuple[int, ...]:
        """Return the numbers of windows on an image of `sizes`; ValueError if there are none."""
        found = tuple(
            (n + sum(pads) - span) // stride + 1
            for n, pads, span, stride in zip(
                sizes, self.pads, self.spans, self.strides, strict=True
            )
        )
        if any(n < 1 for n in found):
            raise ValueError(f"a window of {self.spans} does not fit an image of {tuple(sizes)}")
        return found


def spatial_sizes(x: Tensor) -> tuple[int | None, ...]:
    return x.shape[2:]


def window_of(node: Node, x: Tensor, kernel: Sequence[int]) -> Window:
    """Return the window of a node with a kernel of these sizes; ValueError for other attributes."""
    rank = x.rank - 2
    if rank < 1:
        raise ValueError(f"expected an input (N, C, ...), received shape {x.shape}")
    strides, dilations = (node[name] or [1] * rank for name in ("strides", "dilations"))
    given = node["pads"] or [0] * (2 * rank)
    lengths = {len(kernel), len(strides), len(dilations), len(given) / 2}
    if lengths != {rank}:
        raise ValueError(f"kernel, strides, dilations and pads must fit {rank} spatial axes")
    if min(*kernel, *strides, *dilations) < 1:
        raise ValueError("kernel, strides and dilations must be at least 1")
    pads = tuple(zip(given[:rank], given[rank:], strict=True))
    window = Window(tuple(kernel), tuple(strides), tuple(dilations), pads)
    return _with_auto_pads(window, node["auto_pad"] or "NOTSET", spatial_sizes(x))


def _with_auto_pads(window: Window, mode: str, sizes: Sequence[int | None]) -> Window:
    if mode == "NOTSET":
        return window
    if mode == "VALID":
        return window.unpadded()
    if mode not in ("SAME_UPPER", "SAME_LOWER"):
        raise ValueError(f"`auto_pad` {mode!r} is not supported")
    if set(window.strides) == {1}:
        totals = [span - 1 for span in window.spans]
    elif None in sizes:
        totals = []
    else:
        known = [n for n in sizes if n is not None]
        totals = [
            max((-(-n // stride) - 1) * stride + span - n, 0)
            for n, stride, span in zip(known, window.strides, window.spans, strict=True)
        ]
    if not totals and mode == "SAME_LOWER":
        raise ValueError("`auto_pad` SAME_LOWER with strides needs an image of known size")
    pads = tuple((n // 2, n - n // 2) for n in totals) or window.unpadded().pads
    if mode == "SAME_LOWER":
        pads = tuple((after, before) for before, after in pads)
    symmetric = all(before == after for before, after in pads)
    return replace(window, pads=pads, same=mode == "SAME_UPPER" or (bool(totals) and symmetric))


def padded(x: Any, pads: Pads, value: float = 0.0) -> Any:
    """Return images (N, ..., C) with `value` around them."""
    if not any(n for pair in pads for n in pair):
        return x
    if any(n < 0 for pair in pads for n in pair):
        raise ValueError(f"pads must be at least 0, received {pads}")
    widths = ((0, 0), *pads, (0, 0))
    return ops.pad(x, widths, constant_values=value) if value else ops.pad(x, widths)


def elements(x: Any, window: Window) -> list[Any]:
    """Return, for every position in the window, the elements of (N, ..., C) that it reads.

    `x` is padded already, and its sizes are known.
    """
    sizes = window.unpadded().output_sizes(x.shape[1:-1])
    if math.prod(window.kernel) > _MOST_POSITIONS:
        raise ValueError(
            f"a window of {window.kernel} is too large: at most {_MOST_POSITIONS} elements"
        )
    found = []
    for position in np.ndindex(*window.kernel):
        key = [slice(None)]
        for start, d, s, n in zip(position, window.dilations, window.strides, sizes, strict=True):
            key.append(slice(start * d, start * d + (n - 1) * s + 1, s))
        found.append(ops.get_item(x, (*key, slice(None))))
    return found
