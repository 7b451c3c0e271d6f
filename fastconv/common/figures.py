"""The style that all figures share: size, letters and colours. Needs matplotlib when it is used.

Colours carry meaning and are safe for colour-blind readers. Each pair that must be told apart also
differs in lightness, line style or hatching, so that figures remain readable in grey.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH = 4.6  # inches

# Of M. Okabe and K. Ito, "Color Universal Design", 2008; the blue is darkened and a grey added, so
# that the lightness differs.
BLUE, ORANGE, VERMILION, GREEN, GREY = "#00507a", "#e69f00", "#d55e00", "#009e73", "#c8ccd0"
PALE_BLUE, PALE_ORANGE, PALE_GREEN, PALE_PURPLE = "#cfe3f2", "#fbe3b8", "#cbeadf", "#f0d8e6"

# Colour maps of matplotlib that are perceptually uniform: their lightness grows evenly.
POSITIVE = "viridis"  # from 0 to the largest value
SIGNED = "cividis"  # blue is negative, its middle, grey, is 0, yellow is positive
HEAT = "inferno"  # importance of a place

_STYLE: dict[Any, Any] = {  # matplotlib types the keys as one large Literal
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "figure.titlesize": 9,
    "figure.dpi": 150,
    "savefig.dpi": 150,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlepad": 4,
    "lines.markersize": 3.5,
    "lines.linewidth": 1.2,
    "legend.frameon": False,
    "hatch.linewidth": 0.6,
}


def styled(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Gives a drawing function the common style, which its artists keep."""

    @functools.wraps(draw)
    def wrapper(*args: Any, **kwargs: Any) -> Figure:
        try:
            from matplotlib import rc_context
        except ImportError:
            raise ImportError("pictures need matplotlib: pip install 'fastconv[viz]'") from None
        with rc_context(_STYLE):
            return draw(*args, **kwargs)

    return wrapper


def new_figure(height: float, width: float = WIDTH) -> Figure:
    """An empty figure that arranges its axes so that nothing overlaps."""
    from fastconv.common.notebook_figure import NotebookFigure

    return NotebookFigure(figsize=(width, height), layout="constrained")
