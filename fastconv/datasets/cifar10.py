"""CIFAR-10: 50,000 training and 10,000 test photographs, 32x32 pixels in colour, 10 classes.

By Alex Krizhevsky, Vinod Nair and Geoffrey Hinton; described in A. Krizhevsky, "Learning Multiple
Layers of Features from Tiny Images", 2009.
"""

from __future__ import annotations

import os

import numpy as np

from fastconv.datasets import _cifar
from fastconv.datasets._files import DataSet, RemoteFile, find_in, find_or_download
from fastconv.datasets._image_pairs import Pair

__all__ = ["CLASS_NAMES", "load_data"]

CLASS_NAMES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip

_FOLDER = "cifar-10-batches-bin"
_TRAIN = tuple(f"{_FOLDER}/data_batch_{number}.bin" for number in range(1, 6))
_TEST = f"{_FOLDER}/test_batch.bin"

# Sum and length of the archive as TensorFlow Datasets publishes them.
_CIFAR10 = DataSet(
    name="cifar10",
    files=(
        RemoteFile(
            "cifar-10-binary.tar",
            "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
            170_052_171,
            as_sent=True,
        ),
    ),
    urls=("https://www.cs.toronto.edu/~kriz/",),
)


def load_data(path: str | os.PathLike[str] | None = None) -> tuple[Pair, Pair]:
    """Loads the images and their labels, whose names are `CLASS_NAMES`.

    Args:
        path: a folder that holds `cifar-10-binary.tar.gz`, the binary version of the archive.  By
            default the first of these that holds it: `$FASTCONV_DATA/cifar10`, `$FASTCONV_DATA`,
            the checkout's `data/cifar10`, the user's cache (`$XDG_CACHE_HOME/fastconv/cifar10`, by
            default `~/.cache/fastconv/cifar10`); else it is downloaded into that cache and
            verified.

    Returns:
        `((x_train, y_train), (x_test, y_test))`: images (50000, 32, 32, 3) and (10000, 32, 32, 3),
        uint8 from 0 to 255, and labels (50000, 1) and (10000, 1), uint8 from 0 to 9.

    Raises:
        FileNotFoundError: `path` does not hold the archive.
        FormatError: it is damaged or is not what its name says.
        ConnectionError: no folder has the archive and no source delivered it.
    """
    (archive,) = find_or_download(_CIFAR10) if path is None else find_in(path, _CIFAR10)
    parts = _cifar.read(archive, (*_TRAIN, _TEST), classes=(10,))
    images, labels = zip(*(parts[name] for name in _TRAIN), strict=True)
    return (np.concatenate(images), np.concatenate(labels)), parts[_TEST]
