"""Write down what arguments the layers of real Keras take, in order, and the plain defaults.

Run by hand, never by the tests, in an environment that holds Keras 3.15 and TensorFlow::

    python -m tests.golden.make_layer_arguments      # rewrites layer_arguments.json

The file holds, per layer that fastconv has too, a list of [name, default], where a default that is
not plain data, or that is missing, is "...".
"""

from __future__ import annotations

import inspect
import json
import os
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras

from fastconv import layers

HERE = Path(__file__).resolve().parent
PLAIN = (str, int, float, bool, tuple, type(None))
# Of `keras.layers.Layer`, by keyword to all of them.
COMMON = [
    [name, parameter.default]
    for name, parameter in inspect.signature(keras.layers.Layer.__init__).parameters.items()
    if parameter.kind is parameter.KEYWORD_ONLY
]


def arguments(cls: type) -> list[list]:
    found, takes_common = [], False
    for name, parameter in list(inspect.signature(cls.__init__).parameters.items())[1:]:
        if parameter.kind is parameter.VAR_KEYWORD:
            takes_common = True
        elif parameter.kind is not parameter.VAR_POSITIONAL:
            plain = isinstance(parameter.default, PLAIN)
            found.append([name, parameter.default if plain else "..."])
    names = [name for name, _ in found]
    return found + [each for each in COMMON if takes_common and each[0] not in names]


def make() -> None:
    table = {
        name: arguments(getattr(keras.layers, name))
        for name in sorted(layers.CLASSES)
        if hasattr(keras.layers, name)
    }
    lines = [f"{json.dumps(name)}: {json.dumps(found)}" for name, found in table.items()]
    (HERE / "layer_arguments.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    make()
