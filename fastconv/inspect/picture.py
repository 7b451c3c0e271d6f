"""A report as a picture: one row per layer, four columns of sizes and work.

Drawn with matplotlib's object-oriented interface, so that no window opens and no global state
changes. Numbers stand beside the bars, so nothing depends on colours or on a grid.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastconv.inspect.report import ModelReport
from fastconv.inspect.units import human_bytes, human_count

_COLORS = ("#4c72b0", "#dd8452", "#55a868", "#8172b3")
_TEXT = 8  # points


def draw(report: ModelReport) -> Any:
    """The figure; ImportError without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            "a picture needs matplotlib; install it with pip install 'fastconv[viz]'"
        ) from error

    layers = report.layers
    figure = Figure(figsize=(11, 1.6 + 0.26 * len(layers)), layout="constrained")
    axes = figure.subplots(1, 4, sharey=True)
    shares = [None if x.receptive is None else 100 * x.receptive.share for x in layers]
    panels = [
        ("volume", [x.activation_bytes for x in layers], human_bytes),
        ("parameters", [0 if x.shared else x.parameters for x in layers], human_count),
        ("multiply-adds, one sample", [x.multiply_adds for x in layers], human_count),
        ("sees of the input", shares, lambda share: f"{share:.3g} %"),
    ]
    for ax, color, (title, values, text) in zip(axes, _COLORS, panels, strict=True):
        _bars(ax, values, text, color)
        ax.set_title(title, fontsize=_TEXT + 2)
    labels = [f"{layer.name}   {'x'.join(map(str, layer.output_shape))}" for layer in layers]
    axes[0].set_yticks(range(len(layers)), labels, fontsize=_TEXT)
    axes[0].set_ylim(len(layers) - 0.5, -0.5)  # the first layer on top
    memory = report.memory
    figure.suptitle(
        f"{report.model_name}: {human_count(report.parameters)} parameters, "
        f"{human_count(report.multiply_adds)} multiply-adds per sample; batches of "
        f"{report.batch_size} take {human_bytes(memory.prediction)} to predict, "
        f"{human_bytes(memory.training)} to train",
        fontsize=_TEXT + 2,
    )
    return figure


def _bars(ax: Any, values: Sequence[float | None], text: Any, color: str) -> None:
    widths = [value or 0 for value in values]
    ax.barh(range(len(values)), widths, color=color, height=0.7)
    largest = max([*widths, 0]) or 1
    for row, value in enumerate(values):
        if value:
            ax.text(value + 0.02 * largest, row, text(value), va="center", fontsize=_TEXT)
    ax.set_xlim(0, 1.45 * largest)  # room for the numbers
    ax.set_xticks([])
    for side in ("top", "right", "bottom"):
        ax.spines[side].set_visible(False)
    ax.tick_params(axis="y", length=0)
