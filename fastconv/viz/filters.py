"""The filters of a layer as small pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastconv.common.figures import SIGNED
from fastconv.viz.style import grid, new_figure, show, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@styled
def filters(layer: Any, *, channel: int | None = None, columns: int = 8, most: int = 64) -> Figure:
    """Filters of a convolution: in their colours if they look at three channels, else blue where a
    weight is negative, grey where it is 0 and yellow where it is positive.

    Args:
        layer: a layer with filters, a model (its first such layer is taken), or an array of filters
            (KH, KW, C, K) or (KH, KW, K).
        channel: the input channel whose weights are drawn; by default all three, or the first if
            there are not three.
        columns: pictures per row.
        most: draw the first so many filters only.

    Raises ValueError if the layer has no filters or not that channel.
    """
    kernel = _kernel(layer)
    channels, count = kernel.shape[2], min(kernel.shape[3], most)
    if channel is not None and not 0 <= channel < channels:
        raise ValueError(f"`channel` must be from 0 to {channels - 1}, received {channel}")
    columns = min(columns, count)
    figure = new_figure(0.55 + 0.56 * -(-count // columns) * 8 / max(columns, 4))
    axes = grid(figure, count, columns, room=3)
    what = "1 filter" if count == 1 else f"{count} filters"
    if channels == 3 and channel is None:
        low, high = kernel.min(), kernel.max()
        for index, ax in enumerate(axes):
            show(ax, (kernel[..., index] - low) / (high - low or 1))
        figure.suptitle(f"{what} of {kernel.shape[0]}x{kernel.shape[1]}x3")
        return figure
    plane, limit = channel or 0, float(np.abs(kernel).max()) or 1.0
    for index, ax in enumerate(axes):
        drawn = show(ax, kernel[:, :, plane, index], cmap=SIGNED, vmin=-limit, vmax=limit)
    figure.colorbar(drawn, ax=axes, fraction=0.05, pad=0.02)
    of = "" if channels == 1 else f", channel {plane} of {channels}"
    figure.suptitle(f"{what} of {kernel.shape[0]}x{kernel.shape[1]}{of}")
    return figure


def _kernel(layer: Any) -> np.ndarray:
    """(KH, KW, C, K)"""
    if hasattr(layer, "layers"):
        found = [one for one in layer.layers if _filters_of(one) is not None]
        if not found:
            raise ValueError(f"`layer` must have filters, and no layer of {layer.name!r} has")
        layer = found[0]
    kernel = _filters_of(layer) if hasattr(layer, "get_weights") else np.asarray(layer)
    if kernel is not None and kernel.ndim == 3:
        kernel = kernel[:, :, None]
    if kernel is None or kernel.ndim != 4 or 0 in kernel.shape:
        raise ValueError(f"`layer` must have filters (KH, KW, C, K), received {layer!r}")
    return kernel


def _filters_of(layer: Any) -> np.ndarray | None:
    weights = layer.get_weights()
    return weights[0] if weights and weights[0].ndim == 4 else None
