"""Layers around another layer: `TimeDistributed` against real Keras (`golden/make_wrapped`)."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from fastconv import layers, models, ops
from fastconv.serialization import deserialize, serialize
from tests.golden.golden_file import HERE, load

(CASE,), GOLDEN = load("wrapped.npz")


@pytest.fixture
def model():
    return models.load_model(HERE / "wrapped.keras")


def test_a_file_of_keras_predicts_and_trains_as_there(model):
    """The batch normalization in it takes the statistics of every step on its own."""
    x, target = GOLDEN["x"], GOLDEN["target"]
    np.testing.assert_allclose(model.predict(x, verbose=0), GOLDEN["y"], rtol=1e-5, atol=1e-6)
    losses = [model.train_on_batch(x, target) for _ in range(3)]
    np.testing.assert_allclose(losses, GOLDEN["losses"], rtol=1e-5)
    np.testing.assert_allclose(model.predict(x, verbose=0), GOLDEN["trained"], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["again.keras", "again.weights.h5"])
def test_it_survives_being_saved(model, name, tmp_path):
    x = GOLDEN["x"]
    if name.endswith(".keras"):
        model.save(tmp_path / name)
        again = models.load_model(tmp_path / name)
        assert again.get_config() == model.get_config()
    else:
        model.save_weights(tmp_path / name)
        again = models.clone_model(model)
        again.load_weights(tmp_path / name)
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))


def test_the_configuration_is_that_of_keras(model):
    ours, theirs = serialize(model.layers[0]), CASE["config"]
    assert (ours["module"], ours["class_name"]) == (theirs["module"], theirs["class_name"])
    assert set(ours["config"]) == set(theirs["config"])
    inner, expected = ours["config"]["layer"], theirs["config"]["layer"]
    assert set(inner["config"]) == set(expected["config"])
    again = deserialize(ours, "layers")
    assert again.get_config() == model.layers[0].get_config()


def test_every_step_is_a_call_of_the_layer():
    dense = layers.Dense(3)
    around = layers.TimeDistributed(dense)
    x = np.random.default_rng(0).random((2, 4, 5), dtype=np.float32)
    expected = np.stack([dense(x[:, step]) for step in range(4)], axis=1)
    np.testing.assert_allclose(around(x), expected, rtol=1e-6)
    assert around.output_shape == (None, 4, 3)
    assert [w.shape for w in around.weights] == [(5, 3), (3,)]
    around.trainable = False
    assert not dense.trainable_weights


def test_what_does_not_fit_is_refused():
    with pytest.raises(TypeError, match="`layer` must be a layer, received"):
        layers.TimeDistributed(np.tanh)
    with pytest.raises(ValueError, match="at least 3 axes with a known number of steps"):
        layers.TimeDistributed(layers.Dense(2))(layers.Input((4,)))
    with pytest.raises(ValueError, match="known number of steps"):
        layers.TimeDistributed(layers.Dense(2))(layers.Input((None, 4)))


def test_a_wrapper_of_ones_own():
    class Residual(layers.Wrapper):
        def call(self, inputs):
            return ops.add(inputs, self.layer(inputs))

    x = np.ones((1, 4), np.float32)
    layer = Residual(layers.Dense(4, kernel_initializer="ones"))
    np.testing.assert_array_equal(layer(x), np.full((1, 4), 5))
    assert Residual.from_config(layer.get_config())(x).shape == (1, 4)


def test_tensors_have_operators_as_soon_as_there_are_layers():
    """Whatever else is imported."""
    program = "from fastconv import layers; x = layers.Input((3,)); print((x * 2).shape)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "(None, 3)", done.stderr
