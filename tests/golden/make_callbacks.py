"""Run real Keras's callbacks over scripted logs and record what they decide, in `callbacks.npz`.

Run by hand, never by the tests, in an environment that holds Keras 3.15 and TensorFlow::

    python -m tests.golden.make_callbacks
"""

from __future__ import annotations

import itertools
import os
import random

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from tests.golden.golden_file import save

EPOCHS = 14


def sequences(rng: random.Random) -> list[list[float]]:
    """Numbers that fall, rise, stay, jump; multiples of 1/8, so that differences are exact."""
    falling = [1 - epoch / 16 for epoch in range(EPOCHS)]
    found = [falling, falling[::-1], [0.5] * EPOCHS, [*falling[:5], *[falling[4]] * (EPOCHS - 5)]]
    return found + [[rng.randint(0, 16) / 8 for _ in range(EPOCHS)] for _ in range(3)]


def options(**choices) -> list[dict]:
    return [
        dict(zip(choices, values, strict=True)) for values in itertools.product(*choices.values())
    ]


def model() -> keras.Model:
    built = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    built.compile(keras.optimizers.SGD(1.0), "mse", metrics=["accuracy"])
    return built


def early_stopping(values, settings) -> dict:
    callback = keras.callbacks.EarlyStopping(monitor="m", **settings)
    callback.set_model(model())
    callback.on_train_begin()
    waits = []
    for epoch, value in enumerate(values):
        callback.model.set_weights([np.full((1, 1), epoch), np.zeros(1)])
        callback.on_epoch_end(epoch, {"m": value})
        waits.append(callback.wait)
        if callback.model.stop_training:
            break
    callback.on_train_end()
    return {
        "waits": waits,
        "stopped_epoch": callback.stopped_epoch,
        "best": callback.best,
        "best_epoch": callback.best_epoch,
        "weights_of": float(callback.model.get_weights()[0][0, 0]),
    }


def reduce_on_plateau(values, settings) -> dict:
    callback = keras.callbacks.ReduceLROnPlateau(monitor="m", **settings)
    callback.set_model(model())
    callback.on_train_begin()
    rates, logged = [], []
    for epoch, value in enumerate(values):
        logs = {"m": value}
        callback.on_epoch_end(epoch, logs)
        logged.append(logs["learning_rate"])
        rates.append(float(callback.model.optimizer.learning_rate.numpy()))
    return {"rates": rates, "logged": logged}


def model_checkpoint(values, settings) -> dict:
    steps = settings.pop("steps")
    callback = keras.callbacks.ModelCheckpoint(
        "{epoch:02d}-{m:.3f}.keras"
        if settings["save_freq"] == "epoch"
        else "{epoch:02d}-{batch:03d}-{m:.3f}.keras",
        monitor="m",
        **settings,
    )
    settings["steps"] = steps
    saved: list[str] = []
    target = model()
    target.save = lambda path, overwrite: saved.append(path)
    callback.set_model(target)
    callback._set_monitor_op()  # Keras does so at the end of the first epoch, too late for batches
    callback.on_train_begin()
    for epoch, value in enumerate(values):
        callback.on_epoch_begin(epoch)
        for batch in range(steps):
            callback.on_train_batch_end(batch, {"m": value + (steps - batch) / 64})
        callback.on_epoch_end(epoch, {"m": value})
    return {"saved": saved, "best": callback.best}


KINDS = {
    "EarlyStopping": (
        early_stopping,
        options(
            mode=["min", "max"],
            patience=[0, 2, 4],
            min_delta=[0, 0.125],
            baseline=[None, 0.5],
            restore_best_weights=[False, True],
            start_from_epoch=[0, 3],
        ),
    ),
    "ReduceLROnPlateau": (
        reduce_on_plateau,
        options(
            mode=["min", "max"],
            patience=[0, 1, 3],
            min_delta=[0.0, 0.125],
            factor=[0.5, 0.25],
            cooldown=[0, 2],
            min_lr=[0.0, 0.125],
        ),
    ),
    "ModelCheckpoint": (
        model_checkpoint,
        options(
            mode=["min", "max"],
            save_best_only=[False, True],
            save_freq=["epoch", 1, 4],
            initial_value_threshold=[None, 0.5],
            steps=[3],
        ),
    ),
}


def main() -> None:
    rng = random.Random(4)
    cases = []
    for kind, (run, choices) in KINDS.items():
        for settings in rng.sample(choices, 24):
            for values in rng.sample(sequences(rng), 3):
                cases.append({
                    "kind": kind, "settings": settings, "values": values,
                    "expected": run(values, settings),
                })  # fmt: skip
    save("callbacks.npz", cases, {})
    print(len(cases), "cases")


if __name__ == "__main__":
    main()
