"""Pictures of several sizes in a folder, and the ways to bring them to one size."""

from __future__ import annotations

from pathlib import Path

import numpy as np

SIZES = ((9, 14), (23, 7), (5, 6))

CASES = {
    f"{how or 'stretch'}-{interpolation}": {
        "image_size": (8, 6),
        "interpolation": interpolation,
        **({f"{how}_to_aspect_ratio": True} if how else {}),
    }
    for how in ("", "crop", "pad")
    for interpolation in ("bilinear", "nearest", "bicubic", "lanczos3", "lanczos5", "area")
} | {"gray": {"image_size": (6, 7), "color_mode": "grayscale"}}


def write_pictures(folder: Path) -> None:
    from PIL import Image

    rng = np.random.default_rng(7)
    for index, size in enumerate(SIZES):
        pixels = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{index}.png")
