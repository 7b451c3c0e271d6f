"""Let real Keras train a small model and write it in all its formats; `--check` exchanges files.

Run by hand, never by the tests, in an environment that holds Keras 3.15 and TensorFlow; `--check`
needs fastconv there as well::

    python -m tests.golden.make_files            # rewrites saved_*.* and saved.npz
    python -m tests.golden.make_files --check    # files both ways, and training that goes on

`saved.npz` holds the data, what the saved model predicts, and its weights after three more steps,
which depend on the state of the optimizer in the file.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import keras
import numpy as np

from tests.golden.golden_file import HERE, save

OPTIMIZERS = {
    "adam": ("Adam", {"learning_rate": 0.02}),
    "rmsprop": ("RMSprop", {"learning_rate": 0.01}),
    "momentum": ("SGD", {"learning_rate": 0.05, "momentum": 0.9}),
}
FILES = {"adam": ".h5", "rmsprop": ".keras", "momentum": ".weights.h5"}
BATCH, MORE_STEPS = 4, 3


def data(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = np.round(rng.standard_normal((3 * BATCH, 8, 8, 1)) * 16) / 16
    return x.astype(np.float32), np.eye(3, dtype=np.float32)[rng.integers(0, 3, len(x))]


def model(library, optimizer: str):
    """The same model in Keras and in fastconv."""
    layers = library.layers
    built = library.models.Sequential([
        layers.Input((8, 8, 1)), layers.Conv2D(3, 3, activation="relu"), layers.MaxPooling2D(),
        layers.Flatten(), layers.Dense(4, activation="tanh"), layers.Dense(3),
        layers.Activation("softmax"),
    ])  # fmt: skip
    name, settings = OPTIMIZERS[optimizer]
    built.compile(
        getattr(library.optimizers, name)(**settings),
        "categorical_crossentropy",
        metrics=["accuracy"],
    )
    return built


def train(trained, seed: int) -> None:
    x, y = data(seed)
    trained.fit(x, y, batch_size=BATCH, shuffle=False, verbose=0)


def make() -> None:
    keras.utils.set_random_seed(6)
    cases, arrays = [], {}
    for optimizer, suffix in FILES.items():
        saved = model(keras, optimizer)
        train(saved, 1)
        name = f"saved_{optimizer}{suffix}"
        path = HERE / name
        saved.save_weights(path) if suffix == ".weights.h5" else saved.save(path)
        x, _ = data(2)
        arrays[f"{optimizer}/predicted"] = saved.predict(x, verbose=0)
        train(saved, 2)
        for index, weight in enumerate(saved.get_weights()):
            arrays[f"{optimizer}/after/{index}"] = weight
        cases.append({"optimizer": optimizer, "file": name})
    save("saved.npz", cases, arrays)


def distance(found, expected) -> float:
    """The largest difference relative to the size of the array."""
    pairs = zip(found, expected, strict=True)
    return max(float(np.abs(a - b).max() / max(1e-3, np.abs(b).max())) for a, b in pairs)


def check() -> None:
    import fastconv
    import fastconv.layers
    import fastconv.models
    import fastconv.optimizers

    x, _ = data(2)
    directory = Path(tempfile.mkdtemp())
    for writer, reader in ((fastconv, keras), (keras, fastconv)):
        for optimizer in OPTIMIZERS:
            for suffix in (".keras", ".weights.h5", ".h5"):
                written = model(writer, optimizer)
                train(written, 1)
                path = directory / f"model{suffix}"
                if suffix == ".weights.h5":
                    written.save_weights(path)
                    read = model(reader, optimizer)
                    if reader is keras:  # skips the state of an optimizer that has no slots yet
                        read.optimizer.build(read.trainable_variables)
                    read.load_weights(path)
                else:
                    written.save(path)
                    read = reader.models.load_model(path)
                predicted = distance([read.predict(x, verbose=0)], [written.predict(x, verbose=0)])
                steps = int(np.asarray(read.optimizer.iterations))
                said = (
                    f"{writer.__name__:8} -> {reader.__name__:8} {optimizer:9}{suffix:12} "
                    f"predictions {predicted:.1e}, steps in the file {steps}"
                )
                if reader is keras and suffix == ".h5":
                    # Keras 3.15 builds the optimizer of such a model for no weights at all, so that
                    # not even files of its own can be trained on.
                    print(said)
                    continue
                for each in (read, written):
                    train(each, 2)
                after = distance(read.get_weights(), written.get_weights())
                print(f"{said}, weights after {MORE_STEPS} steps more {after:.1e}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    check() if parser.parse_args().check else make()
