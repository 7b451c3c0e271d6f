"""Optical recognition of handwritten digits: 1,797 images of 8x8 pixels, embedded in the package.

Every image is a 32x32 bitmap whose 4x4 blocks were counted, so a pixel is from 0 to 16.  This is
the test part (13 writers) of the UCI data set of that name.

Source: E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning
Repository, 1998, https://doi.org/10.24432/C50P49; licence CC BY 4.0.  Changed only in its file
format: comma-separated text became two gzipped IDX files (`data/`, beside their licence note).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fastconv.datasets import idx

__all__ = ["load_data"]

_FOLDER = Path(__file__).parent / "data"
_TEST = 360  # a fifth, rounded

Pair = tuple[np.ndarray, np.ndarray]


def load_data() -> tuple[Pair, Pair]:
    """Loads the images and their labels; needs neither a network nor a checkout.

    Returns:
        `((x_train, y_train), (x_test, y_test))`: images (1437, 8, 8) and (360, 8, 8), uint8 from 0
        (paper) to 16 (ink), and labels (1437,) and (360,), uint8 from 0 to 9.  The test images are
        always the last 360 in the order of the source, which is not shuffled.

    >>> from fastconv.datasets import digits
    >>> (x_train, y_train), (x_test, y_test) = digits.load_data()
    >>> x_train.shape, x_test.shape, int(x_train.max())
    ((1437, 8, 8), (360, 8, 8), 16)
    """
    images = idx.read(_FOLDER / "digits-images-idx3-ubyte.gz", ndim=3)
    labels = idx.read(_FOLDER / "digits-labels-idx1-ubyte.gz", ndim=1)
    return (images[:-_TEST], labels[:-_TEST]), (images[-_TEST:], labels[-_TEST:])
