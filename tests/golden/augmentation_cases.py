"""Layers that change images, and the random numbers for which real Keras computes the results.

An entry of `CHANGES` is name, class, arguments, Keras's transformation (a dict of arrays), and the
same numbers as `apply` takes them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

SHAPE = (3, 7, 6, 3)


def images(low: float = 0.0, high: float = 255.0) -> np.ndarray:
    """Images with a few grey and black pixels."""
    x = np.random.default_rng(3).uniform(low, high, SHAPE).astype(np.float32)
    x[0, :2] = x[0, :2, :, :1]
    x[1, 0] = low
    return x


def _per_image(*values: float) -> np.ndarray:
    return np.array(values, np.float32).reshape(-1, 1, 1, 1)


_CHOSEN = np.array([True, False, True])
_SIGMA = np.array([0.7, 0.4], np.float32)
_SHEAR = np.array([[0.31, -0.12], [-0.23, 0.0], [0.17, 0.27]], np.float32)  # no ties
_ORDER = np.array([2, 0, 1])
_SHARE = np.array([0.25, 0.5, 0.9], np.float32)
_BITS = np.array([7, 4, 1], np.uint8)
_UNIT = {"value_range": (0.0, 1.0)}

CHANGES: list[tuple[str, str, dict[str, Any], dict[str, Any], Any]] = [
    ("brightness", "RandomBrightness", {"factor": 0.3},
     {"rgb_delta": _per_image(40, -90, 5)}, _per_image(40, -90, 5)),
    ("contrast", "RandomContrast", {"factor": 0.5},
     {"contrast_factor": _per_image(0.6, 1.4, 1)}, _per_image(0.6, 1.4, 1)),
    ("contrast_unit", "RandomContrast", {"factor": 0.5} | _UNIT,
     {"contrast_factor": _per_image(0.6, 1.4, 1)}, _per_image(0.6, 1.4, 1)),
    ("hue", "RandomHue", {"factor": 0.5},
     {"factor": np.float32([0.2, -0.4, 0.05])}, _per_image(0.2, -0.4, 0.05)),
    ("hue_unit", "RandomHue", {"factor": 0.5} | _UNIT,
     {"factor": np.float32([0.2, -0.4, 0.05])}, _per_image(0.2, -0.4, 0.05)),
    ("saturation", "RandomSaturation", {"factor": 0.5},
     {"factor": np.float32([0.2, 1.1, 0.8])}, _per_image(0.2, 1.1, 0.8)),
    ("degeneration", "RandomColorDegeneration", {"factor": 0.5},
     {"factor": _per_image(0.2, 1, 0)}, _per_image(0.2, 1, 0)),
    ("sharpness", "RandomSharpness", {"factor": 1.0},
     {"factor": np.float32([0.2, 1.0, 0.5])}, _per_image(0.2, 1, 0.5)),
    ("posterization", "RandomPosterization", {"factor": 4},
     {"shift_factor": _BITS}, _BITS.reshape(-1, 1, 1, 1)),
    ("posterization_unit", "RandomPosterization", {"factor": 4} | _UNIT,
     {"shift_factor": _BITS}, _BITS.reshape(-1, 1, 1, 1)),
    ("invert", "RandomInvert", {}, {"apply_inversion": _CHOSEN}, _CHOSEN.reshape(-1, 1, 1, 1)),
    ("solarization", "Solarization", {"addition_factor": 0.5, "threshold_factor": 0.5},
     {"additions": _per_image(10, 0, 60), "thresholds": _per_image(128, 0, 200)},
     (_per_image(10, 0, 60), _per_image(128, 0, 200))),
    ("equalization", "Equalization", {}, {}, None),
    ("equalization_bins", "Equalization", {"bins": 16}, {}, None),
    ("auto_contrast", "AutoContrast", {}, {}, None),
    ("auto_contrast_unit", "AutoContrast", _UNIT, {}, None),
    ("blur", "RandomGaussianBlur", {"kernel_size": 3},
     {"should_apply_blur": _CHOSEN, "blur_factor": _SIGMA},
     (_CHOSEN.reshape(-1, 1, 1, 1), _SIGMA)),
    ("shear", "RandomShear", {"x_factor": 0.3, "y_factor": 0.3}, {"shear_factor": _SHEAR},
     _SHEAR.T),
    ("shear_nearest", "RandomShear",
     {"x_factor": 0.3, "fill_mode": "constant", "fill_value": 7.0, "interpolation": "nearest"},
     {"shear_factor": _SHEAR}, _SHEAR.T),
    ("mix_up", "MixUp", {}, {"mix_weight": _SHARE, "permutation_order": _ORDER},
     (_ORDER, _SHARE)),
]  # fmt: skip

# height, width, arguments of Resizing
RESIZINGS = [
    (9, 4, {"interpolation": interpolation, "antialias": antialias})
    for interpolation in ("bilinear", "bicubic", "lanczos3", "lanczos5", "area")
    for antialias in (False, True)
] + [
    (4, 9, {"interpolation": "bicubic", "crop_to_aspect_ratio": True}),
    (5, 5, {"interpolation": "bicubic", "pad_to_aspect_ratio": True, "fill_value": 9.0}),
    (3, 4, {"interpolation": "bilinear", "crop_to_aspect_ratio": True, "antialias": True}),
]

UPSAMPLINGS = ["bicubic", "lanczos3", "lanczos5"]

TOKENS = np.array([[0, 3], [1, 1], [4, 2], [2, 2]])
ENCODINGS = [
    (mode, shape) for mode in ("one_hot", "multi_hot", "count") for shape in ((4, 2), (8, 1), (8,))
]
