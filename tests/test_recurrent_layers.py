"""LSTM and GRU as layers: real Keras, training, files, exported programs."""

from __future__ import annotations

import numpy as np
import pytest

from fastconv import export, layers, models, optimizers, reference, runtime
from fastconv.ops import compiled
from fastconv.utils import set_random_seed
from tests.golden.golden_file import load
from tests.support.layer_passes import build, passes
from tests.test_normalization_layers import named, numbered

CASES, ARRAYS = load("recurrent.npz")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_layers_compute_what_keras_computes(case, isa):
    golden = named(ARRAYS, case["name"])
    layer = build(getattr(layers, case["class"])(**case["arguments"]), golden["x"].shape[1:])
    layer.set_weights(numbered(golden, "before_"))
    y, dx, gradients = passes(layer, golden["x"], golden["dy"])
    np.testing.assert_allclose(y, golden["y"], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(dx, golden["dx"], rtol=1e-5, atol=1e-5)
    trained = [gradients[v.name] for v in layer.trainable_weights]
    for gradient, want in zip(trained, numbered(golden, "gradient_"), strict=True):
        np.testing.assert_allclose(gradient, want, rtol=1e-5, atol=2e-5)
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()


def tagger(cls, **options):
    """A network over sequences in both directions."""
    set_random_seed(3)
    x = layers.Input((6, 5))
    ahead = cls(20, return_sequences=True, **options)(x)
    back = cls(20, return_sequences=True, go_backwards=True, **options)(x)
    y = layers.Concatenate()([ahead, back])
    model = models.Model(x, layers.Dense(3)(cls(4)(y)))
    model.compile(optimizers.Adam(0.02), "mse")
    return model


@pytest.mark.parametrize("cls", [layers.LSTM, layers.GRU])
def test_training_lowers_the_loss_with_the_same_bits_at_any_number_of_threads(cls):
    rng = np.random.default_rng(1)
    x = rng.standard_normal((40, 6, 5), np.float32)
    t = x.cumsum(1)[:, -1, :3]
    weights = []
    for threads in (1, 2, 3):
        with runtime.num_threads(threads):
            model = tagger(cls)
            losses = model.fit(x, t, 8, epochs=12, verbose=0).history["loss"]
        weights.append(model.get_weights())
    assert losses[-1] < 0.7 * losses[0]
    for other in weights[1:]:
        for a, b in zip(weights[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("cls", [layers.LSTM, layers.GRU])
def test_weights_of_a_frozen_layer_stay(cls):
    model = tagger(cls)
    model.layers[1].trainable = False
    model.compile("sgd", "mse")
    before = [w.copy() for w in model.get_weights()]
    model.fit(np.ones((4, 6, 5)), np.zeros((4, 3)), verbose=0)
    changed = [not np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True)]
    assert changed[:3] == [False] * 3
    assert all(changed[3:])


@pytest.mark.parametrize("cls", [layers.LSTM, layers.GRU])
def test_a_file_keeps_the_layers(cls, tmp_path):
    model = tagger(cls)
    model.save(tmp_path / "model.keras")
    x = np.random.default_rng(2).standard_normal((3, 6, 5), np.float32)
    again = models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))
    model.save_weights(tmp_path / "model.weights.h5")
    other = tagger(cls, kernel_initializer="zeros")
    other.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(other.predict(x, verbose=0), model.predict(x, verbose=0))


@pytest.mark.parametrize("cls", [layers.LSTM, layers.GRU])
def test_an_exported_program_has_the_bits_of_predict(cls, isa):
    model = tagger(cls)
    program = export.make_program(model, 2)
    x = np.random.default_rng(2).standard_normal((2, 6, 5), np.float32)
    for threads in (1, 2):
        y = np.empty((2, 3), np.float32)
        compiled.Network(program.words, program.weights, isa, threads).run([x], [y])
        np.testing.assert_array_equal(y, model.predict_on_batch(x))


def test_sequences_of_any_length():
    x = layers.Input((None, 5))
    model = models.Model(x, layers.LSTM(4, go_backwards=True)(x))
    w, r, b = model.get_weights()
    for steps in (1, 7):
        given = np.random.default_rng(steps).standard_normal((2, steps, 5), np.float32)
        zeros = np.zeros((2, 4))
        want = reference.lstm(given[:, ::-1], w, r, b, zeros, zeros)[1]
        np.testing.assert_allclose(model.predict(given, verbose=0), want, rtol=1e-4, atol=1e-6)


def test_the_gate_that_forgets_begins_open():
    layer = layers.LSTM(2)
    layer.build((None, 3, 4))
    assert layer.get_weights()[2].tolist() == [0, 0, 1, 1, 0, 0, 0, 0]
    layer = layers.LSTM(2, unit_forget_bias=False)
    layer.build((None, 3, 4))
    assert not layer.get_weights()[2].any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"activation": "relu"}, "`activation` of LSTM must be 'tanh', received 'relu'"),
        ({"dropout": 0.5}, "`dropout` of LSTM must be 0.0, received 0.5"),
        ({"return_state": True}, "`return_state` of LSTM must be False"),
        ({"stateful": True}, "`stateful` of LSTM must be False"),
    ],
)
def test_options_that_are_not_supported_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        layers.LSTM(4, **arguments)


def test_a_gru_multiplies_after_the_product():
    with pytest.raises(ValueError, match="`reset_after` of GRU must be True"):
        layers.GRU(4, reset_after=False)


def test_images_are_refused():
    with pytest.raises(ValueError, match=r"takes inputs \(batch, steps, features\)"):
        layers.LSTM(4)(layers.Input((3, 4, 5)))
