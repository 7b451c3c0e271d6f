"""Does a network recognise what has moved?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from fastconv.common.arguments import normalize_int
from fastconv.viz.confusion_matrix import labels_of
from fastconv.viz.style import LINES, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def accuracy_by_shift(
    model: Any, x: ArrayLike, y: ArrayLike, shifts: Sequence[int] = tuple(range(-8, 9))
) -> np.ndarray:
    """The part of samples that a model classifies rightly when all are moved to the right.

    Args:
        model: a built model with outputs (classes,).
        x: pictures (N, H, W) or (N, H, W, C).
        y: class numbers (N,) or (N, 1), or one-hot rows.
        shifts: pixels to the right, negative to the left. What moves in is 0.

    Returns:
        float64 (shifts,), from 0 to 1.

    Raises ValueError for other dimensions, or lengths that differ.
    """
    x, true = np.asarray(x), labels_of(y, "y")
    if x.ndim not in (3, 4) or len(x) != len(true) or not len(x):
        raise ValueError(
            f"`x` must be (N, H, W) or (N, H, W, C) with N labels, received {x.shape} and "
            f"{len(true)}"
        )
    return np.array(
        [
            float((model.predict(_moved(x, shift), verbose=0).argmax(axis=1) == true).mean())
            for shift in shifts
        ]
    )


def _moved(x: np.ndarray, shift: int) -> np.ndarray:
    shift = normalize_int(shift, "shifts", minimum=-x.shape[2])
    moved = np.zeros_like(x)
    if shift >= 0:
        moved[:, :, shift:] = x[:, :, : x.shape[2] - shift]
    else:
        moved[:, :, :shift] = x[:, :, -shift:]
    return moved


@styled
def translation_test(
    models: Any, x: ArrayLike, y: ArrayLike, shifts: Sequence[int] = tuple(range(-8, 9))
) -> Figure:
    """Accuracy against shift, for one model or several.

    Args:
        models: a model, or up to four as {name: model}.
        x, y, shifts: see `accuracy_by_shift`.

    Raises as `accuracy_by_shift`, and ValueError for more than four models.
    """
    named = models if isinstance(models, dict) else {models.name: models}
    if not 1 <= len(named) <= len(LINES):
        raise ValueError(f"`models` must be 1 to {len(LINES)} models, received {len(named)}")
    figure = new_figure(2.6)
    ax = figure.subplots()
    for (name, model), line in zip(named.items(), LINES, strict=False):
        ax.plot(shifts, 100 * accuracy_by_shift(model, x, y, shifts), label=name, **line)
    ax.set_xlabel("shift to the right, pixels")
    ax.set_ylabel("right, %")
    ax.set_ylim(0, 102)
    ax.legend()
    figure.suptitle(f"accuracy on {len(np.asarray(x)):,} pictures that are moved sideways")
    return figure
