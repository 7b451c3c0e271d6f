"""MNIST: 60,000 training and 10,000 test images of handwritten digits, 28x28 pixels.

By Yann LeCun, Corinna Cortes and Christopher J. C. Burges; licence CC BY-SA 3.0.
"""

from __future__ import annotations

import os

from fastconv.datasets._files import DataSet, RemoteFile
from fastconv.datasets._image_pairs import Pair, load_pairs

__all__ = ["load_data"]

# Folders on the web that offer the four gzipped files, tried in this order.
URLS = (
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
)

_MNIST = DataSet(
    name="mnist",
    files=(
        RemoteFile(
            "train-images-idx3-ubyte",
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            47_040_016,
        ),
        RemoteFile(
            "train-labels-idx1-ubyte",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            60_008,
        ),
        RemoteFile(
            "t10k-images-idx3-ubyte",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            7_840_016,
        ),
        RemoteFile(
            "t10k-labels-idx1-ubyte",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
            10_008,
        ),
    ),
    urls=URLS,
)


def load_data(path: str | os.PathLike[str] | None = None) -> tuple[Pair, Pair]:
    """Loads the images and their labels.

    Args:
        path: a folder that holds the four IDX files, gzipped or not.  By default the first of
            these that holds them: `$FASTCONV_DATA/mnist`, `$FASTCONV_DATA`, the checkout's
            `data/mnist`, the user's cache (`$XDG_CACHE_HOME/fastconv/mnist`, by default
            `~/.cache/fastconv/mnist`); else they are downloaded into that cache and verified.

    Returns:
        `((x_train, y_train), (x_test, y_test))`: images (60000, 28, 28) and (10000, 28, 28), uint8
        from 0 (paper) to 255 (ink), and labels (60000,) and (10000,), uint8 from 0 to 9.

    Raises:
        FileNotFoundError: `path` does not hold the four files.
        FormatError: a file is damaged or is not what its name says.
        ConnectionError: no folder has the files and no source delivered them.

    >>> from fastconv.datasets import mnist
    >>> (x_train, y_train), (x_test, y_test) = mnist.load_data()
    >>> x_train.shape, y_test.shape
    ((60000, 28, 28), (10000,))
    """
    return load_pairs(_MNIST, path)
