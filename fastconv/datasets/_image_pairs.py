"""Reads data sets in MNIST's form: images and labels of two parts, in four IDX files."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from fastconv.datasets import idx
from fastconv.datasets._files import DataSet, find_in, find_or_download
from fastconv.errors import FormatError

__all__ = ["Pair", "load_pairs"]

Pair = tuple[np.ndarray, np.ndarray]


def load_pairs(data: DataSet, path: str | os.PathLike[str] | None) -> tuple[Pair, Pair]:
    """Return `((x_train, y_train), (x_test, y_test))` from the folder `path`, by default the folder
    of `find_or_download`; raises the errors of `fastconv.datasets.mnist.load_data`."""
    paths = find_or_download(data) if path is None else find_in(path, data)
    return _read_pair(*paths[:2]), _read_pair(*paths[2:])


def _read_pair(image_path: Path, label_path: Path) -> Pair:
    images, labels = idx.read(image_path, ndim=3), idx.read(label_path, ndim=1)
    for path, array in ((image_path, images), (label_path, labels)):
        if array.dtype != np.uint8:
            raise FormatError(f"{path}: elements must be unsigned bytes, received {array.dtype}")
    if images.shape[1:] != (28, 28):
        raise FormatError(f"{image_path}: images must be 28x28, received {images.shape[1:]}")
    if len(images) != len(labels):
        raise FormatError(
            f"{label_path}: must hold one label for each of the {len(images)} images of "
            f"{image_path.name}, received {len(labels)}"
        )
    wrong = np.flatnonzero(labels > 9)
    if wrong.size:
        raise FormatError(
            f"{label_path}: labels must be from 0 to 9, received {labels[wrong[0]]} at index "
            f"{wrong[0]}"
        )
    return images, labels
