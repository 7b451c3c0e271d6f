"""Outputs of inner layers and gradients by them, against definitions and differences."""

from __future__ import annotations

import numpy as np
import pytest

import fastconv
from fastconv import inspect, layers, models, reference, utils


@pytest.fixture
def model():
    utils.set_random_seed(0)
    return models.Sequential(
        [
            layers.Input((10, 10, 2)),
            layers.Conv2D(4, 3, activation="tanh", name="first"),
            layers.MaxPooling2D(2, name="pool"),
            layers.Dropout(0.5, name="dropout"),
            layers.Conv2D(5, 3, activation="sigmoid", name="second"),
            layers.Flatten(name="flat"),
            layers.Dense(3, activation="softmax", name="last"),
        ]
    )


@pytest.fixture
def x():
    return np.random.default_rng(0).normal(size=(2, 10, 10, 2)).astype(np.float32)


def test_every_layers_output(model, x):
    outputs = inspect.layer_outputs(model, x)
    assert list(outputs) == [layer.name for layer in model.layers]
    for layer in model.layers:
        assert outputs[layer.name].shape == (2, *layer.output_shape[1:])
    np.testing.assert_array_equal(outputs["last"], model.predict(x, verbose=0))
    np.testing.assert_array_equal(outputs["dropout"], outputs["pool"])
    kernel, bias = model.get_weights()[:2]
    expected = np.tanh(reference.conv2d(x, kernel, bias))
    np.testing.assert_allclose(outputs["first"], expected, rtol=1e-4, atol=1e-6)


def test_chosen_layers_are_returned_in_their_order(model, x):
    chosen = inspect.layer_outputs(model, x, [model.get_layer("second"), "first"])
    assert list(chosen) == ["second", "first"]
    np.testing.assert_array_equal(chosen["first"], inspect.layer_outputs(model, x)["first"])


def test_new_weights_are_seen(model, x):
    derivative = inspect.Derivative(model, 2)
    before = derivative(x, 0)
    model.set_weights([2 * w for w in model.get_weights()])
    after = derivative(x, 0)
    assert (before.output != after.output).any()
    np.testing.assert_array_equal(after.gradient, inspect.gradients(model, x, 0).gradient)


@pytest.mark.parametrize("wrt", [None, "first", "pool", "second", "flat"])
def test_gradients_by_finite_differences(model, x, wrt):
    """The rest of the network is continued in float64 by a small change of `wrt`'s output."""
    found = inspect.gradients(model, x, [1, 2], wrt=wrt)
    direction = np.random.default_rng(1).normal(size=found.at.shape)
    step = 1e-5

    def score(at):
        logits = continued(model, wrt, at)
        return logits[0, 1] + logits[1, 2]

    at = found.at.astype(np.float64)
    slope = (score(at + step * direction) - score(at - step * direction)) / (2 * step)
    assert (found.gradient * direction).sum() == pytest.approx(slope, rel=1e-4, abs=1e-5)


def continued(model, wrt, value):
    """The logits from the output of the layer `wrt` on, by the definitions in float64."""
    names = [layer.name for layer in model.layers]
    weights = {layer.name: [w.astype(float) for w in layer.get_weights()] for layer in model.layers}
    steps = {
        "first": lambda v: np.tanh(reference.conv2d(v, *weights["first"])),
        "pool": lambda v: reference.max_pool2d(v, pool_size=2),
        "dropout": lambda v: v,
        "second": lambda v: 1 / (1 + np.exp(-reference.conv2d(v, *weights["second"]))),
        "flat": lambda v: v.reshape(len(v), -1),
        "last": lambda v: v @ weights["last"][0] + weights["last"][1],
    }
    for name in names[0 if wrt is None else names.index(wrt) + 1 :]:
        value = steps[name](value)
    return value


def test_the_gradient_of_probabilities(model, x):
    logits = inspect.gradients(model, x, 0)
    found = inspect.gradients(model, x, 0, logits=False)
    p = model.predict(x, verbose=0)
    np.testing.assert_allclose(found.output, p, rtol=1e-6)
    weights = p[:, :1] * (np.eye(3, dtype=np.float32)[:1] - p)  # dp0/dlogits
    expected = inspect.gradients(model, x, weights).gradient
    np.testing.assert_allclose(found.gradient, expected, rtol=1e-3, atol=1e-7)
    assert (logits.output != p).any()


def test_one_channel_of_an_inner_layer(model, x):
    found = inspect.gradients(model, x, 3, output="second")
    assert found.output.shape == (2, 2, 2, 5)
    weights = np.zeros((2, 2, 2, 5), np.float32)
    weights[..., 3] = 1
    same = inspect.gradients(model, x, weights, output="second")
    np.testing.assert_array_equal(found.gradient, same.gradient)
    total = sum(inspect.gradients(model, x, k, output="second").gradient for k in range(5))
    np.testing.assert_allclose(
        inspect.gradients(model, x, output="second").gradient, total, rtol=1e-3, atol=1e-6
    )


def test_nothing_in_the_model_changes(model, x):
    model.compile("sgd", "sparse_categorical_crossentropy")
    weights, gradient = model.get_weights(), model.parameters.gradient.copy()
    inspect.gradients(model, x, 0)
    inspect.layer_outputs(model, x)
    np.testing.assert_array_equal(model.parameters.gradient, gradient)
    for before, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


