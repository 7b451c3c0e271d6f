"""Fashion-MNIST: 60,000 training and 10,000 test images of clothes, 28x28 pixels, 10 classes.

By Han Xiao, Kashif Rasul and Roland Vollgraf, "Fashion-MNIST: a Novel Image Dataset for
Benchmarking Machine Learning Algorithms", arXiv 1708.07747; Zalando SE, licence MIT.  A drop-in
replacement for MNIST: its files have the very names of MNIST's, so they are only looked for in
folders called `fashion-mnist`.
"""

from __future__ import annotations

import os

from fastconv.datasets._files import DataSet, RemoteFile
from fastconv.datasets._image_pairs import Pair, load_pairs

__all__ = ["CLASS_NAMES", "load_data"]

CLASS_NAMES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
    "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip

# The first is where Keras takes it from, the second the authors' own.
URLS = (
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
)

# Sums and lengths of the gzipped files as TensorFlow Datasets publishes them.
_FASHION_MNIST = DataSet(
    name="fashion-mnist",
    files=(
        RemoteFile(
            "train-images-idx3-ubyte",
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            26_421_880,
            as_sent=True,
        ),
        RemoteFile(
            "train-labels-idx1-ubyte",
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            29_515,
            as_sent=True,
        ),
        RemoteFile(
            "t10k-images-idx3-ubyte",
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            4_422_102,
            as_sent=True,
        ),
        RemoteFile(
            "t10k-labels-idx1-ubyte",
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            5_148,
            as_sent=True,
        ),
    ),
    urls=URLS,
    shares_names=True,
)


def load_data(path: str | os.PathLike[str] | None = None) -> tuple[Pair, Pair]:
    """Loads the images and their labels, whose names are `CLASS_NAMES`.

    Args:
        path: a folder that holds the four IDX files, gzipped or not.  By default the first of
            these that holds them: `$FASTCONV_DATA/fashion-mnist`, the checkout's
            `data/fashion-mnist`, the user's cache (`$XDG_CACHE_HOME/fastconv/fashion-mnist`, by
            default `~/.cache/fastconv/fashion-mnist`); else they are downloaded into that cache
            and verified.

    Returns:
        `((x_train, y_train), (x_test, y_test))`: images (60000, 28, 28) and (10000, 28, 28), uint8
        from 0 (background) to 255, and labels (60000,) and (10000,), uint8 from 0 to 9.

    Raises:
        FileNotFoundError: `path` does not hold the four files.
        FormatError: a file is damaged or is not what its name says.
        ConnectionError: no folder has the files and no source delivered them.
    """
    return load_pairs(_FASHION_MNIST, path)
