"""Arguments of ImageDataGenerator, and images, for which real Keras computed the batches."""

from __future__ import annotations

from typing import Any

import numpy as np

MOVES = {
    "rotation_range": 40,
    "width_shift_range": 0.2,
    "height_shift_range": 0.3,
    "shear_range": 20,
    "zoom_range": 0.3,
    "horizontal_flip": True,
    "vertical_flip": True,
}

CASES: list[tuple[str, dict[str, Any]]] = [
    ("plain", {"rescale": 1 / 255}),
    *((f"moves_{mode}", MOVES | {"fill_mode": mode, "cval": 9.0})
      for mode in ("nearest", "constant", "reflect", "wrap")),
    ("order_0", {"rotation_range": 33, "zoom_range": (0.7, 1.9), "interpolation_order": 0}),
    ("pixels", {"width_shift_range": 3, "height_shift_range": [-2, 0, 1]}),
    ("far", {"width_shift_range": 2.5, "height_shift_range": 12.0, "fill_mode": "reflect"}),
    ("far_wrap", {"width_shift_range": 2.5, "height_shift_range": 12.0, "fill_mode": "wrap"}),
    ("values", {"channel_shift_range": 50.0, "brightness_range": (0.4, 1.6)}),
    ("samplewise", {"samplewise_std_normalization": True}),
    ("featurewise", {"featurewise_std_normalization": True, "rescale": 0.5}),
    ("zca", {"zca_whitening": True, "featurewise_center": True, "zca_epsilon": 0.1}),
    ("function", {"preprocessing_function": lambda x: x - 100, "rescale": 0.1}),
    ("first", MOVES | {"data_format": "channels_first"}),
]  # fmt: skip

SEED = 7


def images(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Images (7, 9, 6, 3) and labels; the brightness is computed by Pillow from whole numbers."""
    random = np.random.default_rng(5)
    x = random.integers(0, 256, (7, 9, 6, 3)).astype(np.float32)
    x = x.transpose(0, 3, 1, 2) if name == "first" else x
    return x, np.arange(7)


def write_folder(folder: str) -> None:
    """Write 5 pictures of cats and 4 of dogs, lossless."""
    import os

    from PIL import Image

    random = np.random.default_rng(6)
    for name, count in (("cats", 5), ("dogs", 4)):
        os.makedirs(os.path.join(folder, name))
        for index in range(count):
            pixels = random.integers(0, 256, (6, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(os.path.join(folder, name, f"{index}.png"))
