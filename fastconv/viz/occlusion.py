"""Occlusion: which part of a picture a prediction cannot do without.

M. D. Zeiler and R. Fergus, "Visualizing and Understanding Convolutional Networks", arXiv 1311.2901,
section 4.2: cover one square after another and see how the probability of the class falls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from fastconv.common.arguments import normalize_int
from fastconv.viz.grad_cam import overlay
from fastconv.viz.style import as_picture, one_sample, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def occlusion_map(
    model: Any,
    image: ArrayLike,
    target: int | None = None,
    *,
    size: int | None = None,
    stride: int | None = None,
    value: float | None = None,
) -> tuple[np.ndarray, int]:
    """Return the loss of output of a class for every position of a covering square, and the class.

    Args:
        model: a built model with outputs (classes,).
        image: one sample (H, W, C).
        target: the class; by default the predicted one.
        size: side of the square; by default a quarter of the smaller side of the image.
        stride: distance between positions; by default half of `size`.
        value: fill value of the square; by default the mean of the image.

    Returns:
        An array of the positions (rows, columns), float32: the output for the image minus the
        output for the covered image; and the class.

    Raises ValueError if the model or the picture have other dimensions, or the square does not fit.
    """
    sample = one_sample(model, image).astype(np.float32)
    if sample.ndim != 4 or len(model.output_shape) != 2:
        raise ValueError(
            "`model` must take pictures (H, W, C) and give (classes,), received "
            f"{model.input_shape} and {model.output_shape}"
        )
    _, height, width, _ = sample.shape
    size = max(1, min(height, width) // 4) if size is None else normalize_int(size, "size")
    stride = max(1, size // 2) if stride is None else normalize_int(stride, "stride")
    if size > min(height, width):
        raise ValueError(f"`size` must be at most {min(height, width)}, received {size}")
    whole = model.predict_on_batch(sample)[0]
    target = int(whole.argmax()) if target is None else target
    if not 0 <= target < len(whole):
        raise ValueError(f"`target` must be from 0 to {len(whole) - 1}, received {target}")
    rows, columns = (range(0, side - size + 1, stride) for side in (height, width))
    covered = np.repeat(sample, len(rows) * len(columns), axis=0)
    places = ((row, column) for row in rows for column in columns)
    for one, (row, column) in zip(covered, places, strict=True):
        one[row : row + size, column : column + size] = sample.mean() if value is None else value
    scores = model.predict(covered, verbose=0)[:, target]
    return (whole[target] - scores).reshape(len(rows), len(columns)), target


@styled
def occlusion(
    model: Any,
    image: ArrayLike,
    target: int | None = None,
    *,
    class_name: str | None = None,
    **options: Any,
) -> Figure:
    """The image, the map of lost output (scaled to a maximum of 1), and the map over the image.

    Arguments and errors are those of `occlusion_map`; `class_name` is for the title.
    """
    lost, target = occlusion_map(model, image, target, **options)
    highest = float(lost.max())
    heat = np.maximum(lost, 0) / (highest if highest > 0 else 1)
    picture = as_picture(one_sample(model, image)[0])
    title = f"occlusion: class {class_name or target} loses up to {max(highest, 0):.2f}"
    return overlay(picture, heat, title)
