"""Let real Keras write networks that use one layer in several places; `--check` reads fastconv's.

Run by hand, never by the tests, in an environment that holds Keras 3.15 and TensorFlow; `--check`
needs fastconv there as well::

    python -m tests.golden.make_sharing            # rewrites sharing.zip
    python -m tests.golden.make_sharing --check    # Keras reads what fastconv writes

`sharing.zip` holds for each network of `sharing_networks.py` the `.keras` and the `.h5` file of
Keras, and inputs and outputs. Keras itself cannot read most of those `.keras` files. The other
networks are graphs of layers that behave differently while training, whose calls in the file say
so, and one with frozen layers inside of models.
"""

from __future__ import annotations

import argparse
import io
import os
import tempfile
import zipfile
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import keras
import numpy as np
from keras import layers

from tests.golden.golden_file import HERE
from tests.golden.sharing_networks import NETWORKS, frozen_inside

LIBRARY = layers, keras.Model, keras.Sequential


def values(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Multiples of 1/16 between 1/16 and 2, which suit as variances, too."""
    return (rng.integers(1, 33, shape) / 16).astype(np.float32)


def training_layers() -> keras.Model:
    x = layers.Input((8, 8, 3))
    y = layers.RandomFlip()(layers.RandomZoom(0.1)(layers.RandomRotation(0.1)(x)))
    y = layers.RandomTranslation(0.1, 0.1)(layers.CenterCrop(6, 6)(layers.Resizing(9, 9)(y)))
    y = layers.SpatialDropout2D(0.5)(layers.Conv2D(4, 3)(y))
    y = layers.GaussianNoise(0.1)(layers.GaussianDropout(0.1)(layers.BatchNormalization()(y)))
    return keras.Model(x, layers.Dropout(0.5)(layers.Dense(3)(layers.Flatten()(y))))


def training_asked_for() -> keras.Model:
    x = layers.Input((6,))
    return keras.Model(x, layers.Dropout(0.5, name="uncertain")(x, training=True))


def make() -> None:
    rng = np.random.default_rng(20261129)
    networks = {name: (lambda n=network: n(*LIBRARY)) for name, network in NETWORKS.items()}
    networks |= {f.__name__: f for f in (training_layers, training_asked_for)}
    networks["frozen_inside"] = lambda: frozen_inside(*LIBRARY)
    path = HERE / "sharing.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, network in networks.items():
            keras.backend.clear_session()
            model = network()
            model.set_weights([values(rng, weight.shape) for weight in model.get_weights()])
            arrays = {
                f"x{i}": values(rng, (3, *each.shape[1:])) - 1
                for i, each in enumerate(model.inputs)
            }
            outputs = model.predict(list(arrays.values()), verbose=0)
            outputs = outputs if isinstance(outputs, list) else [outputs]
            arrays |= {f"y{i}": each for i, each in enumerate(outputs)}
            buffer = io.BytesIO()
            np.savez(buffer, **arrays)
            archive.writestr(f"{name}.npz", buffer.getvalue())
            for suffix in (".keras", ".h5"):
                with tempfile.TemporaryDirectory() as directory:
                    path = Path(directory) / f"{name}{suffix}"
                    model.save(path)
                    archive.write(path, path.name)


def leaves(model: keras.Model) -> set[int]:
    """The layers of a model that are not models, at any depth."""
    inner = [leaves(x) if hasattr(x, "layers") else {id(x)} for x in model.layers]
    return set().union(*inner)


def check() -> None:
    import fastconv.layers
    import fastconv.models

    models = fastconv.models
    rng = np.random.default_rng(1)
    for name, network in NETWORKS.items():
        written = network(fastconv.layers, models.Model, models.Sequential)
        written.set_weights([values(rng, weight.shape) for weight in written.get_weights()])
        x = [values(rng, (3, *each.shape[1:])) - 1 for each in written.inputs]
        expected = written.predict(x if len(x) > 1 else x[0], verbose=0)
        expected = expected if isinstance(expected, list) else [expected]
        for suffix in (".keras", ".h5"):
            with tempfile.TemporaryDirectory() as directory:
                path = Path(directory) / f"{name}{suffix}"
                written.save(path)
                try:
                    read = keras.models.load_model(path)
                except ValueError as error:  # as its own, where a layer is twice inside of a model
                    print(f"{name:36}{suffix:7} refused: {str(error)[:60]}")
                    continue
            found = read.predict(x, verbose=0)
            found = found if isinstance(found, list) else [found]
            far = max(np.abs(a - b).max() for a, b in zip(found, expected, strict=True))
            print(
                f"{name:36}{suffix:7} differs by {far:.1e}, layers {len(written.leaf_layers())} -> "
                f"{len(leaves(read))}, weights {len(written.weights)} -> {len(read.weights)}"
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    check() if parser.parse_args().check else make()
