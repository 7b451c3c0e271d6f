"""Layers composed of several operations: what real Keras computes, gradients, what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

from fastconv import layers, models, utils
from fastconv.ops import selu
from fastconv.testing import check_layer
from tests.golden.golden_file import load
from tests.support.differential import Differential, differential

GOLDEN, ARRAYS = load("composed.npz")


def numbered(name, prefix):
    arrays = {k.split("/")[1]: v for k, v in ARRAYS.items() if k.startswith(name + "/")}
    return [arrays[f"{prefix}{i}"] for i in range(len(arrays)) if f"{prefix}{i}" in arrays]


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: case["name"])
def test_layers_compute_what_keras_computes(case, isa):
    name, layer = case["name"], getattr(layers, case["class_name"])(**case["arguments"])
    xs, y, dy = numbered(name, "x"), ARRAYS[f"{name}/y"], ARRAYS[f"{name}/dy"]
    inputs = [layers.Input(x.shape[1:]) for x in xs]
    model = models.Model(inputs, layer(inputs if len(inputs) > 1 else inputs[0]))
    model.set_weights(numbered(name, "weight"))
    assert model.output_shape == (None, *y.shape[1:])
    np.testing.assert_allclose(model.predict(xs, verbose=0), y, rtol=1e-5, atol=1e-5)

    passes = Differential(model.graph(), len(dy), model.parameters)
    for array, x in zip(passes.inputs, xs, strict=True):
        array[...] = x
    passes.output_gradients[0][...] = dy
    passes.run()
    parameters = model.parameters
    gradients = [parameters.view(parameters.gradient, v) for v in layer.weights]
    found = [*passes.input_gradients, *gradients]
    for gradient, expected in zip(found, numbered(name, "gradient"), strict=True):
        np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-5)

    config = {k: v for k, v in layer.get_config().items() if k not in ("name", "dtype")}
    assert json.loads(json.dumps(config)) == case["config"]
    for setting, value in config.items():  # a size is a tuple, as in Keras
        assert not isinstance(value, list) or setting in ("axis", "axes")


@pytest.mark.parametrize(
    "make, shape",
    [
        (layers.Identity, (4, 3)),
        (lambda: layers.ActivityRegularization(0.1, 0.2), (4, 3)),
        (lambda: layers.AlphaDropout(0.3, seed=1), (6, 5)),
        (lambda: layers.AlphaDropout(0.3, (None, 1, 5), seed=1), (6, 5)),
        (lambda: layers.RMSNormalization([1, 2, 3]), (3, 4, 2)),
        (lambda: layers.AdaptiveMaxPooling2D((3, 2)), (7, 4, 2)),
        (lambda: layers.AdaptiveAveragePooling2D((3, 2)), (7, 4, 2)),
    ],
)
def test_layers_keep_their_promises(make, shape):
    check_layer(make(), shape)


def test_overlapping_windows_share_the_maximum_and_its_gradient():
    layer = layers.AdaptiveMaxPooling1D(2)
    model = models.Sequential([layers.Input((3, 1)), layer])
    passes = Differential(model.graph(), 1, model.parameters)
    passes.inputs[0][...] = np.reshape([1.0, 5.0, 2.0], (1, 3, 1))
    passes.output_gradients[0][...] = np.reshape([10.0, 1.0], (1, 2, 1))
    passes.run()
    assert passes.outputs[0].ravel().tolist() == [5, 5]
    assert passes.input_gradients[0].ravel().tolist() == [0, 11, 0]


def test_activity_regularization_adds_to_the_loss():
    model = models.Sequential([layers.Input((2,)), layers.ActivityRegularization(l1=0.5, l2=0.25)])
    model.compile("sgd", "mse")
    x = np.float32([[1, -2], [3, 0]])
    penalty = (0.5 * np.abs(x).sum() + 0.25 * (x**2).sum()) / 2
    assert model.evaluate(x, x, verbose=0) == pytest.approx(penalty)
    np.testing.assert_array_equal(model.predict(x, verbose=0), x)
    assert set(model.layers[0].get_config()) == {"name", "trainable", "dtype", "l1", "l2"}


def test_alpha_dropout_keeps_mean_and_variance():
    rate, x = 0.3, np.random.default_rng(0).standard_normal((40, 50, 60)).astype(np.float32)
    layer = layers.AlphaDropout(rate, seed=3)
    made = differential(layer, x.shape)
    made.inputs[0][...] = x
    made.run(0)
    y = made.outputs[0]
    saturation = float(selu(np.float32([-100]))[0])
    scale = ((1 - rate) * (1 + rate * saturation**2)) ** -0.5
    shift = -scale * saturation * rate
    kept = np.isclose(y, scale * x + shift, atol=1e-5)
    np.testing.assert_allclose(y[~kept], scale * saturation + shift, rtol=1e-5)
    # Standard deviations of the mean and the variance of 120,000 numbers: below 0.004.
    assert np.mean(kept) == pytest.approx(1 - rate, abs=0.006)
    assert np.mean(y) == pytest.approx(0, abs=0.015)
    assert np.var(y) == pytest.approx(1, abs=0.02)
    np.testing.assert_array_equal(layer(x), x)
    assert (layer(x, training=True) != x).any()


def test_files_hold_them(tmp_path):
    utils.set_random_seed(1)
    x = layers.Input((9, 8, 2))
    y = layers.Identity()(layers.RMSNormalization()(x))
    y = layers.ActivityRegularization(0.1)(layers.AlphaDropout(0.1)(y))
    pooled = [layers.Flatten()(layers.AdaptiveMaxPooling2D(2)(y))]
    pooled.append(layers.Flatten()(layers.AdaptiveAveragePooling2D((2, 2))(y)))
    model = models.Model(x, layers.dot(pooled, axes=1, normalize=True))
    model.save(tmp_path / "model.keras")
    again = models.load_model(tmp_path / "model.keras")
    data = np.random.default_rng(2).standard_normal((3, 9, 8, 2)).astype(np.float32)
    expected = model.predict(data, verbose=0)
    np.testing.assert_array_equal(again.predict(data, verbose=0), expected)
    assert again.get_config() == model.get_config()


@pytest.mark.parametrize(
    "make, shapes, message",
    [
        (lambda: layers.Dot(1), [(3,), (4,)], "equal sizes along `axes` 1"),
        (lambda: layers.Dot(1), [(3,), (3,), (3,)], "takes 2 inputs"),
        (lambda: layers.Dot(0), [(3,), (3,)], "`axes` of"),
        (lambda: layers.Dot((1, 2)), [(3,), (3,)], "`axes` of"),
        (lambda: layers.Dot((1, 2, 3)), [(3,), (3,)], "an integer or two"),
        (lambda: layers.RMSNormalization(1), [(3, 4)], "must be the last axis"),
        (lambda: layers.RMSNormalization([1, 3]), [(3, 4, 5)], "must be the last axis"),
        (lambda: layers.RMSNormalization(epsilon=0), [(3,)], "`epsilon`"),
        (lambda: layers.AdaptiveMaxPooling2D(0), [(3, 4, 5)], "`output_size`"),
        (lambda: layers.AdaptiveAveragePooling1D((2, 2)), [(4, 5)], "`output_size`"),
        (lambda: layers.ActivityRegularization(-1), [(3,)], "`l1`"),
        (lambda: layers.AlphaDropout(1.0), [(3,)], "`rate`"),
    ],
)
def test_what_does_not_fit_is_refused(make, shapes, message):
    inputs = [layers.Input(shape) for shape in shapes]
    with pytest.raises(ValueError, match=message):
        make()(inputs if len(inputs) > 1 else inputs[0])
