"""Colours of images (..., channels) in NumPy: HSV, grey values, ranges, smoothing.

>>> import numpy as np
>>> rgb = np.array([[1.0, 0.5, 0.0]])
>>> rgb_to_hsv(rgb).round(4).tolist(), hsv_to_rgb(rgb_to_hsv(rgb)).tolist()
([[0.0833, 1.0, 1.0]], [[1.0, 0.5, 0.0]])
"""

from __future__ import annotations

import numpy as np

_GREY = (0.2989, 0.587, 0.114)  # of red, green and blue, as in TensorFlow


def rgb_to_hsv(rgb: np.ndarray) -> np.ndarray:
    """Return hue, saturation and value, where hue and saturation are from 0 to 1."""
    red, green, blue = (rgb[..., i] for i in range(3))
    value = rgb.max(axis=-1)
    spread = value - rgb.min(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        saturation = np.where(value > 0, spread / value, 0)
        hue = np.where(
            red == value,
            (green - blue) / spread,
            np.where(green == value, (blue - red) / spread + 2, (red - green) / spread + 4),
        )
    hue = np.where(spread > 0, hue / 6, 0)
    hue = np.where(hue < 0, hue + 1, hue)
    return np.stack([hue, saturation, value], axis=-1).astype(rgb.dtype)


def hsv_to_rgb(hsv: np.ndarray) -> np.ndarray:
    """Return red, green and blue: the inverse of `rgb_to_hsv`."""
    sixths = hsv[..., 0] * 6
    parts = [np.abs(sixths - 3) - 1, 2 - np.abs(sixths - 2), 2 - np.abs(sixths - 4)]
    pure = np.clip(np.stack(parts, axis=-1), 0, 1)
    saturation, value = hsv[..., 1:2], hsv[..., 2:3]
    return ((1 - saturation + saturation * pure) * value).astype(hsv.dtype)


def grey(rgb: np.ndarray) -> np.ndarray:
    """Return grey values (..., 1)."""
    weights = np.array(_GREY, rgb.dtype)
    return (rgb[..., :1] * weights[0] + rgb[..., 1:2] * weights[1]) + rgb[..., 2:3] * weights[2]


def to_range(x: np.ndarray, source: tuple[float, float], target: tuple[float, float]) -> np.ndarray:
    """Return `x` with the range `source` mapped to `target`."""
    if tuple(source) == tuple(target):
        return x
    scale = (target[1] - target[0]) / (source[1] - source[0])
    return (x - x.dtype.type(source[0])) * x.dtype.type(scale) + x.dtype.type(target[0])


def smoothed(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Return every channel of images (N, H, W, C) correlated with `kernel`, zeros around them.

    An even size has one more row or column after the centre than before.
    """
    height, width = x.shape[1:3]
    before = [(size - 1) // 2 for size in kernel.shape]
    margins = [(b, size - 1 - b) for b, size in zip(before, kernel.shape, strict=True)]
    padded = np.pad(x, [(0, 0), *margins, (0, 0)])
    total = np.zeros_like(x)
    for (row, column), weight in np.ndenumerate(kernel.astype(x.dtype)):
        total += weight * padded[:, row : row + height, column : column + width]
    return total


def equalized(x: np.ndarray, bins: int) -> np.ndarray:
    """Return every channel of images (N, H, W, C), 0 to 255, with its histogram equalized.

    The histogram is that of a channel of the whole batch.
    """
    channels = [_equalized(x[..., channel], bins) for channel in range(x.shape[-1])]
    return np.stack(channels, axis=-1).astype(x.dtype)


def _equalized(x: np.ndarray, bins: int) -> np.ndarray:
    places = np.clip((x * (bins - 1) / np.float32(255)).astype(np.int32), 0, bins - 1)
    counts = np.bincount(places.ravel(), minlength=bins)
    if np.count_nonzero(counts) <= 1:
        return x
    below = np.cumsum(counts)
    lowest = below[below > 0][0]
    table = np.round((below - lowest) * 255 / (below[-1] - lowest))
    taken = np.clip(x / np.float32(255) * (bins - 1), 0, bins - 1).astype(np.int32)
    return table[taken]
