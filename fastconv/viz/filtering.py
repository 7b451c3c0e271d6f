"""A filter applied to a picture: as networks do it, and as mathematicians do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from fastconv.common.figures import SIGNED
from fastconv.filters import apply, flip
from fastconv.viz.style import as_picture, new_figure, show, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@styled
def filtering(image: ArrayLike, kernel: ArrayLike, *, both: bool = True) -> Figure:
    """An image, and the filter above the filtered image.

    Args:
        image: (H, W) or (H, W, C), of which the channels are averaged.
        kernel: (KH, KW).
        both: show the convolution, for which the filter is flipped, beside the cross-correlation.

    In filters and results blue is negative, grey 0 and yellow positive; all results have one scale.

    Raises ValueError for other dimensions.
    """
    picture = as_picture(image)
    picture = picture if picture.ndim == 2 else picture.mean(axis=2)
    kernel = np.asarray(kernel)
    if kernel.ndim != 2:
        raise ValueError(f"`kernel` must be (KH, KW), received shape {kernel.shape}")
    kinds = {"cross-correlation": kernel, "convolution": flip(kernel)}
    if not both:
        kinds.popitem()
    results = {kind: apply(picture, kernel, operation=kind) for kind in kinds}
    limit = max(float(np.abs(result).max()) for result in results.values()) or 1.0
    taps = float(np.abs(kernel).max()) or 1.0
    columns = 1 + len(kinds)
    tall = picture.shape[0] / picture.shape[1] * 4.4 / columns
    figure = new_figure(1.35 + tall)
    axes = figure.subplots(2, columns, height_ratios=[0.9, tall])
    axes[0, 0].set_axis_off()
    show(axes[1, 0], picture, vmin=0, vmax=1)
    axes[1, 0].set_title("picture")
    for column, (kind, used) in enumerate(kinds.items(), start=1):
        above, below = axes[:, column]
        show(above, used, cmap=SIGNED, vmin=-taps, vmax=taps)
        above.set_title("filter" if column == 1 else "filter, flipped")
        if used.size <= 25:
            for (row, place), value in np.ndenumerate(used):
                shade = "1" if value < 0 else "0"
                above.text(place, row, f"{value:.3g}", ha="center", va="center", color=shade)
        show(below, results[kind], cmap=SIGNED, vmin=-limit, vmax=limit)
        below.set_title(kind)
    return figure
