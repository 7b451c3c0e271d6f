"""Which class is taken for which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from fastconv.common.figures import BLUE, VERMILION
from fastconv.viz.style import checked_names, new_figure, show, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_NUMBERS = 12  # classes whose counts can be read


@styled
def confusion_matrix(
    y_true: ArrayLike, y_pred: ArrayLike, class_names: Sequence[str] | None = None
) -> Figure:
    """Counts of (true class, predicted class): blue where it is right, red where it is wrong.

    Args:
        y_true: class numbers (N,) or (N, 1), or one-hot rows (N, classes).
        y_pred: class numbers, or probabilities (N, classes).
        class_names: by default the numbers.

    Shades are the share of a true class, for mistakes on a scale of their own that ends at the
    largest; up to twelve classes have their counts written in.

    Raises ValueError for other shapes, lengths that differ, or names that are too few.
    """
    true, predicted = labels_of(y_true, "y_true"), labels_of(y_pred, "y_pred")
    if len(true) != len(predicted) or not len(true):
        raise ValueError(
            "`y_true` and `y_pred` must have one length above 0, received "
            f"{len(true)} and {len(predicted)}"
        )
    count = 1 + int(max(true.max(), predicted.max()))
    names = checked_names(class_names, count)
    count = max(count, len(names))
    counts = np.zeros((count, count), int)
    np.add.at(counts, (true, predicted), 1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)

    from matplotlib.ticker import PercentFormatter

    figure = new_figure(3.85)
    ax = figure.subplots()
    right = np.eye(count, dtype=bool)
    most = float(shares[~right].max(initial=0)) or 1.0
    wrong = np.ma.array(shares, mask=right)
    drawn = show(ax, wrong, cmap=_ramp(VERMILION), vmin=0, vmax=most)
    show(ax, np.ma.array(shares, mask=~right), cmap=_ramp(BLUE), vmin=0, vmax=1)
    label = "mistakes, share of the true class"
    bar = figure.colorbar(drawn, ax=ax, fraction=0.045, pad=0.02, label=label)
    bar.ax.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    every = max(1, count // 20)
    ticks = range(0, count, every)
    longest = max(len(name) for name in names)
    ax.set_xticks(ticks, [names[tick] for tick in ticks], rotation=90 if longest > 3 else 0)
    ax.set_yticks(ticks, [names[tick] for tick in ticks])
    ax.set_xlabel("predicted")
    ax.set_ylabel("true")
    if count <= _MOST_NUMBERS:
        for (row, column), number in np.ndenumerate(counts):
            if number:
                dark = row == column and shares[row, column] > 0.5
                shade = "1" if dark else "0"
                ax.text(column, row, str(number), ha="center", va="center", color=shade)
    hits = int(np.trace(counts))
    figure.suptitle(f"{hits:,} of {len(true):,} right, {100 * hits / len(true):.2f} %")
    return figure


def _ramp(colour: str) -> Any:
    """A colour map from white to a colour."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list(colour, ["#ffffff", colour])


def labels_of(y: Any, name: str) -> np.ndarray:
    """Class numbers (N,) of numbers, one-hot rows or probabilities."""
    values = np.asarray(y)
    if values.ndim == 2 and values.shape[1] > 1:
        return values.argmax(axis=1)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1 or values.dtype.kind not in "iu" or (values.size and values.min() < 0):
        raise ValueError(
            f"`{name}` must be class numbers (N,) or rows (N, classes), received "
            f"{values.dtype} of shape {values.shape}"
        )
    return values
