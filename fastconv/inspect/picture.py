"""A report as a figure: one row per layer, four columns of sizes and work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from fastconv.common.figures import BLUE, GREY, ORANGE, new_figure, styled
from fastconv.inspect.report import LayerReport, ModelReport
from fastconv.inspect.units import human_bytes, short_count

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLOURS = {"convolution": BLUE, "dense": ORANGE, "other": GREY}


@styled
def draw(report: ModelReport) -> Figure:
    """The figure; ImportError without matplotlib.

    Colours are those of `_kind`: the arithmetic is usually in convolutions, the parameters in dense
    layers.
    """
    from matplotlib.patches import Patch

    layers = report.layers
    kinds = [_kind(layer) for layer in layers]
    colours = [_COLOURS[kind] for kind in kinds]
    parameters = [0 if layer.shared else layer.parameters for layer in layers]
    work = [layer.multiply_adds for layer in layers]
    volumes = [layer.activation_bytes for layer in layers]
    shares = [None if x.receptive is None else 100 * x.receptive.share for x in layers]
    figure = new_figure(1.2 + 0.26 * len(layers))
    axes = figure.subplots(1, 4, sharey=True)
    _bars(axes[0], parameters, colours, short_count)
    axes[0].set_title(f"parameters\n{short_count(report.parameters)}")
    _bars(axes[1], work, colours, short_count)
    axes[1].set_title(f"multiply-adds\n{short_count(report.multiply_adds)}")
    _bars(axes[2], volumes, colours, human_bytes)
    axes[2].set_title(f"output\n{human_bytes(sum(volumes))}")
    _bars(axes[3], shares, colours, lambda share: f"{share:.3g} %")
    axes[3].set_title("sees of\nthe input")
    axes[0].set_yticks(range(len(layers)), [_shortened(layer.name) for layer in layers])
    axes[0].set_ylim(len(layers) - 0.4, -0.6)  # the first layer on top
    found = [kind for kind in _COLOURS if kind in kinds]
    patches = [Patch(color=_COLOURS[kind], label=kind) for kind in found]
    figure.legend(handles=patches, loc="outside lower center", ncols=len(found))
    samples = "1 sample" if report.batch_size == 1 else f"{report.batch_size} samples"
    figure.suptitle(
        f"{report.model_name}: {samples}, {human_bytes(report.memory.prediction)} to predict, "
        f"{human_bytes(report.memory.training)} to train"
    )
    return figure


def _kind(layer: LayerReport) -> str:
    """What a layer with multiply-adds is: a convolution if it has windows."""
    if not layer.multiply_adds:
        return "other"
    return "convolution" if layer.windows or "Transpose" in layer.kind else "dense"


def _bars(
    ax: Any, values: Sequence[float | None], colours: Sequence[str], text: Callable[..., str]
) -> None:
    widths = [value or 0 for value in values]
    ax.barh(range(len(values)), widths, color=colours, height=0.7)
    largest = max([*widths, 0]) or 1
    for row, value in enumerate(values):
        if value:
            ax.text(value + 0.05 * largest, row, text(value), va="center_baseline")
    ax.set_xlim(0, 1.95 * largest)  # room for the numbers
    ax.set_xticks([])
    ax.spines["bottom"].set_visible(False)
    ax.tick_params(length=0)


def _shortened(name: str) -> str:
    """A name that leaves room for the bars; the beginning and the end tell names apart."""
    return name if len(name) <= 18 else f"{name[:9]}…{name[-8:]}"
