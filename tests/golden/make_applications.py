"""Write what `keras.applications` says of its networks into `applications.json.xz`: name, class and
shapes of weights of every layer; outputs of some of them for weights made by rule into
`applications.npz`; and files of weights into `applications.zip`.

Run by hand, never by the tests, in an environment that holds Keras 3.15 and TensorFlow::

    python -m tests.golden.make_applications
"""

from __future__ import annotations

import json
import lzma
import os
import re
import tempfile
import zipfile
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import h5py
import keras
from keras.src.legacy.saving import legacy_h5_format

from tests.golden.application_cases import (
    FILES,
    NETWORKS,
    OUTPUTS,
    VARIANTS,
    images,
    patterned,
)
from tests.golden.golden_file import HERE, save
from tests.golden.zoo_weights import weights


def described(network: str, options: dict) -> dict:
    """One network: a name that Keras counted is stored as None."""
    model = getattr(keras.applications, network)(weights=None, **options)
    layers = []
    for layer in model.layers:
        prefix = keras.src.utils.naming.to_snake_case(type(layer).__name__)
        counted = re.fullmatch(rf"{prefix}(_\d+)?", layer.name)
        shapes = [[weight.name, list(weight.shape)] for weight in layer.weights]
        layers.append([None if counted else layer.name, type(layer).__name__, shapes])
    return {
        "network": network,
        "options": options,
        "name": model.name,
        "parameters": model.count_params(),
        "output": list(model.output_shape),
        "layers": layers,
    }


def main() -> None:
    cases = []
    for network in NETWORKS:
        size = getattr(keras.applications, network)(weights=None).input_shape[1] or 224
        for options in ({}, {"include_top": False}):
            shape = {"input_shape": (size, size, 3)}
            cases.append(described(network, options | shape))
        keras.backend.clear_session()
    cases += [described(network, options) for network, options in VARIANTS]
    text = json.dumps(cases, separators=(",", ":"))
    (HERE / "applications.json.xz").write_bytes(lzma.compress(text.encode(), preset=9))

    cases, arrays = [], {}
    for index, (network, options, gamma) in enumerate(OUTPUTS):
        if options.get("include_top", True):
            options = options | {"classifier_activation": None}
        model = getattr(keras.applications, network)(weights=None, **options)
        shapes = [(weight.name, weight.shape) for weight in model.weights]
        model.set_weights(weights(shapes, gamma))
        for layer in model.layers:
            if isinstance(layer, keras.layers.Normalization):
                layer.finalize_state()  # uses the new weights, which `set_weights` forgets
        arrays[f"{index}"] = model.predict(images(network, options), verbose=0)
        cases.append({"network": network, "options": options, "gamma": gamma})
    save("applications.npz", cases, arrays)

    target = HERE / "applications.zip"
    with (
        tempfile.TemporaryDirectory() as folder,
        zipfile.ZipFile(target, "w", zipfile.ZIP_LZMA) as archive,
    ):
        for network, options in FILES:
            keras.backend.clear_session()
            model = getattr(keras.applications, network)(weights=None, **options)
            model.set_weights(patterned(weight.shape for weight in model.weights))
            paths = [Path(folder) / f"{network}.weights.h5", Path(folder) / f"{network}.h5"]
            model.save_weights(paths[0])
            with h5py.File(paths[1], "w") as file:  # as the files that Keras distributes
                legacy_h5_format.save_weights_to_hdf5_group(file, model)
            for path in paths:
                archive.write(path, path.name)


if __name__ == "__main__":
    main()
