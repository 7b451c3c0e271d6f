"""A picture on its way through the network, layer by layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from fastconv import inspect
from fastconv.viz.style import as_picture, new_figure, one_sample, scale_of, show, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MAP_ROW, _VECTOR_ROW = 0.95, 0.62  # inches
_SAME_NUMBERS = ("Flatten", "Reshape", "Dropout", "SpatialDropout2D", "GaussianNoise")


@styled
def activations(model: Any, image: ArrayLike, *, maps: int = 6) -> Figure:
    """One row per layer: its feature maps that answer most, or its vector as a strip.

    Args:
        model: a built model.
        image: one sample.
        maps: feature maps per row.

    Maps of a row share one scale, from dark blue for 0 to yellow for the highest value; where some
    values are negative, blue is negative, grey 0 and yellow positive. Layers that only reshape, or
    do nothing when the model predicts, are left out.

    Raises ValueError if the image does not fit the model.
    """
    sample = one_sample(model, image)
    outputs = inspect.layer_outputs(model, sample)
    rows = {"input": sample[0]}
    for name, values in outputs.items():
        if type(model.get_layer(name)).__name__ not in _SAME_NUMBERS:
            rows[name] = values[0]
    heights = [_MAP_ROW if values.ndim == 3 else _VECTOR_ROW for values in rows.values()]
    figure = new_figure(sum(heights) + 0.1)
    parts = figure.subfigures(len(rows), 1, height_ratios=heights, squeeze=False)[:, 0]
    for part, (name, values) in zip(parts, rows.items(), strict=True):
        part.suptitle(f"{name}  {'x'.join(map(str, values.shape))}", x=0.02, ha="left", fontsize=8)
        axes = part.subplots(1, maps if values.ndim == 3 else 1, squeeze=False)[0]
        if name == "input" and values.ndim == 3:
            show(axes[0], as_picture(values))
            shown = 1
        elif values.ndim == 3:
            strongest = np.argsort(-values.max(axis=(0, 1)), kind="stable")[:maps]
            for ax, channel in zip(axes, strongest, strict=False):
                show(ax, values[..., channel], **scale_of(values))
            shown = len(strongest)
        else:
            show(axes[0], values.reshape(1, -1), aspect="auto", **scale_of(values))
            shown = 1
        for ax in axes[shown:]:
            ax.set_axis_off()
    return figure
