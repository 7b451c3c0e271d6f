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


def test_lambda_callback():
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
