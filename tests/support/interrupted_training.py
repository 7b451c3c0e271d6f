"""A training run that a test kills; run it again and it goes on. See `test_backup`.

    python interrupted_training.py BACKUP_DIR RESULT SAVE_FREQ [SOURCE]

Writes the final weights, the history and the state of the optimizer to RESULT, a `.npz` file.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from fastconv import callbacks, layers, models, optimizers
from fastconv.data import Dataset
from fastconv.utils import set_random_seed


class Batches:
    """Arrays as a sequence of batches."""

    def __init__(self, x, y, size):
        self._x, self._y, self._size = x, y, size

    def __len__(self):
        return -(-len(self._x) // self._size)

    def __getitem__(self, index):
        rows = slice(index * self._size, (index + 1) * self._size)
        return self._x[rows], self._y[rows]


class Again:
    """Batches that can be gone through again and again, and have no length."""

    def __init__(self, batches):
        self._batches = batches

    def __iter__(self):
        return (self._batches[index] for index in range(len(self._batches)))


def forever(x, y, size):
    """A generator: no length, no index, randomness of its own."""
    rng = np.random.default_rng(8)
    while True:
        rows = rng.integers(len(x), size=size)
        yield x[rows], y[rows]


def pipeline(x, y):
    """A data set that is shuffled without a seed."""
    return Dataset.from_tensor_slices((x, y)).shuffle(30).batch(8).map(lambda x, y: (x + 0.5, y))


def train(backup_dir, save_freq="epoch", source="arrays", epochs=6, others=(), **options):
    """The model after a `fit` that begins anew, or where `backup_dir` says it was interrupted."""
    set_random_seed(11)
    rng = np.random.default_rng(5)
    x = rng.standard_normal((70, 8, 8, 1)).astype(np.float32)
    y = rng.integers(0, 3, 70)
    model = models.Sequential([
        layers.Input((8, 8, 1)), layers.Conv2D(4, 3, activation="relu"), layers.MaxPooling2D(),
        layers.Flatten(), layers.Dropout(0.3), layers.Dense(3, activation="softmax"),
    ])  # fmt: skip
    optimizer = optimizers.Adam(0.01)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    given = {
        "arrays": {"x": x, "y": y, "batch_size": 8},
        "sequence": {"x": Batches(x, y, 8)},
        "steps": {"x": Batches(x, y, 8), "steps_per_epoch": 5},
        "generator": {"x": forever(x, y, 8), "steps_per_epoch": 7},
        "short arrays": {"x": x, "y": y, "batch_size": 8, "steps_per_epoch": 5},
        "too few": {"x": x, "y": y, "batch_size": 10, "steps_per_epoch": 9},
        "iterable": {"x": Again(Batches(x, y, 8)), "steps_per_epoch": 5},
        "dataset": {"x": pipeline(x, y)},
        "endless dataset": {"x": pipeline(x, y).repeat(), "steps_per_epoch": 5},
    }[source]
    stopping = callbacks.EarlyStopping("loss", patience=4, restore_best_weights=True)
    backup = []
    if backup_dir is not None:
        backup = [callbacks.BackupAndRestore(backup_dir, save_freq, double_checkpoint=True)]
    history = model.fit(
        **given, epochs=epochs, validation_data=(x[:20], y[:20]), validation_freq=2, verbose=0,
        callbacks=[*backup, stopping, *others], **options,
    )  # fmt: skip
    return model, history


def result(model, history):
    """Everything that must be equal, as arrays."""
    found = {f"weight {i}": array for i, array in enumerate(model.get_weights())}
    found |= {f"optimizer {i}": v.numpy() for i, v in enumerate(model.optimizer.variables)}
    found |= {name: np.array(values) for name, values in history.history.items()}
    return found | {"epoch": np.array(history.epoch)}


if __name__ == "__main__":
    backup_dir, target, save_freq, source = (*sys.argv[1:], "arrays")[:4]
    Path(backup_dir, "started").parent.mkdir(exist_ok=True)
    model, history = train(
        backup_dir, save_freq if save_freq == "epoch" else int(save_freq), source, epochs=40
    )
    np.savez(target, **result(model, history))
