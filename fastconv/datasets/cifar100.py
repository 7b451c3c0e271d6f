"""CIFAR-100: 50,000 training and 10,000 test photographs, 32x32 pixels in colour, 100 classes.

Every image has two labels: a fine one of 100, "maple tree", and a coarse one of 20, "trees".  By
Alex Krizhevsky, Vinod Nair and Geoffrey Hinton; described in A. Krizhevsky, "Learning Multiple
Layers of Features from Tiny Images", 2009.
"""

from __future__ import annotations

import os

import numpy as np

from fastconv.datasets import _cifar
from fastconv.datasets._files import DataSet, RemoteFile, find_in, find_or_download
from fastconv.datasets._image_pairs import Pair

__all__ = ["load_data"]

# Sum and length of the archive as TensorFlow Datasets publishes them.
_CIFAR100 = DataSet(
    name="cifar100",
    files=(
        RemoteFile(
            "cifar-100-binary.tar",
            "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
            168_513_733,
            as_sent=True,
        ),
    ),
    urls=("https://www.cs.toronto.edu/~kriz/",),
)

_MEMBERS = ("cifar-100-binary/train.bin", "cifar-100-binary/test.bin")
_COLUMNS = {"coarse": 0, "fine": 1}  # the order of a record's labels


def load_data(
    label_mode: str = "fine", path: str | os.PathLike[str] | None = None
) -> tuple[Pair, Pair]:
    """Loads the images and one of their two labels.

    Args:
        label_mode: "fine" for the 100 classes, "coarse" for the 20 they are grouped into; both are
            numbered in the alphabetical order of their names.
        path: a folder that holds `cifar-100-binary.tar.gz`, the binary version of the archive.  By
            default the first of these that holds it: `$FASTCONV_DATA/cifar100`, `$FASTCONV_DATA`,
            the checkout's `data/cifar100`, the user's cache (`$XDG_CACHE_HOME/fastconv/cifar100`,
            by default `~/.cache/fastconv/cifar100`); else it is downloaded into that cache and
            verified.

    Returns:
        `((x_train, y_train), (x_test, y_test))`: images (50000, 32, 32, 3) and (10000, 32, 32, 3),
        uint8 from 0 to 255, and labels (50000, 1) and (10000, 1), uint8.

    Raises:
        ValueError: `label_mode` is neither "fine" nor "coarse".
        FileNotFoundError: `path` does not hold the archive.
        FormatError: it is damaged or is not what its name says.
        ConnectionError: no folder has the archive and no source delivered it.
    """
    if label_mode not in _COLUMNS:
        raise ValueError(f"`label_mode` must be 'fine' or 'coarse', received {label_mode!r}")
    (archive,) = find_or_download(_CIFAR100) if path is None else find_in(path, _CIFAR100)
    parts = _cifar.read(archive, _MEMBERS, classes=(20, 100))
    column = _COLUMNS[label_mode]
    train, test = (
        (images, _column(labels, column))
        for images, labels in (parts[member] for member in _MEMBERS)
    )
    return train, test


def _column(labels: np.ndarray, column: int) -> np.ndarray:
    return np.ascontiguousarray(labels[:, column : column + 1])
