"""Where a window stops as it slides: padding and stride, drawn on the grid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastconv.shapes import conv2d_geometry
from fastconv.viz._windows import output_length_formula, windows
from fastconv.viz.style import WIDTH, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST = 40  # largest number of cells per side that remain distinguishable


@styled
def sliding_window(size: Any = 7, kernel: Any = 3, strides: Any = 1, padding: Any = 0) -> Figure:
    """The input with its padding and the first two positions of the window, beside the output.

    Args:
        size: of the input, an int or (rows, columns), at most 40.
        kernel: of the window, an int or (rows, columns).
        strides: stride of the window, an int or (rows, columns).
        padding: "valid", "same", an int, or another form of `fastconv.ops.conv2d`.

    White cells are pixels, hatched cells padding; crossed-out columns and rows are pixels that no
    window covers, because of the stride. The dark cells of the output are the values of the two
    positions.

    Raises ValueError for a window larger than the padded input, and the errors of `conv2d`.
    """
    from matplotlib.patches import Rectangle

    rows, columns = (size, size) if np.ndim(size) == 0 else size
    taps = (kernel, kernel) if np.ndim(kernel) == 0 else tuple(kernel)
    geometry = conv2d_geometry(
        (1, rows, columns, 1), (*taps, 1, 1), strides=strides, padding=padding
    )
    down, across = windows(geometry)
    height, width = (w.length + w.before + w.after for w in (down, across))
    if max(height, width) > _MOST:
        raise ValueError(f"`size` with padding must be at most {_MOST}, received {height}x{width}")

    shares = [width, max(across.output, 2)]
    side = min(0.36, (WIDTH - 0.7) / sum(shares))
    figure = new_figure(0.85 + side * height, WIDTH)
    before, after = figure.subplots(1, 2, width_ratios=shares)
    _cells(before, height, width)
    before.add_patch(Rectangle((0, 0), width, height, fc="0.93", ec="0.6", hatch="////", zorder=0))
    corner = (across.before, down.before)
    before.add_patch(Rectangle(corner, across.length, down.length, fc="1", zorder=0.5))
    for row in range(down.before, down.before + down.length):
        for column in range(across.before, across.before + across.length):
            if _unseen(row, down) or _unseen(column, across):
                before.plot([column, column + 1], [row, row + 1], color="0.4", lw=0.8)
                before.plot([column, column + 1], [row + 1, row], color="0.4", lw=0.8)
    for step, line in zip(range(min(2, across.output)), ("-", "--"), strict=False):
        corner = (step * across.stride, 0)
        before.add_patch(
            Rectangle(corner, taps[1], taps[0], fill=False, ec="0", lw=2, ls=line, zorder=3)
        )
    _cells(after, down.output, across.output)
    for step, shade in zip(range(min(2, across.output)), ("0.25", "0.6"), strict=False):
        after.add_patch(Rectangle((step, 0), 1, 1, fc=shade, ec="0"))
    before.set_title(f"input {down.length}x{across.length}")
    after.set_title(f"output {down.output}x{across.output}")
    figure.suptitle(output_length_formula(across))
    return figure


def _unseen(position: int, window: Any) -> bool:
    """Whether the last window ends before this cell."""
    return position >= (window.output - 1) * window.stride + window.size


def _cells(ax: Axes, height: int, width: int) -> None:
    lines = {"color": "0.6", "linewidth": 0.5, "zorder": 1}
    ax.vlines(range(width + 1), 0, height, **lines)
    ax.hlines(range(height + 1), 0, width, **lines)
    ax.set_xlim(-0.1, width + 0.1)
    ax.set_ylim(height + 0.1, -0.1)
    ax.set_aspect("equal", anchor="N")
    ax.set_axis_off()
