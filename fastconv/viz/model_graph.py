"""A network as boxes and arrows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastconv.common.figures import PALE_BLUE
from fastconv.viz.style import new_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_STEP = 0.46  # inches from box to box
_BOX = 0.62  # of that is box, the rest arrow


@styled
def model_graph(model: Any) -> Figure:
    """The layers from top to bottom: name and class, output shape, parameters; layers with weights
    are blue. Ways that pass layers by run along the left.

    Raises ValueError if the model is not built.
    """
    from matplotlib.patches import Rectangle

    calls = model.network.calls
    level_of = {tensor: level for level, call in enumerate(calls) for tensor in call.outputs}
    figure = new_figure(0.5 + _STEP * len(calls))
    ax = figure.subplots()
    for level, call in enumerate(calls):
        layer, shape = call.layer, call.outputs[0].shape
        params = layer.count_params() if call.inputs else 0
        shade = PALE_BLUE if params else "1"
        ax.add_patch(Rectangle((0, level), 1, _BOX, fc=shade, ec="0.3", lw=0.8))
        middle = level + _BOX / 2
        ax.text(0.02, middle, layer.name, va="center", weight="bold", clip_on=True)
        ax.text(0.42, middle, type(layer).__name__, va="center", clip_on=True)
        sizes = "x".join(str(size) for size in shape[1:])
        ax.text(0.98, middle, sizes, va="center", ha="right")
        ax.text(1.2, middle, f"{params:,}" if params else "", va="center", ha="right")
    ax.text(1.2, _BOX / 2, "parameters", va="center", ha="right")
    lanes = _lanes([(level_of[t], level) for level, call in enumerate(calls) for t in call.inputs])
    arrow = {"arrowstyle": "-|>", "color": "0.3", "shrinkA": 0, "shrinkB": 0}
    for (start, end), lane in lanes.items():
        if lane == 0:
            ax.annotate("", (0.5, end), (0.5, start + _BOX), arrowprops=arrow)
            continue
        x, top, bottom = -0.04 * lane, start + 0.7 * _BOX, end + 0.3 * _BOX
        ax.plot([0, x, x], [top, top, bottom], color="0.3", lw=0.9)
        ax.annotate("", (0, bottom), (x, bottom), arrowprops=arrow)
    ax.set_xlim(-0.02 - 0.04 * max(lanes.values(), default=0), 1.22)
    ax.set_ylim(len(calls) - 0.3, -0.1)
    ax.set_axis_off()
    figure.suptitle(f"{model.name}: {model.count_params():,} parameters")
    return figure


def _lanes(edges: list[tuple[int, int]]) -> dict[tuple[int, int], int]:
    """For each edge, 0 if it leads to the next box, else the first free lane on the left."""
    lanes: dict[tuple[int, int], int] = {}
    for start, end in sorted(set(edges), key=lambda edge: edge[1] - edge[0]):
        taken = {lane for (a, b), lane in lanes.items() if lane and a < end and start < b}
        free = next(lane for lane in range(1, len(edges) + 2) if lane not in taken)
        lanes[start, end] = 0 if end == start + 1 else free
    return lanes
