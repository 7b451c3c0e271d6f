"""Grad-CAM: where in a picture a class is seen.

R. R. Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
Localization", arXiv 1610.02391: the feature maps of a layer, weighted by how much the class's score
rises with each of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from fastconv import inspect
from fastconv.common.figures import HEAT
from fastconv.viz.style import as_picture, new_figure, one_sample, show, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def class_activation_map(
    model: Any, image: ArrayLike, target: int | None = None, layer: Any = None
) -> tuple[np.ndarray, int]:
    """The map and the class it is of.

    Args:
        model: a built model that ends in class scores or a softmax.
        image: one sample (H, W, C).
        target: the class; by default the one that is predicted.
        layer: the layer whose maps are weighted, or its name; by default the last that gives maps.

    Returns:
        The map (rows, columns) of the layer, float32, from 0 to 1 at its highest; all 0 if nothing
        speaks for the class. And the class.

    Raises ValueError if the layer gives no maps, is not the model's, or arguments do not fit.
    """
    sample = one_sample(model, image)
    if layer is None:
        maps = [one for one in model.layers if len(one.output_shape) == 4]
        if not maps:
            raise ValueError(f"no layer of {model.name!r} gives maps (H, W, C)")
        layer = maps[-1]
    if target is None:
        target = int(model.predict_on_batch(sample)[0].argmax())
    found = inspect.gradients(model, sample, target, wrt=layer)
    if found.at.ndim != 4:
        raise ValueError(f"`layer` must give maps (H, W, C), received {found.at.shape[1:]}")
    weights = found.gradient[0].mean(axis=(0, 1))
    heat = np.maximum(found.at[0] @ weights, 0)
    return heat / (heat.max() or 1), target


@styled
def grad_cam(
    model: Any,
    image: ArrayLike,
    target: int | None = None,
    layer: Any = None,
    class_name: str | None = None,
) -> Figure:
    """The picture, the map, and both over one another; the line encloses the upper half of the map.

    Arguments and errors are those of `class_activation_map`; `class_name` is for the title.
    """
    heat, target = class_activation_map(model, image, target, layer)
    picture = as_picture(one_sample(model, image)[0])
    return overlay(picture, heat, f"Grad-CAM of class {class_name or target}")


def overlay(picture: np.ndarray, heat: np.ndarray, title: str) -> Figure:
    """Three panels: a picture, a coarser map from 0 to 1, and the map laid over the picture."""
    height, width = picture.shape[:2]
    frame = (-0.5, width - 0.5, height - 0.5, -0.5)
    figure = new_figure(0.7 + 1.4 * height / width)
    plain, alone, both = figure.subplots(1, 3)
    show(plain, picture, vmin=0, vmax=1)
    plain.set_title("picture")
    drawn = show(alone, heat, cmap=HEAT, vmin=0, vmax=1, extent=frame)
    alone.set_title(f"map {heat.shape[0]}x{heat.shape[1]}")
    show(both, picture, vmin=0, vmax=1)
    both.imshow(heat, cmap=HEAT, alpha=0.45, extent=frame, interpolation="bilinear", vmin=0, vmax=1)
    if heat.max() > 0.5 > heat.min() and min(heat.shape) > 1:
        rows, columns = heat.shape
        y = (np.arange(-1, rows + 1) + 0.5) * height / rows - 0.5
        x = (np.arange(-1, columns + 1) + 0.5) * width / columns - 0.5
        around = np.pad(heat, 1, mode="edge")  # so that lines end at the frame, not before
        both.contour(x, y, around, levels=[0.5], colors="w", linewidths=1.2)
        both.set_xlim(frame[:2])
        both.set_ylim(frame[2:])
    both.set_title("both")
    figure.colorbar(drawn, ax=[plain, alone, both], fraction=0.03, pad=0.02)
    figure.suptitle(title)
    return figure
