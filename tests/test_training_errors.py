"""What training refuses, and what is left when it is interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from fastconv import callbacks, layers, models, optimizers
from tests.support.linear_model import X, Y, assert_same_weights, fit, linear


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
        ({"x": "pictures/"}, TypeError, "`x` must be an array .*'pictures/'; .*load_img"),
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
        ({"class_weight": {0: 1, 3: 2}}, ValueError, r"among the classes 0 to 2, received \[3\]"),
        ({"class_weight": {-1: 2}}, ValueError, r"among the classes 0 to 2, received \[-1\]"),
        ({"class_weight": {"cat": 2}}, ValueError, r"classes 0 to 2, received \['cat'\]"),
        (
            {"class_weight": {1: -0.5}},
            ValueError,
            r"`class_weight\[1\]` must be finite and at least",
        ),
        ({"class_weight": {2: np.nan}}, ValueError, r"`class_weight\[2\]` must be finite"),
        ({"class_weight": {2: np.inf}}, ValueError, r"`class_weight\[2\]` must be finite"),
        ({"class_weight": {2: "heavy"}}, TypeError, r"`class_weight\[2\]` must be a number"),
        ({"class_weight": [1.0, 2.0]}, TypeError, "`class_weight` must be a dict, received"),
        ({"callbacks": "history"}, TypeError, "`callbacks` must be .*received 'history'"),
        ({"callbacks": [3]}, TypeError, "`callbacks` must be instances of .*received 3"),
    ],
)
def test_fit_refuses_bad_arguments_and_stays_usable(arguments, error, message):
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
        (
            [(X, Y, np.ones(20))],
            {"class_weight": {0: 1}},
            ValueError,
            r"`class_weight` must be None when `x` yields \(x, y, sample_weight\)",
        ),
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
        ({"loss_weights": [float("nan")]}, "`loss_weights` must be finite"),
        ({"metrics": "accuracy"}, "`metrics` must be a list or a dict, received 'accuracy'"),
        ({"optimizer": "muon"}, "`optimizer` must be one of"),
        ({"loss": "hing"}, "`loss` must be one of"),
    ],
)
def test_compile_refuses_bad_arguments_and_keeps_the_old(arguments, message):
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


@pytest.mark.parametrize("method", ["fit", "evaluate", "predict"])
def test_warnings_point_at_the_line_of_the_user(method):
    """Not at one of fastconv's, however many calls lie between."""
    model = linear()

    batches = iter([X[:5] if method == "predict" else (X[:5], Y[:5])])
    steps = {"steps_per_epoch" if method == "fit" else "steps": 3}
    with pytest.warns(UserWarning, match="ran out") as caught:
        getattr(model, method)(batches, verbose=0, **steps)
    assert [warning.filename for warning in caught] == [__file__]
