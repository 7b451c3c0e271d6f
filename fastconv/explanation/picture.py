"""An explanation as a picture: one row per layer, four columns of what it costs.

Drawn with matplotlib's object-oriented interface, so that no window opens and no global state
changes. Numbers stand beside the bars, so nothing depends on colours or on a grid.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fastconv.explanation.report import human_bytes

if TYPE_CHECKING:
    from fastconv.explanation.report import Explanation

_COLORS = ("#4c72b0", "#dd8452", "#55a868", "#8172b3")
_TEXT = 8  # points


def draw(explanation: Explanation) -> Any:
    """The figure; ImportError without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            "a picture needs matplotlib; install it with pip install fastconv[viz]"
        ) from error

    layers = explanation.layers
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
    memory = explanation.memory
    figure.suptitle(
        f"{explanation.model_name}: {human_count(explanation.parameters)} parameters, "
        f"{human_count(explanation.multiply_adds)} multiply-adds per sample; batches of "
        f"{explanation.batch_size} take {human_bytes(memory.prediction)} to predict, "
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


def human_count(count: float) -> str:
    """Three digits and a word.

    >>> human_count(138357544), human_count(55744), human_count(320)
    ('138 million', '55.7 thousand', '320')
    """
    for size, word in ((1e9, "billion"), (1e6, "million"), (1e3, "thousand")):
        if count >= size:
            return f"{count / size:.3g} {word}"
    return f"{count:.0f}"
