"""Let real Keras write a model whose layers have layers as activations, and compute with it.

Run by hand, never by the tests, in an environment that holds Keras 3.15 and TensorFlow::

    python -m tests.golden.make_activated            # rewrites activated.zip

The archive holds the model as `.keras` and as `.h5`, and `arrays.npz` with an input `x`, the output
`y`, the output `linear` after the last activation was set to None, and softmaxes over several axes
of `x`.
"""

from __future__ import annotations

import os
import tempfile
import zipfile
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from keras import layers

HERE = Path(__file__).resolve().parent


def make() -> None:
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            layers.Input((5, 4, 2)),
            layers.Conv2D(3, 2, activation=layers.LeakyReLU(negative_slope=0.1)),
            layers.DepthwiseConv2D(2, activation=layers.ELU(alpha=0.5)),
            layers.SeparableConv2D(2, 1, activation=layers.Softmax(axis=[1, 2])),
            layers.Conv2DTranspose(2, 2, activation=layers.ReLU(max_value=0.5)),
            layers.Activation(layers.LeakyReLU(negative_slope=0.2)),
            layers.Flatten(),
            layers.Dense(3, activation=layers.Softmax()),
        ]
    )
    x = np.random.default_rng(0).standard_normal((2, 5, 4, 2)).astype(np.float32)
    with (
        zipfile.ZipFile(HERE / "activated.zip", "w", zipfile.ZIP_DEFLATED) as archive,
        tempfile.TemporaryDirectory() as directory,
    ):
        for name in ("activated.keras", "activated.h5"):
            model.save(Path(directory, name))
            archive.write(Path(directory, name), name)
        y = np.asarray(model(x))
        model.layers[-1].activation = None
        softmaxes = {
            f"{function.__name__}{axis}": np.asarray(function(x, axis=axis))
            for function in (keras.activations.softmax, keras.activations.log_softmax)
            for axis in (-1, 1, (1, 2), (0, 3), (1, 2, 3), None)
        }
        arrays = Path(directory, "arrays.npz")
        np.savez_compressed(arrays, x=x, y=y, linear=np.asarray(model(x)), **softmaxes)
        archive.write(arrays, "arrays.npz")


if __name__ == "__main__":
    make()
