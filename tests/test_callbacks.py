"""Callbacks: when they are called, what they may change, and EarlyStopping's rules."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
import pytest

from fastconv import callbacks, layers, models


def counting_model(metric_names=("loss",)):
    """A model whose only weight says how many epochs it has seen, and its metrics."""

    class Metric:
        def __init__(self, name):
            self.name, self.direction = name, "min" if name == "loss" else "max"

    class Model:
        stop_training = False
        metrics_by_name = MappingProxyType({name: Metric(name) for name in metric_names})
        weights = 0

        def get_weights(self):
            return [np.array(self.weights)]

        def set_weights(self, weights):
            self.weights = int(weights[0])

    return Model()


def epochs_run(values, monitor="loss", **arguments):
    """Feed a series of values to EarlyStopping: (epochs run, the callback, the model)."""
    model = counting_model(("loss", "accuracy"))
    stop = callbacks.EarlyStopping(monitor, **arguments)
    stop.set_model(model)
    stop.on_train_begin()
    count = 0
    for epoch, value in enumerate(values):
        model.weights = epoch
        stop.on_epoch_end(epoch, {monitor: value})
        count += 1
        if model.stop_training:
            break
    stop.on_train_end()
    return count, stop, model


@pytest.mark.parametrize(
    ("values", "arguments", "expected"),
    [
        ([3, 2, 2, 1], {}, 3),  # strictly better is needed; patience 0
        ([3, 4, 1], {}, 2),
        ([1, 1], {}, 2),  # the first epoch never stops
        ([3, 2, 2, 2, 1], {"patience": 2}, 4),
        ([3, 2, 2, 1, 1, 1], {"patience": 2}, 6),
        ([3, 2.5, 2.1, 1.9], {"min_delta": 0.5}, 2),  # exactly 0.5 is not beyond it
        ([3, 2.4, 1.8, 1.5], {"min_delta": 0.5}, 4),
        ([3, 2.4, 1.8, 1.5], {"min_delta": -0.5}, 4),
        ([1, 2, 3, 3], {"mode": "max"}, 4),
        ([1, 2, 3, 3], {"monitor": "accuracy"}, 4),
        ([1, 2, 3, 3], {"monitor": "val_accuracy"}, 4),
        ([3, 2, 1, 1], {"monitor": "val_loss"}, 4),
        ([5, 4, 3, 3], {"baseline": 2, "patience": 1}, 4),  # see below
        ([5, 1, 2, 3], {"baseline": 2, "patience": 2}, 4),
        ([1, 2, 3, 4, 5], {"start_from_epoch": 2}, 4),
    ],
)
def test_when_training_stops(values, arguments, expected):
    assert epochs_run(values, **arguments)[0] == expected


def test_an_improvement_worse_than_the_baseline_does_not_reset_the_patience():
    """5, 4, 3 improve without reaching 2: `wait` goes on counting, but only a bad epoch stops."""
    count, stop, _ = epochs_run([5, 4, 3, 2.5, 2.6, 1], baseline=2, patience=3)
    assert count == 5
    assert stop.wait == 5


def test_what_it_remembers_and_restores():
    count, stop, model = epochs_run([3, 1, 2, 2, 2], patience=2, restore_best_weights=True)
    assert (count, stop.stopped_epoch, stop.best_epoch, stop.best) == (4, 3, 1, 1)
    assert model.weights == 1
    _, _, model = epochs_run([3, 1, 2], patience=9, restore_best_weights=True)
    assert model.weights == 1  # also without a stop
    _, _, model = epochs_run([3, 1, 2], patience=9)
    assert model.weights == 2


def test_nan_is_no_improvement():
    nan = float("nan")
    count, _, model = epochs_run([2, nan, nan, 1], patience=2, restore_best_weights=True)
    assert count == 3
    assert model.weights == 0


def test_it_starts_again_with_every_fit():
    _, stop, _ = epochs_run([1, 2])
    stop.on_train_begin()
    assert (stop.wait, stop.stopped_epoch, stop.best, stop.best_weights) == (0, 0, None, None)


def test_what_it_says(capsys):
    epochs_run([3, 1, 2], verbose=1, restore_best_weights=True)
    assert capsys.readouterr().out == (
        "Epoch 3: early stopping\nRestoring model weights from the end of the best epoch: 2.\n"
    )


def test_a_number_that_is_not_there_is_a_warning():
    stop = callbacks.EarlyStopping("val_loss")
    stop.set_model(counting_model())
    stop.on_train_begin()
    with pytest.warns(UserWarning, match="watches 'val_loss', which is not there; there are loss"):
        stop.on_epoch_end(0, {"loss": 1.0})


def test_direction_must_be_known():
    with pytest.raises(ValueError, match="whether 'f1' should be large or small; `mode` must be"):
        epochs_run([1, 2], "f1")
    with pytest.raises(ValueError, match="`mode` must be 'auto', 'min' or 'max', received 'down'"):
        callbacks.EarlyStopping(mode="down")


# --------------------------------------------------------------------------------- in a real fit

X = np.ones((8, 2), np.float32)


def model():
    made = models.Sequential([layers.Input((2,)), layers.Dense(1)])
    made.set_weights([[[0.5], [0.5]], [0.0]])
    made.compile("sgd", "mse", metrics=["accuracy"])
    return made


def test_early_stopping_restores_the_best_weights_of_a_fit():
    made, weights = model(), []
    values = iter([0.5, 0.9, 0.1, 0.2])
    report = callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: (
            weights.append(made.get_weights()),
            logs.update(quality=next(values)),
        )
    )
    stop = callbacks.EarlyStopping("quality", mode="max", patience=2, restore_best_weights=True)
    history = made.fit(X, X[:, :1], epochs=9, verbose=0, callbacks=[report, stop])
    assert history.history["quality"] == [0.5, 0.9, 0.1, 0.2]
    assert list(history.history) == ["accuracy", "loss", "quality"]
    np.testing.assert_array_equal(made.get_weights()[0], weights[1][0])


def test_metrics_know_their_direction():
    made = model()
    stop = callbacks.EarlyStopping("accuracy", patience=1)
    made.fit(X, X[:, :1], epochs=9, verbose=0, callbacks=[stop])
    assert stop.stopped_epoch >= 1


def test_stop_training_ends_after_the_batch():
    made, batches = model(), []

    class Stop(callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            batches.append((batch, sorted(logs)))
            self.model.stop_training = batch == 1

    history = made.fit(X, X[:, :1], batch_size=2, epochs=3, verbose=0, callbacks=Stop())
    assert batches == [(0, ["accuracy", "loss"]), (1, ["accuracy", "loss"])]
    assert history.epoch == [0]
    made.fit(X, X[:, :1], batch_size=2, verbose=0)
    assert made.stop_training is False


def test_older_names_of_the_batch_hooks():
    seen = []

    class Old(callbacks.Callback):
        def on_batch_begin(self, batch, logs=None):
            seen.append(("begin", batch))

        def on_batch_end(self, batch, logs=None):
            seen.append(("end", batch))

    model().fit(X, X[:, :1], batch_size=4, verbose=0, callbacks=[Old()])
    assert seen == [("begin", 0), ("end", 0), ("begin", 1), ("end", 1)]


def test_a_lambda_callback_calls_its_functions():
    seen = []
    callback = callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: seen.append(("epoch", epoch)),
        on_train_end=lambda logs: seen.append(("train", "loss" in logs)),
        on_test_begin=lambda logs: seen.append("test"),
    )
    model().fit(X, X[:, :1], epochs=2, verbose=0, callbacks=[callback],
                validation_data=(X, X[:, :1]))  # fmt: skip
    assert seen == [("epoch", 0), "test", ("epoch", 1), "test", ("train", True)]
    with pytest.raises(TypeError, match="'on_lunch' is no hook"):
        callbacks.LambdaCallback(on_lunch=print)
    with pytest.raises(TypeError, match="`on_epoch_end` must be a function, received 3"):
        callbacks.LambdaCallback(on_epoch_end=3)


def test_callbacks_know_model_and_parameters():
    made, callback = model(), callbacks.Callback()
    made.fit(X, X[:, :1], batch_size=3, epochs=2, verbose=0, callbacks=[callback])
    assert callback.model is made
    assert callback.params == {"verbose": 0, "epochs": 2, "steps": 3}


# ------------------------------------------------------------------------------ driven by hand

BY_HAND = {
    "CSVLogger": lambda path: callbacks.CSVLogger(path / "log.csv"),
    "EarlyStopping": lambda path: callbacks.EarlyStopping(patience=5, restore_best_weights=True),
    "History": lambda path: callbacks.History(),
    "LambdaCallback": lambda path: callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: None),
    "LearningRateScheduler": lambda path: callbacks.LearningRateScheduler(lambda epoch: 0.5),
    "ModelCheckpoint": lambda path: callbacks.ModelCheckpoint(
        path / "m.keras", save_best_only=True
    ),
    "ProgbarLogger": lambda path: callbacks.ProgbarLogger(),
    "ReduceLROnPlateau": lambda path: callbacks.ReduceLROnPlateau(patience=1),
    "TensorBoard": lambda path: callbacks.TensorBoard(path / "logs", 1, update_freq="batch"),
    "TerminateOnNaN": lambda path: callbacks.TerminateOnNaN(),
}
ELSEWHERE = {"BackupAndRestore", "Callback", "CallbackList", "RemoteMonitor", "SwapEMAWeights"}


def test_every_callback_is_driven_by_hand_somewhere():
    assert set(callbacks.__all__) == BY_HAND.keys() | ELSEWHERE


@pytest.mark.parametrize("name", BY_HAND)
def test_driven_by_hand(name, tmp_path, capsys):
    """On a model that was never fitted, without `set_params`."""
    made, callback = model(), BY_HAND[name](tmp_path)
    callback.set_model(made)
    callback.on_train_begin()
    for epoch in range(2):
        callback.on_epoch_begin(epoch)
        callback.on_train_batch_begin(0)
        callback.on_train_batch_end(0, {"loss": 1.0})
        callback.on_test_begin()
        callback.on_test_end({"loss": 0.5})
        callback.on_epoch_end(epoch, {"loss": 1.0, "val_loss": 0.5 + epoch})
    callback.on_train_end()
    assert not made.stop_training
    seen = {
        "CSVLogger": lambda: (
            (tmp_path / "log.csv").read_text().splitlines()
            == ["epoch,loss,val_loss", "0,1.0,0.5", "1,1.0,1.5"]
        ),
        "EarlyStopping": lambda: (callback.best, callback.best_epoch, callback.wait) == (0.5, 0, 1),
        "History": lambda: callback.history == {"loss": [1.0] * 2, "val_loss": [0.5, 1.5]},
        "LearningRateScheduler": lambda: made.optimizer.learning_rate == 0.5,
        "ModelCheckpoint": lambda: models.load_model(tmp_path / "m.keras") and callback.best == 0.5,
        "ProgbarLogger": lambda: "loss: 1.0000 - val_loss: 1.5000" in capsys.readouterr().out,
        "ReduceLROnPlateau": lambda: made.optimizer.learning_rate == pytest.approx(0.001),
        "TensorBoard": lambda: len(list((tmp_path / "logs" / "train").iterdir())) >= 1,
    }
    assert seen.get(name, lambda: True)()


def test_early_stopping_by_hand_on_a_model_without_shapes():
    """As Keras's own tests do."""
    for patience in range(4):
        stop = callbacks.EarlyStopping("loss", patience=patience)
        stop.set_model(models.Sequential())
        stop.model.compile(loss="mse", optimizer="sgd")
        stop.on_train_begin()
        for epoch, loss in enumerate([10.0, 9.0, 8.0, 9.0, 8.9, 8.8, 8.7, 8.6, 8.5]):
            stop.on_epoch_end(epoch, {"loss": loss})
            if stop.model.stop_training:
                break
        assert stop.stopped_epoch == max(patience, 1) + 2


