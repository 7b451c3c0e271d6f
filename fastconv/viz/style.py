"""What all pictures share: size, letters, greys, and how arrays become pictures."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from fastconv.common.arrays import real_array
from fastconv.training.io_spec import fit_samples

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 4.6  # inches

# Line styles before colours, so that the lines differ on a printed page.
LINES: tuple[dict[str, Any], ...] = (
    {"color": "0.0", "linestyle": "-", "marker": "o"},
    {"color": "0.45", "linestyle": "--", "marker": "s"},
    {"color": "0.25", "linestyle": ":", "marker": "^"},
    {"color": "0.6", "linestyle": "-.", "marker": "D"},
)

_STYLE: dict[Any, Any] = {  # matplotlib types the keys as one large Literal
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "figure.titlesize": 9,
    "figure.dpi": 150,
    "savefig.dpi": 150,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlepad": 4,
    "lines.markersize": 3.5,
    "lines.linewidth": 1.2,
    "legend.frameon": False,
    "hatch.linewidth": 0.6,
}


def styled(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Gives a drawing function the common style, which its artists keep."""

    @functools.wraps(draw)
    def wrapper(*args: Any, **kwargs: Any) -> Figure:
        try:
            from matplotlib import rc_context
        except ImportError:
            raise ImportError("pictures need matplotlib: pip install 'fastconv[viz]'") from None
        with rc_context(_STYLE):
            return draw(*args, **kwargs)

    return wrapper


def new_figure(height: float, width: float = WIDTH) -> Figure:
    """An empty figure that arranges its axes so that nothing overlaps."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def grid(figure: Any, count: int, columns: int) -> list[Axes]:
    """`count` axes in rows of `columns`; places that are left over stay empty."""
    rows = -(-count // columns)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax in axes[count:]:
        ax.set_axis_off()
    return list(axes[:count])


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
