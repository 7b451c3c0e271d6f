"""What all pictures share beside `fastconv.common.figures`: how arrays become pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from fastconv.common.arrays import real_array
from fastconv.common.figures import (
    BLUE,
    GREEN,
    POSITIVE,
    SIGNED,
    VERMILION,
    WIDTH,
    new_figure,
    styled,
)
from fastconv.training.io_spec import fit_samples

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "LINES",
    "WIDTH",
    "as_picture",
    "checked_names",
    "grid",
    "new_figure",
    "one_sample",
    "scale_of",
    "show",
    "styled",
]

# Line styles and markers as well as colours, so that the lines differ on a printed page.
LINES: tuple[dict[str, Any], ...] = (
    {"color": BLUE, "linestyle": "-", "marker": "o"},
    {"color": VERMILION, "linestyle": "--", "marker": "s"},
    {"color": GREEN, "linestyle": ":", "marker": "^"},
    {"color": "0.3", "linestyle": "-.", "marker": "D"},
)


def grid(figure: Any, count: int, columns: int, room: int = 1) -> list[Axes]:
    """`count` axes in rows of `columns`, in the middle of a figure with room for `room` columns;
    places that are left over stay empty."""
    rows, across = -(-count // columns), max(columns, room)
    axes = figure.subplots(rows, across, squeeze=False)
    for ax in axes.ravel():
        ax.set_axis_off()
    first = (across - columns) // 2
    chosen = list(axes[:, first : first + columns].ravel()[:count])
    for ax in chosen:
        ax.set_axis_on()
    return chosen


def scale_of(values: np.ndarray) -> dict[str, Any]:
    """Options of `show` that give values one meaning: from 0 to the largest, or, if some are
    negative, the same distance to both sides of 0."""
    low, high = float(values.min()), float(values.max())
    if low >= 0:
        return {"cmap": POSITIVE, "vmin": 0, "vmax": high or 1}
    limit = max(-low, high)
    return {"cmap": SIGNED, "vmin": -limit, "vmax": limit}


def show(ax: Axes, values: np.ndarray, **options: Any) -> Any:
    """Draw an array as a picture without ticks; pixels stay squares, unless `options` say not."""
    options = {"cmap": "gray", "interpolation": "nearest"} | options
    drawn = ax.imshow(values, **options)
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_visible(True)
        spine.set_color("0.6")
    return drawn


def as_picture(image: ArrayLike) -> np.ndarray:
    """A sample (H, W), (H, W, 1) or (H, W, 3) as (H, W) or (H, W, 3) from 0 to 1.

    Other numbers of channels are averaged. Bytes keep their scale, and so do values that lie from 0
    to 1; others are stretched.
    """
    values = real_array(image, "`image`")
    if values.ndim not in (2, 3) or 0 in values.shape:
        raise ValueError(f"`image` must be (H, W) or (H, W, C), received shape {values.shape}")
    if values.ndim == 3 and values.shape[2] != 3:
        values = values[..., 0] if values.shape[2] == 1 else values.mean(axis=2)
    if values.dtype == np.uint8:
        return values / 255
    low, high = float(values.min()), float(values.max())
    if low >= 0 and high <= 1:
        return values.astype(np.float64)
    return (values - low) / (high - low or 1)


def one_sample(model: Any, image: ArrayLike) -> np.ndarray:
    """`image` as a batch of one that fits the model's input."""
    values = real_array(image, "`image`")
    if values.ndim == len(model.input_shape) and len(values) == 1:
        values = values[0]
    return fit_samples(values[None], model.input_shape)


def checked_names(class_names: Any, count: int) -> list[str]:
    """Names of the classes, by default their numbers."""
    names = [str(name) for name in (range(count) if class_names is None else class_names)]
    if len(names) < count:
        raise ValueError(f"`class_names` must name {count} classes, received {len(names)}")
    return names
