"""Let real Keras write a model that is compiled eagerly, with functions of the user's own.

Run by hand, never by the tests, in an environment that holds Keras 3.15 and TensorFlow::

    python -m tests.golden.make_functions            # rewrites functions.zip

The archive holds the model as `.keras` and as `.h5`.
"""

from __future__ import annotations

import os
import tempfile
import zipfile
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras

HERE = Path(__file__).resolve().parent


def rmse(y_true, y_pred):
    return keras.ops.sqrt(keras.ops.mean(keras.ops.square(y_true - y_pred), -1))


@keras.saving.register_keras_serializable("golden")
def largest(y_true, y_pred):
    return keras.ops.max(keras.ops.abs(y_true - y_pred), -1)


def twos(shape, dtype=None):
    return 2 * keras.ops.ones(shape, dtype)


def make() -> None:
    model = keras.Sequential([
        keras.layers.Input((3,)),
        keras.layers.Dense(2, kernel_initializer=twos),
    ])  # fmt: skip
    wrapped = keras.metrics.MeanMetricWrapper(keras.metrics.mean_absolute_error, name="wrapped")
    metrics = [rmse, largest, keras.metrics.mean_squared_error, wrapped]
    with (
        zipfile.ZipFile(HERE / "functions.zip", "w", zipfile.ZIP_DEFLATED) as archive,
        tempfile.TemporaryDirectory() as directory,
    ):
        for name in ("functions.keras", "functions.h5"):
            model.compile("sgd", "mse", metrics=metrics, run_eagerly=True)
            model.save(Path(directory, name))
            archive.write(Path(directory, name), name)


if __name__ == "__main__":
    make()
