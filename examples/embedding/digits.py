"""Exports a network that recognizes handwritten digits, with its training step, as C sources.

    python examples/embedding/digits.py folder

writes the network to the folder, as `digits.h` and `digits.c`, and the embedded digits as the files
`images` and `labels` (IDX format), which `train_digits.c` reads.
"""

import gzip
import sys
from pathlib import Path

import fastconv
from fastconv import export, layers, models


def network() -> models.Sequential:
    """Return the untrained network."""
    fastconv.utils.set_random_seed(0)
    model = models.Sequential(
        [
            layers.Input((8, 8, 1)),
            layers.Conv2D(16, 3, padding="same", activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(0.2),
            layers.Dense(10, activation="softmax"),
        ],
        name="digits",
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def write(folder: Path) -> None:
    """Write the network and the digits to `folder`."""
    export.c_network(network(), folder, name="digits", batch_size=40, train_batch_size=32)
    data = Path(fastconv.__file__).parent / "datasets/data"
    for name in ("images", "labels"):
        (packed,) = data.glob(f"digits-{name}-*.gz")
        (folder / name).write_bytes(gzip.decompress(packed.read_bytes()))


if __name__ == "__main__":
    write(Path(sys.argv[1]))
