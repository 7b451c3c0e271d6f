"""Writes `image_folder.npz`: batches of Keras's `image_dataset_from_directory`.

KERAS_BACKEND=tensorflow python -m tests.golden.make_image_folder
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from keras.utils import image_dataset_from_directory

from tests.golden.golden_file import save
from tests.golden.image_folder_cases import CASES, write_pictures


def main() -> None:
    arrays = {}
    with tempfile.TemporaryDirectory() as folder:
        write_pictures(Path(folder))
        for name, options in CASES.items():
            batches = image_dataset_from_directory(
                folder, labels=None, shuffle=False, verbose=False, **options
            )
            (x,) = batches
            arrays[name] = np.asarray(x)
    save("image_folder.npz", [], arrays)


if __name__ == "__main__":
    main()
