"""What the filters of one layer find in a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from fastconv import inspect
from fastconv.viz.style import grid, new_figure, one_sample, scale_of, show, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@styled
def feature_maps(
    model: Any, image: ArrayLike, layer: Any, *, columns: int = 6, most: int = 24
) -> Figure:
    """The feature maps of a layer, bright where a filter answers; all on one scale, from 0 or, if
    values are negative, with grey as 0.

    Args:
        model: a built model.
        image: one sample.
        layer: a layer that gives maps (H, W, C), or its name.
        columns: maps per row.
        most: draw the first so many maps only.

    Raises ValueError if the layer gives no maps, is not the model's, or the image does not fit.
    """
    ((name, output),) = inspect.layer_outputs(model, one_sample(model, image), [layer]).items()
    if output.ndim != 4:
        raise ValueError(f"`layer` must give maps (H, W, C); {name!r} gives {output.shape[1:]}")
    maps = output[0]
    height, width, channels = maps.shape
    count = min(channels, most)
    columns = min(columns, count)
    figure = new_figure(0.5 + (0.62 * height / width + 0.2) * -(-count // columns))
    axes = grid(figure, count, columns)
    for channel, ax in enumerate(axes):
        drawn = show(ax, maps[..., channel], **scale_of(maps))
        ax.set_title(str(channel))
    figure.colorbar(drawn, ax=axes, fraction=0.05, pad=0.02)
    which = "" if count == channels else f"the first {count} of "
    figure.suptitle(f"{name}: {which}{channels} maps of {height}x{width}")
    return figure
