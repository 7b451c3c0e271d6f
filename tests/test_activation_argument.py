"""What `activation=` of a layer may be beside a name, and what happens when it is assigned."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from fastconv import activations, callbacks, explain, layers, models
from tests.support.layer_passes import passes
from tests.support.oracle import generator

GOLDEN = Path(__file__).parent / "golden" / "activated.zip"


@pytest.fixture
def golden(tmp_path):
    """Where Keras's files are, and arrays that Keras computed."""
    with zipfile.ZipFile(GOLDEN) as archive:
        archive.extractall(tmp_path)
    with np.load(tmp_path / "arrays.npz") as arrays:
        return tmp_path, dict(arrays)


@pytest.mark.parametrize("name", ["activated.keras", "activated.h5"])
def test_keras_files_with_layers_as_activations(golden, name):
    directory, arrays = golden
    model = models.load_model(directory / name)
    y = model.predict(arrays["x"], verbose=0)
    np.testing.assert_allclose(y, arrays["y"], atol=1e-6)
    model.save(directory / f"again_{name}")
    again = models.load_model(directory / f"again_{name}")
    np.testing.assert_array_equal(again.predict(arrays["x"], verbose=0), y)
    assert again.layers[0].activation.negative_slope == pytest.approx(0.1)
    assert explain(again).layers[0].multiply_adds == 4 * 3 * 2 * 2 * 2 * 3


def test_an_assigned_activation_takes_effect_at_once(golden):
    directory, arrays = golden
    model = models.load_model(directory / "activated.keras")
    outer = models.Sequential([model, layers.Rescaling(2.0)])
    before = model.predict(arrays["x"], verbose=0), outer.predict(arrays["x"], verbose=0)
    model.layers[-1].activation = None
    assert model.layers[-1].activation is activations.linear
    np.testing.assert_allclose(model.predict(arrays["x"], verbose=0), arrays["linear"], atol=1e-6)
    np.testing.assert_allclose(
        outer.predict(arrays["x"], verbose=0), 2 * arrays["linear"], atol=1e-5
    )
    model.layers[-1].activation = "softmax"
    np.testing.assert_allclose(model.predict(arrays["x"], verbose=0), before[0], atol=1e-6)
    np.testing.assert_allclose(outer.predict(arrays["x"], verbose=0), before[1], atol=1e-6)


