"""Converts images of any size to arrays (height, width, channels) for a model.

Training and prediction use the same rule: the aspect ratio is kept, and the rest of the array is
black. A smaller image is enlarged by the largest integer factor that fits, which changes no pixel
(digits of 28x28 for LeNet-5 get a border of 2 pixels; the embedded digits of 8x8 become 32x32); a
larger image is shrunk until it fits. Colours become shades of grey, or grey three equal colours, as
the model requires. Values are from 0 to 1.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from fastconv.cli.errors import InputError, checked_input

if TYPE_CHECKING:
    import numpy as np

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as Pillow weighs red, green and blue


def add_invert(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--invert",
        action="store_true",
        help="turn dark into light, for ink on paper and a model of light digits on black",
    )


def read(
    path: str | os.PathLike[str], shape: tuple[int, int, int], invert: bool = False
) -> np.ndarray:
    """The picture in a file as float32 of `shape`, from 0 to 1; errors are those of `load_img`.

    `invert` replaces each value v by 1 - v before the picture is fitted.
    """
    import numpy as np

    from fastconv.utils.images import load_img, to_8_bits

    image = to_8_bits(load_img(path, "grayscale" if shape[2] == 1 else "rgb"))
    pixels = np.asarray(image)
    if invert:
        pixels = 255 - pixels
    return fitted(pixels.reshape(1, *pixels.shape[:2], -1), shape)[0].astype(np.float32) / 255


def fitted(images: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """`images` (count, H, W, C) of 8 bits brought to (count, *shape) by the rule above."""
    import numpy as np

    from fastconv.utils.images import fit_size, pillow

    images = _with_channels(images, shape[2])
    height, width = shape[:2]
    if images.shape[1] > height or images.shape[2] > width:
        pil = pillow()
        mode = pil.fromarray if shape[2] == 3 else lambda x: pil.fromarray(x[..., 0])
        shrunk = [fit_size(mode(x), (height, width), "bilinear", "pad") for x in images]
        return np.stack([np.asarray(image) for image in shrunk]).reshape(-1, *shape)
    factor = min(height // images.shape[1], width // images.shape[2])
    images = images.repeat(factor, axis=1).repeat(factor, axis=2)
    rows, columns = height - images.shape[1], width - images.shape[2]
    border = ((rows // 2, rows - rows // 2), (columns // 2, columns - columns // 2))
    return np.pad(images, ((0, 0), *border, (0, 0)))


def _with_channels(images: np.ndarray, channels: int) -> np.ndarray:
    import numpy as np

    if images.shape[3] == channels:
        return images
    if channels == 3:
        return images.repeat(3, axis=3)
    return np.rint(images @ np.array(_LUMA, np.float32)).astype(images.dtype)[..., None]


def picture_shape(model_shape: tuple[int | None, ...], model: str) -> tuple[int, int, int]:
    """Return (height, width, channels) of the input of a model; InputError for another input."""
    shape = tuple(size for size in model_shape[1:] if size is not None)
    if len(shape) != 3 or shape[2] not in (1, 3):
        raise InputError(
            f"{model}: must take pictures (height, width, 1 or 3 channels), takes {model_shape[1:]}"
        )
    return shape


def found(arguments: Iterable[str], lines: Iterable[str]) -> Iterator[str]:
    """Yield the images of the arguments: files; folders, recursively; "-" for `lines`.

    Raises InputError for a path that does not exist, or a folder without images.
    """
    for argument in arguments:
        if argument == "-":
            yield from (line for line in (line.rstrip("\r\n") for line in lines) if line)
            continue
        path = Path(argument)
        if not path.is_dir():
            if not path.exists():
                raise InputError(f"{argument}: no such file or folder")
            yield argument
            continue
        with checked_input(argument):
            below = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES)
        if not below:
            raise InputError(f"{argument}: no pictures ({', '.join(SUFFIXES)}) in this folder")
        yield from map(str, below)
