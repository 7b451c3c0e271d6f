"""Resizing without distortion."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from fastconv.common.keywords import explain_keywords
from fastconv.common.literals import DataFormat, Resampling
from fastconv.layers import Resizing
from fastconv.utils.images import checked_size


@explain_keywords
def smart_resize(
    x: ArrayLike,
    size: tuple[int, int],
    interpolation: Resampling = "bilinear",
    data_format: DataFormat | None = None,
) -> np.ndarray:
    """Images resized to `size` (height, width), after the largest central part with its proportions
    was cut out.

    Args:
        x: (H, W, C) or (N, H, W, C).
        size: (height, width).
        interpolation: as for `fastconv.layers.Resizing`.
        data_format: None or "channels_last", or "channels_first".

    Returns:
        float32, of the rank of `x`.

    Raises ValueError for another rank or an unknown option.

    >>> import numpy as np
    >>> from fastconv.preprocessing.image import smart_resize
    >>> smart_resize(np.zeros((60, 100, 3)), (32, 32)).shape
    (32, 32, 3)
    """
    height, width = checked_size(size, "size")
    images = np.asarray(x)
    if images.ndim not in (3, 4):
        raise ValueError(f"`x` must have 3 or 4 dimensions, received shape {images.shape}")
    layer = Resizing(height, width, interpolation, True, data_format=data_format)
    return layer(images)