@pytest.mark.parametrize("built", [False, True])
@pytest.mark.parametrize("metric, direction", [("acc", "max"), ("mae", "min"), ("hinge", "min")])
def test_directions_are_known_before_fit(metric, direction, built):
    made = models.Sequential([*([layers.Input((2,))] if built else []), layers.Dense(1)])
    made.compile("sgd", "mse", metrics=["mse", metric])
    stop = callbacks.EarlyStopping(f"val_{metric}")
    stop.set_model(made)
    stop.on_train_begin()
    stop.on_epoch_end(0, {f"val_{metric}": 2.0})
    stop.on_epoch_end(1, {f"val_{metric}": 3.0})
    assert made.stop_training == (direction == "min")


def test_callbacks_that_need_a_fit_say_so(tmp_path):
    for call in ("on_train_begin", "on_epoch_end"):
        backup = callbacks.BackupAndRestore(tmp_path / "backup")
        backup.set_model(model())
        with pytest.raises(RuntimeError, match="BackupAndRestore needs a `fit`"):
            getattr(backup, call)(*[0] * (call == "on_epoch_end"))
    assert not (tmp_path / "backup").exists()
    swap = callbacks.SwapEMAWeights()
    swap.set_model(model())
    with pytest.raises(ValueError, match="keeps no moving averages, or has not begun to train"):
        swap.on_test_begin()


# --------------------------------------------------------------------------------------- frozen


def test_training_of_a_frozen_model_is_a_warning_once_per_fit():
    made = model()
    made.fit(X, X[:, :1], verbose=0)  # no warning
    frozen = models.Sequential([layers.Input((2,)), layers.Dense(2), models.Sequential([made])])
    frozen.trainable = False
    frozen.compile("sgd", "mse")
    before = frozen.get_weights()
    for _ in range(2):
        with pytest.warns(UserWarning, match="has no trainable weights: training chan") as caught:
            frozen.fit(X, X[:, :1], epochs=3, verbose=0)
        assert len(caught) == 1 and caught[0].filename == __file__
    with pytest.warns(UserWarning, match="has no trainable weights") as caught:
        frozen.train_on_batch(X, X[:, :1])
    assert len(caught) == 1
    for one, other in zip(before, frozen.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    frozen.evaluate(X, X[:, :1], verbose=0)  # no warning
    made.trainable = True
    frozen.compile("sgd", "mse")
    frozen.fit(X, X[:, :1], verbose=0)
