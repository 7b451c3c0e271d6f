"""Pooling, with numbers to follow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from fastconv import ops
from fastconv.common.arrays import real_array
from fastconv.common.figures import PALE_BLUE, PALE_GREEN, PALE_ORANGE, PALE_PURPLE
from fastconv.viz.style import new_figure, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_EXAMPLE = [[12, 20, 30, 0], [8, 12, 2, 0], [34, 70, 37, 4], [112, 100, 25, 12]]
_TINTS = ((PALE_BLUE, PALE_ORANGE), (PALE_GREEN, PALE_PURPLE))  # of neighbouring windows


@styled
def pooling(values: ArrayLike | None = None, pool_size: Any = 2, kind: str = "max") -> Figure:
    """A grid of numbers and its pooled grid, in which a value has the colour of its window.

    Args:
        values: (H, W), by default the lectures' example.
        pool_size: an int or (rows, columns); windows do not overlap.
        kind: "max" or "average". The numbers that max-pooling keeps are bold.

    Raises ValueError for another kind, other dimensions, or a window larger than the grid.
    """
    kinds = {"max": ops.max_pool2d, "average": ops.avg_pool2d}
    if kind not in kinds:
        raise ValueError(f"`kind` must be 'max' or 'average', received {kind!r}")
    grid = real_array(_EXAMPLE if values is None else values, "`values`").astype(np.float64)
    if grid.ndim != 2:
        raise ValueError(f"`values` must be (H, W), received shape {grid.shape}")
    pooled = kinds[kind](grid[None, :, :, None], pool_size=pool_size)[0, :, :, 0]
    size = (pool_size, pool_size) if np.ndim(pool_size) == 0 else tuple(pool_size)
    from matplotlib.patches import Rectangle

    figure = new_figure(0.55 + 0.42 * grid.shape[0])
    before, after = figure.subplots(1, 2, width_ratios=[grid.shape[1], max(pooled.shape[1], 1.5)])

    def window(row: int, column: int) -> tuple[int, int]:
        return row // size[0], column // size[1]

    def kept(row: int, column: int) -> bool:
        place = window(row, column)
        within = place[0] < pooled.shape[0] and place[1] < pooled.shape[1]
        return kind == "max" and within and pooled[place] == grid[row, column]

    _numbers(before, grid, window, kept)
    _numbers(after, pooled, lambda row, column: (row, column), lambda row, column: kind == "max")
    for row, column in np.ndindex(pooled.shape):
        corner = (column * size[1], row * size[0])
        before.add_patch(Rectangle(corner, size[1], size[0], fill=False, ec="0", lw=1.4))
    before.set_title(f"{grid.shape[0]}x{grid.shape[1]}")
    after.set_title(f"{pooled.shape[0]}x{pooled.shape[1]}")
    figure.suptitle(f"{kind}-pooling of {size[0]}x{size[1]} with stride {size[0]}x{size[1]}")
    return figure


def _numbers(ax: Axes, values: np.ndarray, window: Any, bold: Any) -> None:
    from matplotlib.patches import Rectangle

    for (row, column), value in np.ndenumerate(values):
        down, across = window(row, column)
        tint = _TINTS[down % 2][across % 2]
        ax.add_patch(Rectangle((column, row), 1, 1, fc=tint, ec="0.4", lw=0.6))
        weight = "bold" if bold(row, column) else "normal"
        ax.text(column + 0.5, row + 0.5, f"{value:g}", ha="center", va="center", weight=weight)
    ax.set_xlim(-0.1, values.shape[1] + 0.1)
    ax.set_ylim(values.shape[0] + 0.1, -0.1)
    ax.set_aspect("equal")
    ax.set_axis_off()
