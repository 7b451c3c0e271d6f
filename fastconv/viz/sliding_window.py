"""Where a window stops as it slides: padding and stride, drawn on the grid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastconv.common.figures import BLUE, PALE_BLUE, PALE_ORANGE, VERMILION
from fastconv.inspect.windows import windows_of
from fastconv.shapes import conv2d_geometry
from fastconv.viz.style import WIDTH, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST = 40  # largest number of cells per side that remain distinguishable
_POSITIONS = (
    (BLUE, PALE_BLUE, "-"),
    (VERMILION, PALE_ORANGE, "--"),
)  # of the window: first, second


@styled
def sliding_window(size: Any = 7, kernel: Any = 3, strides: Any = 1, padding: Any = 0) -> Figure:
    """The input with its padding and the first two positions of the window, beside the output.

    Args:
        size: of the input, an int or (rows, columns), at most 40.
        kernel: of the window, an int or (rows, columns).
        strides: stride of the window, an int or (rows, columns).
        padding: "valid", "same", an int, or another form of `fastconv.ops.conv2d`.

    White cells are pixels, hatched cells padding; crossed-out columns and rows are pixels that no
    window covers, because of the stride. The cells of the output that belong to the two positions
    have their colours and lines: blue and solid, red and dashed.

    Raises ValueError for a window larger than the padded input, and the errors of `conv2d`.
    """
    from matplotlib.patches import Rectangle

    rows, columns = (size, size) if np.ndim(size) == 0 else size
    taps = (kernel, kernel) if np.ndim(kernel) == 0 else tuple(kernel)
    geometry = conv2d_geometry(
        (1, rows, columns, 1), (*taps, 1, 1), strides=strides, padding=padding
    )
    down, across = windows_of(geometry)
    height, width = (w.length + w.before + w.after for w in (down, across))
    if max(height, width) > _MOST:
        raise ValueError(f"`size` with padding must be at most {_MOST}, received {height}x{width}")

    shares = [width, max(across.outputs, 2)]
    side = min(0.36, (WIDTH - 0.7) / sum(shares))
    figure = new_figure(0.85 + side * height, WIDTH)
    before, after = figure.subplots(1, 2, width_ratios=shares)
    _cells(before, height, width)
    before.add_patch(Rectangle((0, 0), width, height, fc="0.93", ec="0.6", hatch="////", zorder=0))
    corner = (across.before, down.before)
    before.add_patch(Rectangle(corner, across.length, down.length, fc="1", zorder=0.5))
    for row, column in np.ndindex(down.length, across.length):
        if row in down.unseen or column in across.unseen:
            left, top = column + across.before, row + down.before
            before.plot([left, left + 1], [top, top + 1], color="0.4", lw=0.8)
            before.plot([left, left + 1], [top + 1, top], color="0.4", lw=0.8)
    _cells(after, down.outputs, across.outputs)
    for step, (edge, tint, line) in enumerate(_POSITIONS[: across.outputs]):
        place = {"ec": edge, "lw": 2, "ls": line, "zorder": 3 - step}
        corner = (step * across.stride, 0)
        before.add_patch(Rectangle(corner, taps[1], taps[0], fc=tint, ec="none", alpha=0.6))
        before.add_patch(Rectangle(corner, taps[1], taps[0], fill=False, **place))
        after.add_patch(Rectangle((step, 0), 1, 1, fc=tint, **place))
    before.set_title(f"input {down.length}x{across.length}")
    after.set_title(f"output {down.outputs}x{across.outputs}")
    figure.suptitle(across.formula)
    return figure


def _cells(ax: Axes, height: int, width: int) -> None:
    wide = 0.5 if max(height, width) <= 16 else 0.25
    lines = {"color": "0.6", "linewidth": wide, "zorder": 1}
    ax.vlines(range(width + 1), 0, height, **lines)
    ax.hlines(range(height + 1), 0, width, **lines)
    ax.set_xlim(-0.1, width + 0.1)
    ax.set_ylim(height + 0.1, -0.1)
    ax.set_aspect("equal", anchor="N")
    ax.set_axis_off()
