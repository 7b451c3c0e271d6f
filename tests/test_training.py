"""fit, evaluate and predict: data, epochs, reporting, and what goes wrong with them."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest

from fastconv import callbacks, layers, losses, models, optimizers
from fastconv.training.progress import Progress
from fastconv.utils import set_random_seed

RNG = np.random.default_rng(8)
X = RNG.standard_normal((20, 5)).astype(np.float32)
LABELS = RNG.integers(0, 3, 20)
Y = np.eye(3, dtype=np.float32)[LABELS]


@pytest.fixture(autouse=True)
def seeded():
    set_random_seed(4)


def linear(loss="mse", optimizer="sgd", **arguments):
    """A small model with weights that are always the same."""
    model = models.Sequential([layers.Input((5,)), layers.Dense(4, "tanh"), layers.Dense(3)])
    rng = np.random.default_rng(9)
    model.set_weights([rng.standard_normal(w.shape) * 0.5 for w in model.get_weights()])
    model.compile(optimizer, loss, **arguments)
    return model


def assert_same_weights(first, second):
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def fit(x=X, y=Y, model=None, **arguments):
    model = model or linear()
    arguments = {"shuffle": False, "verbose": 0, "batch_size": 6} | arguments
    history = model.fit(x, y, **arguments)
    return model, history.history


class Recorder(callbacks.Callback):
    """Writes down which hooks are called, and the rows of each batch if `x` tells them."""

    def __init__(self):
        super().__init__()
        self.calls = []


for _hook in (f"on_{e}_{w}" for e in ("train", "test", "predict") for w in ("begin", "end")):
    setattr(Recorder, _hook, lambda self, logs=None, name=_hook: self.calls.append(name))
for _hook in (
    f"on_{e}_{w}"
    for e in ("epoch", "train_batch", "test_batch", "predict_batch")
    for w in ("begin", "end")
):
    setattr(Recorder, _hook, lambda self, i, logs=None, name=_hook: self.calls.append((name, i)))


# -------------------------------------------------------------------------------------------- data


def test_a_network_learns():
    x = RNG.random((600, 8, 8, 1)).astype(np.float32)
    labels = (x[:, :, :4].sum(axis=(1, 2, 3)) > x[:, :, 4:].sum(axis=(1, 2, 3))).astype(int)
    model = models.Sequential([
        layers.Input((8, 8, 1)), layers.Conv2D(8, 3, activation="relu"), layers.MaxPooling2D(),
        layers.Flatten(), layers.Dense(2, activation="softmax"),
    ])  # fmt: skip
    model.compile(optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(x, labels, epochs=40, batch_size=50, verbose=0).history
    assert history["loss"][-1] < 0.5 * history["loss"][0]
    assert model.evaluate(x, labels, verbose=0)[1] > 0.9


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int32, np.uint8])
def test_other_dtypes_are_cast_batch_by_batch(dtype):
    x = (X * 3).astype(dtype)
    expected, _ = fit(x.astype(np.float32), shuffle=True)
    set_random_seed(4)
    actual, _ = fit(x, shuffle=True)
    assert_same_weights(actual, expected)
    np.testing.assert_array_equal(
        actual.predict(x, verbose=0), expected.predict(x.astype(np.float32), verbose=0)
    )


def test_layouts_of_memory_do_not_matter(tmp_path):
    expected, _ = fit(shuffle=True)
    np.save(tmp_path / "x.npy", X)
    for x in (
        np.asfortranarray(X),
        X[::-1].copy()[::-1],
        np.repeat(X, 2, axis=1)[:, ::2],
        X.astype(">f4"),
        np.load(tmp_path / "x.npy", mmap_mode="r"),
        X.tolist(),
    ):
        set_random_seed(4)
        actual, _ = fit(x, shuffle=True)
        assert_same_weights(actual, expected)


def test_a_last_axis_of_one_is_added_or_dropped():
    model = models.Sequential([layers.Input((4, 4, 1)), layers.Flatten()])
    x = RNG.random((3, 4, 4)).astype(np.float32)
    np.testing.assert_array_equal(model.predict(x, verbose=0), x.reshape(3, 16))
    flat = models.Sequential([layers.Input((16,)), layers.ReLU()])
    np.testing.assert_array_equal(flat.predict(x.reshape(3, 16, 1), verbose=0), x.reshape(3, 16))


def test_every_epoch_has_a_new_order_of_all_samples():
    x = np.arange(10, dtype=np.float32)[:, None]
    model = models.Sequential([layers.Input((1,)), layers.Dense(1)])
    model.set_weights([[[1.0]], [0.0]])
    model.compile(optimizers.SGD(0.0), "mse")
    seen = []

    def remember(batch, logs):
        with model._plan(4 if batch < 2 else 2, "train", False, model._trained_parts()) as plan:
            seen.extend(plan.outputs[0][:, 0].tolist())

    model.fit(x, x, batch_size=4, epochs=3, verbose=0,
              callbacks=callbacks.LambdaCallback(on_train_batch_end=remember))  # fmt: skip
    epochs = [seen[i : i + 10] for i in (0, 10, 20)]
    for epoch in epochs:
        assert sorted(epoch) == list(range(10))
    assert epochs[0] != epochs[1] != epochs[2]
    assert epochs[0] != list(range(10))


def test_batches_of_arrays_and_of_iterables_are_the_same_training():
    expected, history = fit(epochs=2)
    batches = [(X[i : i + 6], Y[i : i + 6]) for i in range(0, 20, 6)]

    class Indexed:
        ended = 0

        def __len__(self):
            return 4

        def __getitem__(self, index):
            return batches[index]

        def on_epoch_end(self):
            self.ended += 1

    class Iterable:
        def __iter__(self):
            return iter(batches)

    indexed = Indexed()
    for x, arguments in {
        indexed: {},
        Iterable(): {},
        (batch for batch in batches * 2): {"steps_per_epoch": 4},
    }.items():
        actual, other = fit(x, None, epochs=2, batch_size=None, **arguments)
        assert_same_weights(actual, expected)
        assert other["loss"] == pytest.approx(history["loss"])
    assert indexed.ended == 2


def test_weighted_batches_from_a_generator():
    weight = np.linspace(0, 2, 20).astype(np.float32)
    expected, history = fit(sample_weight=weight)
    generator = ((X[i : i + 6], Y[i : i + 6], weight[i : i + 6]) for i in range(0, 20, 6))
    actual, other = fit(generator, None, batch_size=None)
    assert_same_weights(actual, expected)
    assert other["loss"] == pytest.approx(history["loss"])


def test_a_generator_that_ends_early_gives_a_warning_and_a_valid_history():
    generator = ((X[:6], Y[:6]) for _ in range(5))
    with pytest.warns(UserWarning, match="data ran out: 2 of 3 batches in this epoch"):
        model, history = fit(generator, None, batch_size=None, steps_per_epoch=3, epochs=4)
    assert len(history["loss"]) == 2
    assert model.optimizer.iterations == 5
    generator = ((X[:6], Y[:6]) for _ in range(2))
    with pytest.warns(UserWarning, match="data ran out: no batches in this epoch"):
        model, history = fit(generator, None, batch_size=None, epochs=3)
    assert len(history["loss"]) == 1
    assert model.history.epoch == [0]


def test_steps_per_epoch_goes_on_where_the_last_epoch_stopped():
    """Five epochs of two steps are two and a half passes of four batches."""
    model, history = fit(steps_per_epoch=2, epochs=5)
    assert model.optimizer.iterations == 10
    assert len(history["loss"]) == 5
    whole, expected = fit(epochs=2)
    model, history = fit(steps_per_epoch=2, epochs=4)
    assert_same_weights(model, whole)
    weighted = (history["loss"][0] * 12 + history["loss"][1] * 8) / 20
    assert weighted == pytest.approx(expected["loss"][0])
    model, _ = fit(steps_per_epoch=10, batch_size=None)
    assert model.optimizer.iterations == 10  # batches of 2


def test_class_weight_equals_sample_weight():
    weights = {0: 2.0, 2: 0.5}
    sample_weight = np.array([weights.get(label, 1.0) for label in LABELS])
    expected, _ = fit(sample_weight=sample_weight)
    actual, _ = fit(class_weight=weights)
    assert_same_weights(actual, expected)
    for y in (LABELS, LABELS[:, None]):
        loss = losses.SparseCategoricalCrossentropy(from_logits=True)
        expected, _ = fit(y=y, model=linear(loss), sample_weight=sample_weight)
        actual, _ = fit(y=y, model=linear(loss), class_weight=weights)
        assert_same_weights(actual, expected)


# -------------------------------------------------------------------------------------- validation


def test_validation_split_takes_the_last_part_before_shuffling():
    model, history = fit(validation_split=0.25, epochs=2, shuffle=True)
    assert list(history) == ["loss", "val_loss"]
    set_random_seed(4)
    expected, other = fit(X[:15], Y[:15], validation_data=(X[15:], Y[15:]), epochs=2, shuffle=True)
    assert_same_weights(model, expected)
    assert history == other
    assert history["val_loss"][-1] == pytest.approx(model.evaluate(X[15:], Y[15:], verbose=0))


def test_validation_is_weighted_by_its_own_weights_only():
    weight = np.linspace(0, 2, 20)
    model, history = fit(
        class_weight={0: 9.0}, validation_data=(X, Y, weight), validation_batch_size=3
    )
    assert history["val_loss"][0] == pytest.approx(
        model.evaluate(X, Y, sample_weight=weight, verbose=0)
    )


@pytest.mark.parametrize(("frequency", "count"), [(1, 5), (2, 2), ([1, 5], 2), (7, 0)])
def test_validation_frequency(frequency, count):
    _, history = fit(validation_data=(X, Y), validation_freq=frequency, epochs=5)
    assert len(history.get("val_loss", [])) == count
    assert len(history["loss"]) == 5


def test_validation_steps_and_generators():
    _, history = fit(validation_data=(X, Y), validation_steps=1, validation_batch_size=5)
    model, _ = fit()
    assert history["val_loss"][0] == pytest.approx(model.evaluate(X[:5], Y[:5], verbose=0))
    generator = ((X[i : i + 10], Y[i : i + 10]) for i in (0, 10, 0, 10))
    model, history = fit(validation_data=generator, validation_steps=2, epochs=2)
    assert history["val_loss"][1] == pytest.approx(model.evaluate(X, Y, verbose=0))


# ------------------------------------------------------------------------------ history, reporting


def test_history_and_logs():
    model = linear(metrics=["accuracy"])
    history = model.fit(X, Y, epochs=5, initial_epoch=2, verbose=0, validation_data=(X, Y))
    assert history is model.history
    assert list(history.history) == ["accuracy", "loss", "val_accuracy", "val_loss"]
    assert history.epoch == [2, 3, 4]
    assert history.params == {"verbose": 0, "epochs": 5, "steps": 1}
    assert model.metrics_names == ["loss", "accuracy"]
    mine = callbacks.History()
    assert model.fit(X, Y, verbose=0, callbacks=[mine]) is mine


def test_loss_is_the_mean_over_samples_and_not_over_batches():
    model = linear(optimizer=optimizers.SGD(0.0))
    whole = model.evaluate(X, Y, batch_size=20, verbose=0)
    for batch_size in (1, 7, 32):
        assert model.evaluate(X, Y, batch_size=batch_size, verbose=0) == pytest.approx(whole)
        history = model.fit(X, Y, batch_size=batch_size, verbose=0).history
        assert history["loss"][0] == pytest.approx(whole)


def test_what_evaluate_returns():
    assert isinstance(linear().evaluate(X, Y, verbose=0), float)
    model = linear(metrics=["acc"])
    loss, accuracy = model.evaluate(X, Y, verbose=0)
    logs = model.evaluate(X, Y, verbose=0, return_dict=True)
    assert logs == {"acc": accuracy, "loss": loss}
    assert model.evaluate(X, Y, steps=1, batch_size=5, verbose=0) == model.evaluate(
        X[:5], Y[:5], batch_size=5, verbose=0
    )


def test_predict_on_arrays_generators_and_nothing():
    model = linear()
    whole = model.predict(X, verbose=0)
    assert whole.dtype == np.float32
    batches = [X[i : i + 6] for i in range(0, 20, 6)]
    np.testing.assert_array_equal(model.predict((b for b in batches), verbose=0), whole)
    pairs = ((b, None) for b in batches)
    np.testing.assert_array_equal(model.predict(pairs, verbose=0, steps=2), whole[:12])
    np.testing.assert_array_equal(model.predict(X, 5, verbose=0, steps=2), whole[:10])
    assert model.predict(X[:0], verbose=0).shape == (0, 3)


def test_order_of_hooks():
    recorder = Recorder()
    fit(X[:4], Y[:4], batch_size=2, callbacks=recorder, validation_data=(X[:2], Y[:2]))
    assert recorder.calls == [
        "on_train_begin", ("on_epoch_begin", 0),
        ("on_train_batch_begin", 0), ("on_train_batch_end", 0),
        ("on_train_batch_begin", 1), ("on_train_batch_end", 1),
        "on_test_begin", ("on_test_batch_begin", 0), ("on_test_batch_end", 0), "on_test_end",
        ("on_epoch_end", 0), "on_train_end",
    ]  # fmt: skip
    recorder.calls.clear()
    linear().evaluate(X[:2], Y[:2], verbose=0, callbacks=[recorder])
    assert recorder.calls == [
        "on_test_begin", ("on_test_batch_begin", 0), ("on_test_batch_end", 0), "on_test_end",
    ]  # fmt: skip
    recorder.calls.clear()
    linear().predict(X[:2], verbose=0, callbacks=[recorder])
    assert recorder.calls == [
        "on_predict_begin", ("on_predict_batch_begin", 0), ("on_predict_batch_end", 0),
        "on_predict_end",
    ]  # fmt: skip


LINE = r"4/4 ━{20} \d+s \d+(us|ms|s)/step - accuracy: \d\.\d{4} - loss: \d\.\d{4}"
VALIDATION = r" - val_accuracy: \d\.\d{4} - val_loss: \d\.\d{4}"


def test_what_is_printed_off_a_terminal(capsys):
    """One line per epoch, no colours, nothing redrawn."""
    model = linear(metrics=["accuracy"])
    model.fit(X, Y, batch_size=5, epochs=2, validation_data=(X, Y))
    lines = capsys.readouterr().out.split("\n")
    assert [lines[0], lines[2], lines[4]] == ["Epoch 1/2", "Epoch 2/2", ""]
    assert re.fullmatch(LINE + VALIDATION, lines[1])
    model.fit(X, Y, batch_size=5, verbose=1)
    assert re.fullmatch(LINE + "\n", capsys.readouterr().out)
    model.evaluate(X, Y, batch_size=5)
    assert re.fullmatch(LINE + "\n", capsys.readouterr().out)
    model.predict(X, batch_size=5)
    assert re.fullmatch(r"4/4 ━{20} \d+s \d+(us|ms|s)/step\n", capsys.readouterr().out)
    model.fit(X, Y, batch_size=5, verbose=2)
    assert re.fullmatch(r"4/4 - \d+s - \d+(us|ms|s)/step - accuracy: .* - loss: .*\n",
                        capsys.readouterr().out)  # fmt: skip
    model.fit(X, Y, batch_size=5, verbose=0)
    model.predict(X, verbose=0)
    assert capsys.readouterr().out == ""


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


def test_what_is_drawn_on_a_terminal(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    progress = Progress("auto", steps=100)
    progress.epoch(0)
    for done in range(1, 101):
        if progress.due(done):
            progress.draw(done, {"loss": 0.25})
    progress.end(100, {"loss": 0.0001})
    drawings = re.sub(r"\x1b\[\d+m", "", terminal.getvalue()).split("\r")
    assert len(drawings) == 3  # the first, then none within 0.05 s, and the last
    assert re.fullmatch(r"  1/100 ━{20} \d+s \S+/step - loss: 0\.2500", drawings[1])
    assert re.fullmatch(r"100/100 ━{20} 0s \S+/step - loss: 1\.0000e-04 *\n", drawings[2])


def test_a_bar_of_unknown_length(monkeypatch):
    monkeypatch.setattr(sys, "stdout", terminal := Terminal())
    progress = Progress(1)
    progress.draw(7, {})
    progress.end(9, {})
    drawings = re.sub(r"\x1b\[\d+m", "", terminal.getvalue()).split("\r")
    assert drawings[1].startswith("      7/Unknown 0s")
    assert drawings[2].startswith("9/9 ━")


def test_the_bar_is_plain_where_its_character_is_unknown(monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    linear().fit(X, Y, batch_size=5)
    sys.stdout.flush()
    assert raw.getvalue().startswith(b"4/4 -------------------- 0s")


# ------------------------------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"x": None}, ValueError, "`x` must be given, received None"),
        ({"y": None}, ValueError, "`y` must be given, received None"),
        ({"x": X[:0], "y": Y[:0]}, ValueError, "`x` must hold at least one sample, received none"),
        ({"y": Y[:7]}, ValueError, "`x` and `y` must have one length, received 20 and 7 samples"),
        ({"x": X[:, :4]}, ValueError, r"`x` must have shape \(None, 5\), received \(20, 4\)"),
        ({"x": X.astype(complex)}, TypeError, "`x` must hold integers or floats, .*complex128"),
        ({"x": X.astype(object)}, TypeError, "received dtype object"),
        ({"x": X.astype(str)}, TypeError, "received dtype <U"),
        ({"x": X > 0}, TypeError, "received dtype bool"),
        ({"x": 3.0}, TypeError, "must be an array or an iterable of batches"),
        ({"batch_size": 0}, ValueError, "`batch_size` must be positive, received 0"),
        ({"batch_size": 2.5}, TypeError, "`batch_size` must be an integer, received 2.5"),
        ({"epochs": 0}, ValueError, "`epochs` must be positive, received 0"),
        ({"initial_epoch": -1}, ValueError, "`initial_epoch` must not be negative"),
        ({"verbose": 3}, ValueError, "`verbose` must be 'auto', 0, 1 or 2, received 3"),
        ({"shuffle": "batch"}, ValueError, "`shuffle` must be True or False, received 'batch'"),
        ({"steps_per_epoch": 0}, ValueError, "`steps_per_epoch` must be positive"),
        ({"validation_split": 1.5}, ValueError, "`validation_split` must be at least 0 and below"),
        ({"validation_split": 0.99}, ValueError, "of 20 samples leaves 0 to train on and 20"),
        ({"validation_data": (X,)}, ValueError, r"must be \(x, y\) or .*received 1 parts"),
        ({"validation_data": (X[:0], Y[:0])}, ValueError, "`validation_data` must hold at least"),
        ({"validation_freq": 0}, ValueError, "`validation_freq` must be positive"),
        ({"sample_weight": np.ones(3)}, ValueError, "`x` and `sample_weight` must have one length"),
        ({"sample_weight": np.ones((20, 4))}, ValueError, "`sample_weight` must have shape"),
        ({"sample_weight": ["a"] * 20}, TypeError, "`sample_weight` must hold integers or floats"),
        (
            {"sample_weight": np.ones(20), "class_weight": {0: 1.0}},
            ValueError,
            "only one of `class_weight` and `sample_weight`",
        ),
        ({"class_weight": [1.0, 2.0]}, TypeError, "`class_weight` must be a dict, received"),
        ({"callbacks": [3]}, TypeError, "`callbacks` must be instances of .*received 3"),
    ],
)
def test_fit_refuses(arguments, error, message):
    model = linear()
    before = model.get_weights()
    with pytest.raises(error, match=message):
        model.fit(**({"x": X, "y": Y, "verbose": 0} | arguments))
    np.testing.assert_array_equal(model.get_weights()[0], before[0])
    model.fit(X, Y, verbose=0)  # nothing stays locked or broken


@pytest.mark.parametrize(
    ("batches", "arguments", "error", "message"),
    [
        ([(X, Y)], {"y": Y}, ValueError, "`y` must be None when `x` yields batches"),
        ([(X, Y)], {"batch_size": 4}, ValueError, "`batch_size` must be None when `x` yields"),
        ([(X, Y)], {"class_weight": {0: 1}}, ValueError, "`class_weight` must be None when"),
        ([(X, Y)], {"validation_split": 0.5}, ValueError, "`validation_split` needs arrays"),
        ([], {}, ValueError, "`x` must yield at least one batch, received none"),
        ([X], {}, ValueError, "received x alone"),
        ([(X, Y, Y, Y)], {}, ValueError, "received 4 parts"),
        ([(X, Y[:3])], {}, ValueError, "must have one length, received 20 and 3 samples"),
        ([(X[:0], Y[:0])], {}, ValueError, "at least one sample"),
        ([(X[:, :2], Y)], {}, ValueError, "`x` must have shape"),
    ],
)
def test_fit_refuses_iterables(batches, arguments, error, message):
    with pytest.raises(error, match=message):
        linear().fit((batch for batch in batches), verbose=0, **arguments)


def test_compile_comes_first_and_needs_a_loss():
    model = models.Sequential([layers.Input((5,)), layers.Dense(3)])
    with pytest.raises(RuntimeError, match=r"call compile\(\) before fit\(\)"):
        model.fit(X, Y)
    with pytest.raises(RuntimeError, match=r"call compile\(\) before evaluate\(\)"):
        model.evaluate(X, Y)
    model.compile("sgd")
    with pytest.raises(ValueError, match=r"fit\(\) needs a loss; give `loss` to compile\(\)"):
        model.fit(X, Y)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"run_eagerly": True}, "`run_eagerly` must be False, received True"),
        ({"steps_per_execution": 4}, "`steps_per_execution` must be 1, received 4"),
        ({"loss_weights": [float("nan")]}, "`loss_weights` must be finite"),
        ({"metrics": "accuracy"}, "`metrics` must be a list or a dict, received 'accuracy'"),
        ({"optimizer": "muon"}, "`optimizer` must be one of"),
        ({"loss": "hing"}, "`loss` must be one of"),
    ],
)
def test_compile_refuses(arguments, message):
    model = linear()
    with pytest.raises(ValueError, match=message):
        model.compile(**arguments)
    assert model.loss == "mse"


def test_one_fit_at_a_time():
    model = linear()
    inside, go_on = threading.Event(), threading.Event()

    def wait(batch, logs):
        inside.set()
        assert go_on.wait(timeout=10)

    slow = callbacks.LambdaCallback(on_train_batch_begin=wait)
    thread = threading.Thread(target=fit, kwargs={"model": model, "callbacks": slow})
    thread.start()
    try:
        assert inside.wait(timeout=10)
        with pytest.raises(RuntimeError, match="is being fitted already"):
            model.fit(X, Y, verbose=0)
    finally:
        go_on.set()
        thread.join()
    model.fit(X, Y, verbose=0)


def test_evaluate_and_predict_inside_of_fit():
    model = linear()
    seen = []
    check = callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append(
            (model.evaluate(X, Y, verbose=0), model.predict(X, verbose=0).shape)
        )
    )
    _, history = fit(model=model, callbacks=check, epochs=2, validation_data=(X, Y))
    assert [loss for loss, _ in seen] == pytest.approx(history["val_loss"])


def test_ctrl_c_leaves_the_weights_of_the_last_whole_step():
    model = linear("mse", optimizers.Adam(0.1, clipnorm=1.0, weight_decay=0.1))
    expected = linear("mse", optimizers.Adam(0.1, clipnorm=1.0, weight_decay=0.1))
    interrupt = callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: batch == 2 and os.kill(os.getpid(), signal.SIGINT)
    )
    with pytest.raises(KeyboardInterrupt):
        fit(model=model, callbacks=interrupt, epochs=3)
    fit(X[:18], Y[:18], model=expected)  # three steps of six
    assert_same_weights(model, expected)
    fit(model=model)  # and it can go on


def test_ctrl_c_at_any_moment_leaves_whole_weights(tmp_path):
    """A process is interrupted from outside; its weights are those after some number of steps."""
    script = tmp_path / "train.py"
    script.write_text("""
