"""Callbacks that decide something, against what real Keras decided (`golden/make_callbacks.py`)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fastconv import callbacks, layers, models, optimizers
from tests.golden.golden_file import load

CASES = load("callbacks.npz")[0]


def model():
    built = models.Sequential([layers.Input((1,)), layers.Dense(1)])
    built.compile(optimizers.SGD(1.0), "mse", metrics=["accuracy"])
    return built


def cases(kind):
    return [case for case in CASES if case["kind"] == kind]


def begun(cls, *arguments, **settings):
    callback = cls(*arguments, monitor="m", **settings)
    callback.set_model(model())
    callback.on_train_begin()
    return callback


@pytest.mark.parametrize("case", cases("EarlyStopping"))
def test_early_stopping_stops_where_keras_stops(case):
    callback, expected = begun(callbacks.EarlyStopping, **case["settings"]), case["expected"]
    waits = []
    for epoch, value in enumerate(case["values"]):
        callback.model.set_weights([np.full((1, 1), epoch), np.zeros(1)])
        callback.on_epoch_end(epoch, {"m": value})
        waits.append(callback.wait)
        if callback.model.stop_training:
            break
    callback.on_train_end()
    assert waits == expected["waits"]
    assert callback.model.get_weights()[0][0, 0] == expected["weights_of"]
    for name in ("stopped_epoch", "best", "best_epoch"):
        assert getattr(callback, name) == expected[name]


@pytest.mark.parametrize("case", cases("ReduceLROnPlateau"))
def test_reduce_on_plateau_sets_the_rates_of_keras(case):
    callback, expected = begun(callbacks.ReduceLROnPlateau, **case["settings"]), case["expected"]
    rates, logged = [], []
    for epoch, value in enumerate(case["values"]):
        logs = {"m": value}
        callback.on_epoch_end(epoch, logs)
        logged.append(logs["learning_rate"])
        rates.append(callback.model.optimizer.learning_rate)
    assert rates == expected["rates"]
    assert logged == expected["logged"]


@pytest.mark.parametrize("case", cases("ModelCheckpoint"))
def test_model_checkpoint_saves_when_keras_saves(case, tmp_path):
    settings = dict(case["settings"])
    steps = settings.pop("steps")
    by_epoch = settings["save_freq"] == "epoch"
    name = "{epoch:02d}-{m:.3f}.keras" if by_epoch else "{epoch:02d}-{batch:03d}-{m:.3f}.keras"
    callback = begun(callbacks.ModelCheckpoint, tmp_path / name, **settings)
    saved = []
    callback.model.save = lambda path: saved.append(Path(path).name)
    after_batch = getattr(callback, "on_train_batch_end")  # noqa: B009  (there only by batches)
    for epoch, value in enumerate(case["values"]):
        callback.on_epoch_begin(epoch)
        for batch in range(steps):
            after_batch(batch, {"m": value + (steps - batch) / 64})
        callback.on_epoch_end(epoch, {"m": value})
    assert saved == case["expected"]["saved"]
    assert callback.best == case["expected"]["best"]


# ------------------------------------------------------------------------ in a fit, and messages

X = np.linspace(-1, 1, 12, dtype=np.float32).reshape(12, 1)
Y = 2 * X


def fit(*chosen, epochs=3, fitted=None, **options):
    fitted = fitted or model()
    options = {"batch_size": 4, "verbose": 0, "validation_data": (X, Y)} | options
    return fitted, fitted.fit(X, Y, epochs=epochs, callbacks=list(chosen), **options)


def test_checkpoints_are_files_that_load(tmp_path, capsys):
    path = tmp_path / "new" / "{epoch}-{val_loss:.3f}.keras"
    fitted, history = fit(callbacks.ModelCheckpoint(path, verbose=1))
    names = [f"{i}-{loss:.3f}.keras" for i, loss in enumerate(history.history["val_loss"], 1)]
    assert sorted(p.name for p in path.parent.iterdir()) == names
    last = models.load_model(path.parent / names[-1])
    np.testing.assert_array_equal(last.predict(X, verbose=0), fitted.predict(X, verbose=0))
    said = capsys.readouterr().out.splitlines()
    assert said[1] == f"Epoch 1: saving model to {path.parent / names[0]}"
    assert said[3] == f"Epoch 1: finished saving model to {path.parent / names[0]}"
    weights = callbacks.ModelCheckpoint(
        tmp_path / "best.weights.h5", verbose=1, save_best_only=True, save_weights_only=True
    )
    fit(weights, epochs=2, fitted=fitted)
    assert "Epoch 1: val_loss improved from None to " in capsys.readouterr().out
    fitted.load_weights(tmp_path / "best.weights.h5")
    weights.best = 0.0
    fit(weights, epochs=1, fitted=fitted)
    assert "\nEpoch 1: val_loss did not improve from 0.00000\n" in capsys.readouterr().out


def test_checkpoints_that_cannot_be(tmp_path):
    for name, only in {"a.h": False, "a.weights.h5": False, "a.keras": True, "a.h5": True}.items():
        with pytest.raises(ValueError, match=r"`filepath` must end in one of \("):
            callbacks.ModelCheckpoint(name, save_weights_only=only)
    with pytest.raises(ValueError, match="`save_freq` must be 'epoch' or a positive integer"):
        callbacks.ModelCheckpoint("a.keras", save_freq="batch")
    with pytest.raises(ValueError, match="`mode` must be 'auto', 'min' or 'max'"):
        callbacks.ModelCheckpoint("a.keras", mode="best")
    with pytest.raises(KeyError, match="asks for 'val_auc', but there are only"):
        fit(callbacks.ModelCheckpoint(tmp_path / "{val_auc}.keras"))
    (tmp_path / "file").write_text("")
    started = []
    watch = callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: started.append(epoch))
    with pytest.raises(OSError, match="file"):
        fit(watch, callbacks.ModelCheckpoint(tmp_path / "file" / "a.keras"))
    assert not started
    with pytest.warns(UserWarning, match="ModelCheckpoint watches 'auc', which is not there"):
        fit(callbacks.ModelCheckpoint(tmp_path / "a.keras", "auc", save_best_only=True), epochs=1)
    assert (tmp_path / "a.keras").exists()


def test_the_learning_rate_follows_a_schedule(capsys):
    halve = callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2, verbose=1)
    fitted, history = fit(halve)
    assert history.history["learning_rate"] == [0.5, 0.25, 0.125]
    assert list(history.history)[-1] == "learning_rate"
    assert fitted.optimizer.learning_rate == 0.125
    said = capsys.readouterr().out.splitlines()
    assert said[1] == "Epoch 1: LearningRateScheduler setting learning rate to 0.5."
    _, history = fit(callbacks.LearningRateScheduler(lambda epoch: 0.1 * (epoch + 1)))
    np.testing.assert_allclose(history.history["learning_rate"], [0.1, 0.2, 0.3])
    with pytest.raises(ValueError, match="`schedule` must return a float, received 1"):
        fit(callbacks.LearningRateScheduler(lambda epoch: 1))
    with pytest.raises(TypeError, match="`schedule` must be a function"):
        callbacks.LearningRateScheduler(0.1)


def test_plateaus_are_reported(capsys):
    plateau = callbacks.ReduceLROnPlateau("loss", patience=1, min_delta=100.0, verbose=1)
    _, history = fit(plateau)
    np.testing.assert_allclose(history.history["learning_rate"], [1.0, 1.0, 0.1])
    assert (
        "\nEpoch 2: ReduceLROnPlateau reducing learning rate to 0.1.\n" in capsys.readouterr().out
    )
    for bad in (1.0, 2, 0, -1):
        with pytest.raises(ValueError, match="`factor` must be between 0 and 1"):
            callbacks.ReduceLROnPlateau(factor=bad)
    with pytest.raises(ValueError, match="cannot tell whether 'learning_rate' should be large"):
        fit(callbacks.ReduceLROnPlateau("learning_rate"))


def test_nan_ends_training(capsys):
    y = Y.copy()
    y[5] = np.nan
    fitted = model()
    history = fitted.fit(
        X, y, batch_size=4, shuffle=False, epochs=5, verbose=0, callbacks=callbacks.TerminateOnNaN()
    )
    assert capsys.readouterr().out == "Batch 1: Invalid loss, terminating training\n"
    assert history.epoch == [0] and fitted.optimizer.iterations == 2
    with pytest.raises(RuntimeError, match="the loss must be finite, received nan at batch 1"):
        model().fit(
            X, y, batch_size=4, shuffle=False, verbose=0,
            callbacks=callbacks.TerminateOnNaN(raise_error=True),
        )  # fmt: skip


@pytest.mark.parametrize("swap_on_epoch", [False, True])
def test_averages_are_evaluated(swap_on_epoch):
    seen = {"begin": [], "end": []}

    def averaged():
        fitted = model()
        fitted.compile(optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5), "mse")
        fitted.set_weights([np.ones((1, 1)), np.ones(1)])
        return fitted

    def see(when):
        optimizer, weights = swapped.optimizer, swapped.trainable_weights
        average = [optimizer.average_of(variable).copy() for variable in weights]
        seen[when].append([np.array_equal(*pair) for pair in zip(weights, average, strict=True)])

    swapped, plain = averaged(), averaged()
    look = callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: see("end"),
        on_train_batch_end=lambda batch, logs: batch and see("begin"),
    )
    swap = callbacks.SwapEMAWeights(swap_on_epoch)
    options = {"epochs": 3, "batch_size": 4, "shuffle": False, "verbose": 0}
    history = swapped.fit(X, Y, validation_data=(X, Y), callbacks=[swap, look], **options)
    assert not np.any(seen["begin"]), "training goes on from the weights, not from the averages"
    assert np.all(seen["end"]) if swap_on_epoch else not np.any(seen["end"])
    plain.fit(X, Y, **options)
    for a, b in zip(swapped.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)  # both end with the averages
    last = plain.evaluate(X, Y, verbose=0)
    np.testing.assert_allclose(history.history["val_loss"][-1], last, rtol=1e-6)
    before = swapped.get_weights()
    swapped.optimizer._average_of(swapped.weights[0])[...] = 0
    assert np.ptp(swapped.predict(X, verbose=0, callbacks=[swap])) == 0
    for a, b in zip(swapped.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_averages_that_nobody_keeps():
    with pytest.raises(ValueError, match="keeps no moving averages"):
        fit(callbacks.SwapEMAWeights())


def test_averages_survive_an_interruption(tmp_path):
    class Interrupt(callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            if (batch, len(self.model.history.epoch)) == (1, 2):
                raise KeyboardInterrupt

    def run(*others):
        fitted = model()
        fitted.compile(optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5), "mse")
        fitted.set_weights([np.ones((1, 1)), np.ones(1)])
        swap = callbacks.SwapEMAWeights(swap_on_epoch=True)
        options = {"epochs": 4, "batch_size": 4, "shuffle": False, "verbose": 0}
        fitted.fit(X, Y, validation_data=(X, Y), callbacks=[swap, *others], **options)
        return fitted.get_weights()

    expected = run()
    with pytest.raises(KeyboardInterrupt):
        run(callbacks.BackupAndRestore(tmp_path), Interrupt())
    for a, b in zip(run(callbacks.BackupAndRestore(tmp_path)), expected, strict=True):
        np.testing.assert_array_equal(a, b)