def test_an_activation_assigned_while_training_is_trained_with():
    def network(activation):
        kernel = np.array([[1.0], [-2.0]], np.float32)
        model = models.Sequential(
            [layers.Input((2,)), layers.Dense(1, activation, kernel_initializer=kernel)]
        )
        model.compile("sgd", "mse")
        return model

    x, y = generator("x").standard_normal((8, 2)).astype(np.float32), np.zeros((8, 1))
    changed, relu, linear = network("relu"), network("relu"), network(None)
    hook = callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: setattr(changed.layers[0], "activation", None)
    )
    changed.fit(x, y, epochs=2, shuffle=False, verbose=0, callbacks=[hook])
    relu.fit(x, y, epochs=1, shuffle=False, verbose=0)
    linear.set_weights(relu.get_weights())
    linear.fit(x, y, epochs=1, shuffle=False, verbose=0)
    for a, b in zip(changed.get_weights(), linear.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda a: layers.Conv1D(3, 2, activation=a), "leaky"),
        (lambda a: layers.Conv1D(3, 2, activation=a, data_format="channels_first"), "softmax"),
        (lambda a: layers.Dense(3, activation=a), "softmax"),
        (lambda a: layers.Dense(3, activation=a), "leaky"),
        (lambda a: layers.Activation(a), "bounded"),
    ],
)
def test_a_layer_as_activation_is_that_layer_behind(make, name):
    activation = {
        "leaky": lambda: layers.LeakyReLU(0.1),
        "softmax": lambda: layers.Softmax(axis=1),
        "bounded": lambda: layers.ReLU(max_value=0.5, negative_slope=0.1, threshold=0.2),
    }[name]
    x = generator("x").standard_normal((2, 5, 4)).astype(np.float32)
    inside, alone = make(activation()), make(None)
    outer = models.Sequential([layers.Input((5, 4)), alone, activation()])
    model = models.Sequential([layers.Input((5, 4)), inside])
    outer.set_weights(model.get_weights())
    for m in (outer, model):
        m.compile("sgd", "mse")
    expected = outer.predict(x, verbose=0)
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, atol=1e-6)
    target = np.zeros_like(expected)
    for m in (outer, model) if model.weights else ():
        m.fit(x, target, epochs=2, verbose=0)
    for a, b in zip(outer.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    clone = models.clone_model(model)
    clone.set_weights(model.get_weights())
    np.testing.assert_array_equal(clone.predict(x, verbose=0), model.predict(x, verbose=0))


def test_the_penalty_of_a_layer_as_activation_counts():
    inner = layers.ReLU(activity_regularizer="l2")
    model = models.Sequential([layers.Input((2,)), layers.Dense(2, inner, use_bias=False)])
    model.set_weights([np.eye(2, dtype=np.float32)])
    model.compile("sgd", "mse")
    x = np.array([[3.0, -1.0]], np.float32)
    assert model.evaluate(x, [[3.0, 0.0]], verbose=0) == pytest.approx(0.01 * 9)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda: layers.Dense(3, activation=layers.PReLU(name="p")),
            TypeError,
            r"`activation` may be a layer without weights .* received <PReLU name=p, .*behind",
        ),
        (lambda: layers.Conv2D(3, 1, activation=layers.Dropout(0.5)), TypeError, "<Dropout "),
        (
            lambda: layers.Activation(layers.LeakyReLU),
            TypeError,
            r"must be a layer, not its class: received LeakyReLU, write LeakyReLU\(\)",
        ),
        (lambda: layers.Dense(3, activation=3), TypeError, "`activation` must be None, one"),
        (
            lambda: layers.Dense(3, activation={"class_name": "Dense", "config": {"units": 3}}),
            TypeError,
            "`activation` may be a layer without weights .* received <Dense ",
        ),
        (
            lambda: layers.Dense(3, activation=layers.Softmax(3)).operations((None, 4)),
            ValueError,
            "`axis` of .* must be from 1 to 1",
        ),
    ],
)
def test_an_activation_that_does_not_fit_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_a_refused_assignment_changes_nothing():
    layer = layers.Dense(3, activation="relu")
    with pytest.raises(ValueError, match="`activation` must be one of"):
        layer.activation = "rellu"
    assert layer.activation is activations.relu


def test_softmax_functions_over_several_axes(golden):
    _, arrays = golden
    x = arrays["x"]
    for function in (activations.softmax, activations.log_softmax):
        for axis in (-1, 1, (1, 2), (0, 3), (1, 2, 3), None):
            expected = arrays[f"{function.__name__}{axis}"]
            np.testing.assert_allclose(function(x, axis=axis), expected, rtol=1e-5, atol=1e-6)
            if isinstance(axis, tuple):
                backwards = [a - 4 for a in reversed(axis)]
                np.testing.assert_allclose(
                    function(x, axis=backwards), expected, rtol=1e-5, atol=1e-6
                )


@pytest.mark.parametrize(
    ("axis", "error"),
    [
        (4, ValueError), (-5, ValueError), ((1, 1), ValueError), ((1, -3), ValueError),
        ((), ValueError), (2**63, ValueError), (1.0, TypeError), (True, TypeError),
        ((1, "2"), TypeError),
    ],
)  # fmt: skip
def test_softmax_functions_refuse_axes(axis, error):
    for function in (activations.softmax, activations.log_softmax):
        with pytest.raises(error, match="`axis` must"):
            function(np.zeros((2, 3, 4, 5)), axis=axis)


def test_axes_may_be_integers_of_numpy():
    x = generator("x").standard_normal((2, 3, 4)).astype(np.float32)
    y, _, _ = passes(layers.Softmax(np.int64(1)), x, x)
    np.testing.assert_array_equal(y, passes(layers.Softmax(1), x, x)[0])