import numpy as np
from fastconv import layers, models, optimizers
model = models.Sequential([layers.Input((64,)), layers.Dense(512), layers.Dense(3)])
model.set_weights([np.full(w.shape, 1e-3, np.float32) for w in model.get_weights()])
model.compile(optimizers.SGD(0.01), "mse")
x, y = np.ones((64, 64), np.float32), np.ones((64, 3), np.float32)
states = []
def remember(batch, logs):
    states.append([w.copy() for w in model.get_weights()])
    if len(states) == 3:
        print("go", flush=True)
from fastconv.callbacks import LambdaCallback
try:
    model.fit(x, y, batch_size=64, epochs=10**6, shuffle=False, verbose=0,
              callbacks=LambdaCallback(on_train_batch_end=remember))
except KeyboardInterrupt:
    steps = len(states)
    left = model.get_weights()
    fresh = models.Sequential.from_config(model.get_config())
    fresh.set_weights(states[-1])
    fresh.compile(optimizers.SGD(0.01), "mse")
    fresh.fit(x, y, batch_size=64, shuffle=False, verbose=0)
    same = [all(np.array_equal(a, b) for a, b in zip(left, other))
            for other in (states[-1], fresh.get_weights())]
    print("whole" if any(same) else "torn", flush=True)
""")
    process = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])},
    )
    with process:
        assert process.stdout.readline() == "go\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.read() == "whole\n"
    assert process.returncode == 0


def test_a_forked_child_predicts_after_a_fit_on_several_threads(tmp_path):
    script = tmp_path / "fork.py"
    script.write_text("""
