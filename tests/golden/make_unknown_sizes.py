"""Write what Keras computes with unknown sizes into `unknown_sizes.npz`: shapes, and outputs and
training of a U-Net on images of several sizes; and the U-Net into `unknown_sizes.zip`, in two
formats.

Run by hand, never by the tests, in an environment that holds Keras 3.15 and TensorFlow::

    python -m tests.golden.make_unknown_sizes
"""

from __future__ import annotations

import os
import tempfile
import zipfile
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras

from tests.golden.golden_file import HERE, save
from tests.golden.unknown_size_cases import REFUSED, SHAPES, SIZES, batch, unet

STEPS = 6


def shape_of(name: str, arguments: dict, shapes) -> list[int | None]:
    layer = getattr(keras.layers, name)(**arguments)
    if isinstance(shapes, list):
        return list(layer([keras.layers.Input(shape) for shape in shapes]).shape)
    return list(layer(keras.layers.Input(shapes)).shape)


def main() -> None:
    cases = [{"group": "shape", "shape": shape_of(*each)} for each in SHAPES]
    for each in REFUSED:
        try:
            shape_of(*each)
        except (ValueError, TypeError):
            continue
        raise AssertionError(f"Keras takes {each}")
    model, arrays = unet(keras, (None, None)), {}
    for number in range(len(SIZES)):
        for index, output in enumerate(model.predict(batch(number)[0], verbose=0)):
            arrays[f"output/{number}/{index}"] = output
    with (
        tempfile.TemporaryDirectory() as folder,
        zipfile.ZipFile(HERE / "unknown_sizes.zip", "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name in ("unet.keras", "unet.h5"):
            model.save(Path(folder) / name)
            archive.write(Path(folder) / name, name)
    model.compile(
        keras.optimizers.Adam(0.01), ["binary_crossentropy", "sparse_categorical_crossentropy"]
    )
    losses = [float(model.train_on_batch(*batch(number))[0]) for number in range(STEPS)]
    cases.append({"group": "losses", "losses": losses})
    for index, weight in enumerate(model.get_weights()):
        arrays[f"trained/{index}"] = weight
    save("unknown_sizes.npz", cases, arrays)


if __name__ == "__main__":
    main()
