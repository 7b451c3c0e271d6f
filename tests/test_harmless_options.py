"""Options of Keras that other people's programs give: what they change, and that some of them
change nothing."""

from __future__ import annotations

import numpy as np
import pytest

from fastconv import callbacks, layers, models
from fastconv.common.naming import reset
from fastconv.utils import set_random_seed

X, Y = np.arange(24.0).reshape(8, 3) / 24, np.arange(8.0)


def network(**options):
    reset()
    set_random_seed(1)
    model = models.Sequential([layers.Input((3,)), layers.Dense(4, "tanh"), layers.Dense(1)])
    model.compile("adam", "mse", **options)
    return model


@pytest.mark.parametrize(
    "options",
    [{"run_eagerly": True}, {"steps_per_execution": 4}, {"steps_per_execution": "auto"},
     {"jit_compile": True}, {"auto_scale_loss": False}],
)  # fmt: skip
def test_options_of_execution_change_no_bit(options):
    trained = []
    for model_options in ({}, options):
        model = network(**model_options)
        model.fit(X, Y, epochs=2, batch_size=3, verbose=0)
        trained.append(model.get_weights())
    for a, b in zip(*trained, strict=True):
        np.testing.assert_array_equal(a, b)


class Calls(callbacks.Callback):
    """The numbers of batches of all calls, and those of samples that a batch of predict holds."""

    def __init__(self):
        super().__init__()
        self.begun, self.ended, self.samples = [], [], []

    def on_train_batch_begin(self, batch, logs=None):
        self.begun.append(batch)

    def on_train_batch_end(self, batch, logs=None):
        self.ended.append(batch)
        assert logs["loss"] > 0

    on_test_batch_begin, on_predict_batch_begin = on_train_batch_begin, on_train_batch_begin
    on_test_batch_end = on_train_batch_end

    def on_predict_batch_end(self, batch, logs=None):
        self.ended.append(batch)
        self.samples.append(len(logs["outputs"]))


@pytest.mark.parametrize(
    "every, begun, ended, samples",
    [(1, [0, 1, 2], [0, 1, 2], [3, 3, 2]), (2, [0, 2], [1, 3], [6, 2]), (5, [0], [4], [8])],
)
@pytest.mark.parametrize("mode", ["fit", "evaluate", "predict", "predict of batches"])
def test_callbacks_run_once_per_execution(mode, every, begun, ended, samples):
    model, calls = network(steps_per_execution=every), Calls()
    if mode == "fit":
        model.fit(X, Y, batch_size=3, callbacks=calls, verbose=0)
    elif mode == "evaluate":
        model.evaluate(X, Y, batch_size=3, callbacks=calls, verbose=0)
    else:
        batches = (X[i : i + 3] for i in (0, 3, 6))
        x = (X,) if mode == "predict" else (batches,)
        size = {"batch_size": 3} if mode == "predict" else {}
        model.predict(*x, **size, callbacks=calls, verbose=0)
        assert calls.samples == samples
    assert (calls.begun, calls.ended) == (begun, ended)


def test_files_hold_the_steps_per_execution(tmp_path):
    model, calls = network(steps_per_execution=4), Calls()
    model.save(tmp_path / "model.keras")
    models.load_model(tmp_path / "model.keras").fit(X, Y, batch_size=1, callbacks=calls, verbose=0)
    assert calls.ended == [3, 7]


def test_steps_per_execution_must_be_positive():
    with pytest.raises(ValueError, match="`steps_per_execution` must be positive"):
        network(steps_per_execution=0)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_model_is_saved_without_its_optimizer(suffix, tmp_path):
    model = network()
    model.fit(X, Y, verbose=0)
    small, large = tmp_path / f"small{suffix}", tmp_path / f"large{suffix}"
    model.save(small, include_optimizer=False)
    models.save_model(model, large, zipped=True)
    assert small.stat().st_size < large.stat().st_size
    assert models.load_model(large).optimizer.iterations == 1
    copy = models.load_model(small)
    assert not copy.compiled
    np.testing.assert_array_equal(copy.predict(X, verbose=0), model.predict(X, verbose=0))
    assert model.compiled


def test_folders_instead_of_archives_are_refused(tmp_path):
    with pytest.raises(ValueError, match="`zipped` must be None or True, received False"):
        network().save(tmp_path / "model.keras", zipped=False)


@pytest.mark.parametrize(
    "layer_range, shown",
    [(("dense", "dense_1"), ["dense", "dense_1"]), (["dense$", "dense$"], ["dense"]),
     (("dense_1", "dense$"), ["dense", "dense_1"]), (("dense_1", "dense_1"), ["dense_1"]),
     (None, ["dense", "dense_1"])],
)  # fmt: skip
def test_a_summary_shows_a_part_of_the_layers(layer_range, shown):
    texts = []
    network().summary(layer_range=layer_range, print_fn=texts.append, line_length=80)
    rows = [name for name in ("dense", "dense_1") if f"│ {name} (" in texts[0]]
    assert rows == shown
    assert "Total params: 21" in texts[0]


@pytest.mark.parametrize("layer_range", [("dense",), "dense", (1, 2), ("conv", "dense")])
def test_layers_that_do_not_exist_cannot_be_shown(layer_range):
    with pytest.raises(ValueError, match="`layer_range` must"):
        network().summary(layer_range=layer_range)


def test_sizes_of_batches_are_free():
    model = models.Sequential([layers.Input((3,), batch_size=4), layers.Dense(1)])
    assert model.input_shape == (None, 3)
    assert model.predict(X, verbose=0).shape == (8, 1)
    assert layers.Input(batch_shape=(2, 3)).shape == (None, 3)
    with pytest.raises(ValueError, match="`batch_size` must be positive"):
        layers.Input((3,), batch_size=0)


def test_former_names_of_arguments():
    assert layers.InputLayer(input_shape=(3,)).output.shape == (None, 3)
    with pytest.raises(ValueError, match="only one of `shape` and `input_shape`"):
        layers.InputLayer((3,), input_shape=(3,))
    assert layers.LeakyReLU(alpha=0.1).negative_slope == 0.1
    assert layers.LeakyReLU().negative_slope == 0.3
    with pytest.raises(ValueError, match="only one of `negative_slope`"):
        layers.LeakyReLU(0.2, alpha=0.1)