def test_by_the_output_itself(model, x):
    found = inspect.gradients(model, x, 2, wrt="last", logits=False)
    np.testing.assert_array_equal(found.gradient, [[0, 0, 1]] * 2)


def test_beside_a_shortcut(x):
    """What does not lie between `wrt` and the output is kept as it is."""
    utils.set_random_seed(0)
    start = layers.Input((10, 10, 2))
    first = layers.Conv2D(2, 3, padding="same", activation="tanh", name="first")(start)
    both = layers.Add(name="both")([start, first])
    end = layers.Dense(3, name="last")(layers.Flatten(name="flatten")(both))
    model = models.Model(start, end)
    assert list(inspect.layer_outputs(model, x)) == ["first", "both", "flatten", "last"]
    by_first, by_both = (inspect.gradients(model, x, 1, wrt=name) for name in ("first", "both"))
    np.testing.assert_array_equal(by_first.gradient, by_both.gradient)
    np.testing.assert_array_equal(by_first.output, by_both.output)
    np.testing.assert_allclose(by_first.output, model.predict(x, verbose=0), rtol=1e-6)
    inner_part = inspect.gradients(model, x, by_first.gradient, output="first").gradient
    np.testing.assert_allclose(
        inspect.gradients(model, x, 1).gradient, by_both.gradient + inner_part, rtol=1e-4, atol=1e-6
    )


def test_models_with_several_inputs_or_outputs(x):
    a, b = layers.Input((3,)), layers.Input((3,))
    product = models.Model([a, b], layers.Multiply(name="product")([a, b]))
    left, right = np.float32([[1, 2, 3]]), np.float32([[4, 5, 6]])
    np.testing.assert_array_equal(
        inspect.layer_outputs(product, [left, right])["product"], left * right
    )
    found = inspect.gradients(product, [left, right])
    np.testing.assert_array_equal(found.gradient, [right, left])
    with pytest.raises(ValueError, match="`x` must be a list of 2"):
        inspect.gradients(product, left)
    two = models.Model(a, [layers.Dense(2, name="one")(a), layers.Dense(2, name="two")(a)])
    with pytest.raises(ValueError, match="`target` must be a list with one entry per output, 2"):
        inspect.gradients(two, left, 0)
    parts = [inspect.gradients(two, left, 0, output=name).gradient for name in ("one", "two")]
    assert parts[0].shape == (1, 3)
    both = inspect.gradients(two, left, [0, 0])
    np.testing.assert_allclose(both.gradient, parts[0] + parts[1], rtol=1e-6)
    assert [array.shape for array in both.output] == [(1, 2), (1, 2)]
    same = inspect.gradients(two, left, lambda ys: [np.eye(1, 2), np.eye(1, 2)])
    np.testing.assert_array_equal(same.gradient, both.gradient)


def test_several_layers_to_differentiate_by(model, x):
    found = inspect.gradients(model, x, 1, wrt=["pool"])
    (gradient,) = found.gradient
    np.testing.assert_array_equal(gradient, inspect.gradients(model, x, 1, wrt="pool").gradient)
    with pytest.raises(ValueError, match="the layers of `wrt` must not depend on one another"):
        inspect.gradients(model, x, 1, wrt=["first", "pool"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": 3}, "`target` must be from 0 to 2, received 3"),
        ({"target": -1}, "`target` must be from 0 to 2, received -1"),
        ({"target": [0, 1, 2]}, r"`target` must be an integer, 2 of them, or float numbers of the"),
        ({"target": np.zeros((2, 4))}, r"shape \(2, 3\), received float64 of shape \(2, 4\)"),
        ({"wrt": "third"}, r"has no layer 'third'; there are \['first', 'pool'"),
        ({"output": "third"}, "has no layer 'third'"),
        ({"output": "first", "wrt": "second"}, "`output` must depend on `wrt`"),
    ],
)
def test_unknown_layers_and_targets_are_refused(model, x, options, message):
    with pytest.raises(ValueError, match=message):
        inspect.gradients(model, x, **options)


def test_samples_that_do_not_fit_are_refused(model, x):
    with pytest.raises(ValueError, match=r"`x` must have shape \(None, 10, 10, 2\)"):
        inspect.gradients(model, x[..., :1], 0)
    with pytest.raises(ValueError, match="at least one sample"):
        inspect.layer_outputs(model, x[:0])
    with pytest.raises(ValueError, match=r"`x` must hold 3 samples, received 2"):
        inspect.Derivative(model, 3)(x)
    with pytest.raises(ValueError, match="built"):
        inspect.layer_outputs(models.Sequential([layers.Dense(2)]), x)


@pytest.mark.parametrize("old", [fastconv.inner, fastconv.explanation])
def test_former_names_warn_and_are_the_same_objects(old):
    for name in old.__all__:
        with pytest.warns(
            DeprecationWarning, match=f"{name} is now fastconv.inspect.{name}"
        ) as seen:
            assert getattr(old, name) is getattr(inspect, name)
        assert [warning.filename for warning in seen] == [__file__]
    with pytest.raises(AttributeError, match=f"module '{old.__name__}' has no attribute 'other'"):
        _ = old.other
