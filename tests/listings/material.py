"""Small pictures for the listings, and weights that do not depend on the library."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np


def start(model: Any, seed: int = 0) -> None:
    """Give the weights of `model` values that depend on their order and shapes alone."""
    generator = np.random.default_rng(seed)
    weights = []
    for weight in model.get_weights():
        spread = 1 / np.sqrt(max(1, np.prod(weight.shape[:-1])))
        drawn = generator.uniform(-spread, spread, weight.shape)
        weights.append(np.abs(drawn) + 0.5 if weight.ndim == 1 else drawn)
    model.set_weights(weights)


def digits(count: int, size: int = 12, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return pictures (count, size, size), uint8, of a bar at one of ten places, and the place."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 10, count).astype("uint8")
    images = generator.integers(0, 60, (count, size, size))
    for image, label in zip(images, labels, strict=True):
        if label < 5:
            image[2 * label : 2 * label + 2] += 180
        else:
            image[:, 2 * (label - 5) : 2 * (label - 5) + 2] += 180
    return images.astype("uint8"), labels


def colored(count: int, size: int, classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return pictures (count, size, size, 3), float32 in 0 .. 255, and their class, a color."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, classes, count)
    palette = np.random.default_rng(1).uniform(40, 200, (classes, 3))
    noise = generator.uniform(-40, 40, (count, size, size, 3))
    return (palette[labels][:, None, None] + noise).astype("float32"), labels.astype("uint8")


def write_pets(folder: Path, each: int = 6, size: int = 32) -> None:
    """Write `folder`/{train,validation,test}/{cat,dog}/*.png: cats are round, dogs are square."""
    rows, columns = np.mgrid[:size, :size] - size / 2
    generator = np.random.default_rng(7)
    for part in ("train", "validation", "test"):
        for kind in ("cat", "dog"):
            place = folder / part / kind
            place.mkdir(parents=True)
            for number in range(each):
                radius = generator.uniform(0.2, 0.4) * size
                distance = (
                    np.hypot(rows, columns)
                    if kind == "cat"
                    else np.maximum(np.abs(rows), np.abs(columns))
                )
                picture = generator.integers(0, 80, (size, size, 3))
                picture[distance < radius] += generator.integers(60, 170, 3)
                _write_png(place / f"{kind}.{number}.png", picture.astype("uint8"))


def _write_png(path: Path, picture: np.ndarray) -> None:
    height, width, _ = picture.shape
    lines = np.concatenate([np.zeros((height, 1), np.uint8), picture.reshape(height, -1)], axis=1)
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(lines.tobytes())),
        (b"IEND", b""),
    ]
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        for kind, data in chunks:
            check = zlib.crc32(kind + data)
            file.write(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check))


def shapes_and_masks(count: int, size: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return pictures (count, size, size, 3) in 0 .. 255 of a disc, and the class of every pixel: 0
    inside, 1 outside, 2 at the edge."""
    generator = np.random.default_rng(seed)
    rows, columns = np.mgrid[:size, :size]
    images, masks = [], []
    for _ in range(count):
        centre = generator.uniform(0.35, 0.65, 2) * size
        distance = np.hypot(rows - centre[0], columns - centre[1]) / size
        mask = np.where(distance < 0.2, 0, np.where(distance < 0.3, 2, 1))
        image = generator.uniform(0, 90, (size, size, 3)) + 120 * (distance < 0.25)[..., None]
        images.append(image.astype("float32"))
        masks.append(mask[..., None].astype("uint8"))
    return np.stack(images), np.stack(masks)
