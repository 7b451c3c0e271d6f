"""Run real Keras's ImageDataGenerator (see `make_golden` for the how); it needs SciPy and Pillow.

python -m tests.golden.make_image_generator     # rewrites image_generator.npz
"""

from __future__ import annotations

import os
import tempfile

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from keras.src.legacy.preprocessing.image import ImageDataGenerator

from tests.golden.golden_file import save
from tests.golden.image_generator_cases import CASES, MOVES, SEED, images, write_folder


def make() -> None:
    arrays = {}
    for name, arguments in CASES:
        x, y = images(name)
        generator = ImageDataGenerator(**arguments)
        if name in ("featurewise", "zca"):
            generator.fit(x)
        flow = generator.flow(x, y, batch_size=3, seed=SEED)
        for number in range(4):  # the last is the first of the second pass
            arrays[f"{name}/x{number}"], arrays[f"{name}/y{number}"] = next(flow)
    x, _ = images("augmented")
    generator = ImageDataGenerator(featurewise_center=True, rotation_range=30)
    generator.fit(x, augment=True, rounds=2, seed=3)
    arrays["augmented/mean"] = generator.mean
    split = ImageDataGenerator(validation_split=0.3)
    for subset in ("training", "validation"):
        flow = split.flow(x, np.zeros(7), shuffle=False, subset=subset)
        arrays[f"split/{subset}"] = next(flow)[0]
    with tempfile.TemporaryDirectory() as folder:
        write_folder(folder)
        generator = ImageDataGenerator(**MOVES, validation_split=0.3)
        for subset in ("training", "validation"):
            flow = generator.flow_from_directory(
                folder, target_size=(5, 7), batch_size=4, seed=SEED, subset=subset
            )
            for number in range(2):
                x, y = next(flow)
                arrays[f"folder/{subset}/x{number}"] = x
                arrays[f"folder/{subset}/y{number}"] = y
    save("image_generator.npz", [], arrays)


if __name__ == "__main__":
    make()
