"""A program of several ranks: `mpirun -n N python -m tests.support.mpi_job FOLDER [PART]`.

Every rank prints one line of JSON, whose values must be equal on all ranks and at any number of
them, but for "several", what several ranks refuse. FOLDER is for files. Without PART it trains on
data of every kind; "kill" ends rank 1 in the second epoch by SIGKILL; "resume" goes on from there;
"raise" raises an exception on rank 1 alone; "slow" pauses after every batch, and writes the numbers
of the processes into files.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import zlib
from pathlib import Path

import numpy as np

import fastconv
from fastconv import callbacks, layers, models, runtime
from fastconv.data import Dataset
from fastconv.distribution import DataParallel, set_distribution
from fastconv.training import chunked
from fastconv.utils import PyDataset, set_random_seed

COUNT = 43  # the last batch of 20 has 3 samples: most chunks are empty
chunked._BUCKET = 64  # so that the small network has several buckets
PARALLEL = DataParallel(chunks=6, overlap=True)
RANK = PARALLEL.ranks.rank


def samples() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(COUNT, 8, 8, 2)).astype(np.float32), rng.integers(0, 3, COUNT)


class Batches(PyDataset):
    def __len__(self):
        return 3

    def __getitem__(self, index):
        x, y = samples()
        return x[index::3], y[index::3]


def network() -> models.Model:
    set_random_seed(7 + RANK)  # the weights and masks of rank 0 count
    model = models.Sequential(
        [
            layers.Input((8, 8, 2)),
            layers.RandomFlip(),
            layers.Conv2D(4, 3, use_bias=False, kernel_regularizer="l2"),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Dropout(0.25),
            layers.Flatten(),
            layers.Dense(3, activation="softmax", activity_regularizer="l2"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def digest(arrays) -> int:
    return zlib.crc32(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays))


def trained(x, y=None, model=None, **options) -> list[object]:
    """[checksum of the weights, losses] after a `fit`."""
    model = model or network()
    options = {"epochs": 2, "distribute": PARALLEL, "verbose": 0} | options
    if y is not None:
        options["batch_size"] = 20
    history = model.fit(x, y, **options).history
    return [digest(model.get_weights()), history]


def refusal(function) -> str:
    """The type of the exception of `function` and the beginning of its text."""
    try:
        function()
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:60]}"
    return "none"


def all_kinds(folder: Path) -> dict[str, object]:
    x, y = samples()
    weights = np.linspace(0, 1, COUNT)
    found: dict[str, object] = {}
    found["resumed"] = trained(x, y)
    found["arrays"] = trained(x, y, sample_weight=weights, validation_split=0.2)
    found["at the end"] = trained(x, y, distribute=DataParallel(chunks=6, overlap=False))
    rounded = DataParallel(chunks=6, gradient_dtype="bfloat16", overlap=True)
    found["bfloat16"] = trained(x, y, distribute=rounded)
    data = Dataset.from_tensor_slices((x, y)).shuffle(COUNT, seed=1).batch(20)
    found["dataset"] = trained(data)
    found["generator"] = trained(((x[i::6], y[i::6]) for i in range(6)), steps_per_epoch=3)
    found["batches by index"] = trained(Batches())
    hooks = [
        callbacks.EarlyStopping("val_loss", patience=1, min_delta=10.0),
        callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=10.0),
        callbacks.ModelCheckpoint(folder / f"model{RANK}.keras"),
        callbacks.CSVLogger(folder / f"log{RANK}.csv"),
        callbacks.TensorBoard(folder / f"events{RANK}"),
    ]
    model = network()
    found["callbacks"] = trained(x, y, model, validation_data=(x, y), callbacks=hooks, epochs=9)
    found["rate"] = float(model.optimizer.learning_rate)
    set_distribution(PARALLEL)
    model.layers[-1].bias.assign(np.full(3, float(RANK)))  # that of rank 0 counts
    found["evaluate"] = model.evaluate(x, y, verbose=0)
    found["predict"] = digest([model.predict(x, batch_size=20, verbose=0)])
    found["predict batches"] = digest([model.predict(Dataset.from_tensor_slices(x).batch(9))])
    set_distribution(None)
    return found


def refusals() -> dict[str, object]:
    """What the ranks refuse, if there are several."""
    x, y = samples()
    model = network()
    fewer = slice(COUNT - RANK)
    found: dict[str, object] = {"samples": refusal(lambda: trained(x[fewer], y[fewer], model))}
    found["labels"] = refusal(lambda: trained(x, (y + RANK) % 3, model))
    batches = {"batches": (x[:9], (y[:9] + RANK) % 3), "augmented": (x[:9] + RANK, y[:9])}
    for name, batch in batches.items():
        data = Dataset.from_tensor_slices(batch).batch(3)
        found[name] = refusal(lambda data=data: trained(data))
    version, fastconv.__version__ = fastconv.__version__, f"0.{RANK}"
    found["version"] = refusal(lambda: trained(x, y, model))
    fastconv.__version__ = version
    other = models.Sequential([layers.Input((8, 8, 2)), layers.Flatten(), layers.Dense(3 + RANK)])
    other.compile("sgd", "sparse_categorical_crossentropy")
    found["network"] = refusal(lambda: trained(x, y, other))
    narrow = x[:, : 8 - RANK]
    found["shape"] = refusal(lambda: trained(narrow, y, any_height()))
    isa = runtime.isa()
    others = [name for name in runtime.available_isas() if name != isa]
    if others and RANK:
        runtime.set_isa(others[0])
    found["isa"] = refusal(lambda: trained(x, y, model))
    runtime.set_isa(isa)
    found["stopped alone"] = refusal(lambda: trained(x, y, model, callbacks=Fault("stop")))
    fast = DataParallel(chunks=4, reduction="fast")
    found["fast"] = trained(x, y, distribute=fast)[1]["loss"]
    found["ordered"] = trained(x, y, distribute=DataParallel(chunks=4))[1]["loss"]
    helper = PARALLEL.helper
    found["overlaps"] = helper is not None and helper.busy_seconds > 0
    found["again"] = refusal(lambda: trained(x, y, model))
    return found


def any_height() -> models.Model:
    model = models.Sequential(
        [layers.Input((None, 8, 2)), layers.GlobalAveragePooling2D(), layers.Dense(3)]
    )
    model.compile("sgd", "mse")
    return model


class Fault(callbacks.Callback):
    def __init__(self, kind: str):
        super().__init__()
        self.kind = kind

    def on_train_batch_end(self, batch, logs=None):
        if RANK == 1 and self.model.training_run.epoch == 1 and batch == 1:
            if self.kind == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            if self.kind == "raise":
                raise OSError("the disk of rank 1 is full")
            self.model.stop_training = True


def main(folder: Path, part: str = "") -> None:
    if threads := os.environ.get("THREADS"):  # also more than there are CPUs per rank
        runtime.set_num_threads(int(threads))
    if not part:
        found = all_kinds(folder)
        if PARALLEL.ranks.size > 1:
            found["several"] = refusals()
    else:
        hooks = [callbacks.BackupAndRestore(folder / "backup", save_freq=1)]
        if part == "slow":
            (folder / f"process{RANK}").write_text(str(os.getpid()))
            hooks.append(callbacks.LambdaCallback(on_train_batch_end=lambda *_: time.sleep(0.05)))
        elif part != "resume":
            hooks.append(Fault(part))
        found = {"resumed": trained(*samples(), callbacks=hooks)}
    print(json.dumps(found | {"rank": RANK}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
