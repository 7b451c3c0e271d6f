"""Run real Keras to compute the golden values of changed images (see `make_golden` for the how).

python -m tests.golden.make_augmentations     # rewrites augmentations.npz beside this script
"""

from __future__ import annotations

import os

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from keras import layers

from tests.golden.augmentation_cases import (
    CHANGES,
    ENCODINGS,
    RESIZINGS,
    TOKENS,
    UPSAMPLINGS,
    images,
)
from tests.golden.golden_file import save


def make() -> None:
    arrays = {}
    for name, kind, arguments, transformation, _ in CHANGES:
        layer = getattr(layers, kind)(**arguments)
        x = images(0, arguments.get("value_range", (0, 255))[1])
        arrays[name] = np.asarray(layer.transform_images(x, transformation, training=True))
    labels = np.eye(3, dtype=np.float32)
    mix_up = next(case for case in CHANGES if case[0] == "mix_up")
    arrays["mix_up_labels"] = np.asarray(layers.MixUp().transform_labels(labels, mix_up[3]))
    for index, (height, width, arguments) in enumerate(RESIZINGS):
        arrays[f"resizing_{index}"] = np.asarray(
            layers.Resizing(height, width, **arguments)(images())
        )
    for interpolation in UPSAMPLINGS:
        layer = layers.UpSampling2D((2, 3), interpolation=interpolation)
        arrays[f"upsampling_{interpolation}"] = np.asarray(layer(images()))
    for mode, shape in ENCODINGS:
        layer = layers.CategoryEncoding(5, mode)
        arrays[f"encoding_{mode}_{len(shape)}_{shape[-1]}"] = np.asarray(
            layer(TOKENS.reshape(shape))
        )
    save("augmentations.npz", [], arrays)


if __name__ == "__main__":
    make()