import os, warnings
import numpy as np
from fastconv import layers, models, runtime
runtime.set_num_threads(2)
model = models.Sequential([layers.Input((16, 16, 8)), layers.Conv2D(32, 3), layers.Flatten(),
                           layers.Dense(3)])
model.compile("sgd", "mse")
x = np.random.default_rng(0).standard_normal((64, 16, 16, 8)).astype(np.float32)
model.fit(x, np.zeros((64, 3)), verbose=0)
expected = model.predict(x, verbose=0)
warnings.simplefilter("ignore")
child = os.fork()
if child == 0:
    os._exit(0 if np.array_equal(model.predict(x, verbose=0), expected) else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
""")
    result = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])},
    )
    assert result.stdout == "0\n", result.stderr


def test_the_lectures_callback_listing():
    """One target per sample against ten outputs, batches of one, and an early stop."""
    stop = callbacks.EarlyStopping(monitor="loss", patience=3)
    model = models.Sequential([layers.Dense(10)])
    model.compile(optimizers.SGD(), loss="mse")
    with warnings.catch_warnings(), np.errstate(over="ignore"):
        history = model.fit(np.arange(100).reshape(5, 20), np.zeros(5),
                            epochs=10, batch_size=1, callbacks=[stop], verbose=0)  # fmt: skip
    assert 4 <= len(history.history["loss"]) <= 10


def test_single_batches_do_what_fit_and_evaluate_do():
    fitted, history = fit(batch_size=20)
    stepped = linear()
    assert stepped.train_on_batch(X, Y, return_dict=True) == {"loss": history["loss"][0]}
    assert_same_weights(fitted, stepped)
    stepped.reset_metrics()
    assert stepped.test_on_batch(X, Y) == fitted.evaluate(X, Y, batch_size=20, verbose=0)
    np.testing.assert_array_equal(
        stepped.predict_on_batch(X), fitted.predict(X, batch_size=20, verbose=0)
    )
    assert stepped.predict_on_batch(X[:0]).shape == (0, 3)
    with pytest.raises(ValueError, match=r"`x` must have shape \(None, 5\), received \(20, 4\)"):
        stepped.predict_on_batch(X[:, :4])
    with pytest.raises(ValueError, match="at least one sample"):
        stepped.train_on_batch(X[:0], Y[:0])


def test_values_of_single_batches_are_means_until_they_are_reset():
    model = linear(optimizer=optimizers.SGD(0.0))
    first, second = model.train_on_batch(X[:5], Y[:5]), model.train_on_batch(X[5:10], Y[5:10])
    model.reset_metrics()
    alone = model.train_on_batch(X[5:10], Y[5:10])
    assert second == pytest.approx((first + alone) / 2)
