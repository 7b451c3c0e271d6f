"""The samples that a network is most wrong about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from fastconv.viz.confusion_matrix import labels_of
from fastconv.viz.style import as_picture, checked_names, grid, new_figure, show, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@styled
def worst_mistakes(
    images: ArrayLike,
    y_true: ArrayLike,
    probabilities: ArrayLike,
    class_names: Sequence[str] | None = None,
    *,
    count: int = 12,
    columns: int = 4,
) -> Figure:
    """Wrong predictions, the most confident first: above a picture the predicted class and its
    probability, below it the true class.

    Args:
        images: (N, H, W) or (N, H, W, C).
        y_true: class numbers (N,) or (N, 1), or one-hot rows (N, classes).
        probabilities: (N, classes), what `predict` returns.
        class_names: by default the numbers.
        count: how many, at most.
        columns: pictures per row, at most; fewer if names are long.

    Raises ValueError for other shapes, lengths that differ, or predictions that are all right.
    """
    images, chances = np.asarray(images), np.asarray(probabilities)
    true = labels_of(y_true, "y_true")
    if chances.ndim != 2 or not len(images) == len(true) == len(chances):
        raise ValueError(
            "`images`, `y_true` and `probabilities` (N, classes) must have one length, received "
            f"shapes {images.shape}, {true.shape} and {chances.shape}"
        )
    names = checked_names(class_names, max(chances.shape[1], 1 + int(true.max(initial=0))))
    said = chances.argmax(axis=1)
    wrong = np.flatnonzero(said != true)
    if not wrong.size:
        raise ValueError("there are no mistakes to show: every prediction is right")
    worst = wrong[np.argsort(-chances[wrong, said[wrong]], kind="stable")][:count]
    longest = max(len(name) for name in names)
    columns = min(columns, len(worst), 4 if longest <= 5 else 3 if longest <= 12 else 2)
    rows = -(-len(worst) // columns)
    figure = new_figure(0.4 + rows * (4.3 / max(columns, 3) + 0.48))
    for ax, index in zip(grid(figure, len(worst), columns), worst, strict=True):
        show(ax, as_picture(images[index]), vmin=0, vmax=1)
        sure = f"{100 * chances[index, said[index]]:.0f} %"
        ax.set_title(f"predicted {names[said[index]]}\n{sure}")
        ax.set_xlabel(f"true {names[true[index]]}")
    figure.suptitle(f"{len(wrong):,} mistakes in {len(true):,}, the most confident first")
    return figure
