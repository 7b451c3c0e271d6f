"""Runs real Keras for classes with `call`: what `tests/test_subclasses.py` compares with.

Run by hand, never by the tests, in an environment that holds Keras 3.15 and TensorFlow::

    python -m tests.golden.make_subclass

Writes ``subclass.npz``: losses, predictions and weights of the networks of `subclass_networks`
after a few steps of SGD.
"""

from __future__ import annotations

import os
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import keras
import numpy as np

from tests.golden.subclass_networks import networks, trained


def main() -> None:
    results = {}
    for name, make in networks(keras.layers, keras.models, keras.ops).items():
        model = make()
        model.compile(keras.optimizers.SGD(0.05, momentum=0.5), "mse")
        results |= {f"{name}/{key}": value for key, value in trained(model).items()}
    np.savez_compressed(Path(__file__).parent / "subclass.npz", **results)


if __name__ == "__main__":
    main()
