"""Dice, Tversky, and the generalized cross-entropy, which `test_losses_against_keras` covers."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from fastconv import layers, losses, models
from fastconv.serialization import deserialize, serialize
from fastconv.utils import set_random_seed

RNG = np.random.default_rng(0)
Y = (RNG.random((4, 3, 3, 2)) < 0.4).astype(np.float32)
P = RNG.random((4, 3, 3, 2)).astype(np.float32)


def test_values_are_those_of_keras():
    """The pictures of Keras's documentation."""
    y = np.array([[[[1.0], [1.0]], [[0.0], [0.0]]]] * 2)
    p = np.array([[[[0.0], [1.0]], [[0.0], [1.0]]], [[[0.4], [0.0]], [[0.0], [0.9]]]])
    assert losses.Dice()(y, p) == pytest.approx(0.6164384, rel=1e-6)
    # Computed by Keras 3.15 for Y and P.
    assert losses.Dice()(Y, P) == pytest.approx(0.4831593, rel=1e-6)
    assert losses.Tversky(0.3, 0.9)(Y, P) == pytest.approx(0.56328726, rel=1e-6)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none", "sum_over_batch_size"])
@pytest.mark.parametrize("make", [losses.Dice, lambda **o: losses.Tversky(0.3, 0.9, **o)])
def test_gradients_are_differences(make, reduction):
    loss = make(reduction=reduction)
    value, gradient = loss.value_and_gradient(Y, P)
    assert value == make()(Y, P) and gradient.dtype == np.float32
    step = 2.0**-7
    for index in [(0, 0, 0, 0), (1, 2, 0, 1), (3, 1, 1, 0)]:
        ends = []
        for sign in (1, -1):
            moved = P.copy()
            moved[index] += sign * step
            ends.append(loss(Y, moved))
        assert gradient[index] == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-3)


def test_sums_over_some_axes_are_those_of_keras():
    """Computed by Keras 3.15 for Y and P."""
    assert losses.Dice(axis=(1, 2, 3))(Y, P) == pytest.approx(0.48766065, rel=1e-6)
    assert losses.Dice(axis=[1, 2, 3])(Y, P, [1, 2, 0, 3]) == pytest.approx(0.66090894, rel=1e-6)
    assert losses.Tversky(0.3, 0.9, axis=(1, 2))(Y, P) == pytest.approx(0.58331811, rel=1e-6)
    values = losses.Dice(axis=(1, 2, 3), reduction="none")(Y, P)
    np.testing.assert_allclose(values, [0.506346, 0.48867846, 0.5689739, 0.3866443], rtol=1e-6)


@pytest.mark.parametrize("loss", [losses.Dice(axis=(1, 2)), losses.Tversky(0.3, 0.9, axis=1)])
def test_a_model_learns_by_sums_over_some_axes(loss, tmp_path):
    set_random_seed(3)
    model = models.Sequential([layers.Input((3, 3, 2)), layers.Conv2D(2, 1, activation="sigmoid")])
    model.compile("sgd", loss)
    expected = loss(Y, model.predict(P, verbose=0))
    assert model.evaluate(P, Y, verbose=0) == pytest.approx(expected, rel=1e-5)
    history = model.fit(P, Y, epochs=30, verbose=0).history["loss"]
    assert history[-1] < history[0]
    model.save(tmp_path / "model.keras")
    again = models.load_model(tmp_path / "model.keras")
    assert again.evaluate(P, Y, verbose=0) == model.evaluate(P, Y, verbose=0)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("name", ["Dice", "Tversky"])
def test_a_model_learns_by_the_loss_of_whole_batches(name, reduction):
    set_random_seed(3)
    model = models.Sequential([layers.Input((3, 3, 2)), layers.Conv2D(2, 1, activation="sigmoid")])
    model.compile("sgd", getattr(losses, name)(reduction=reduction))
    expected = getattr(losses, name)()(Y, model.predict(P, verbose=0))
    assert model.evaluate(P, Y, verbose=0) == pytest.approx(expected, rel=1e-5)
    before = model.get_weights()[0]
    history = model.fit(P, Y, epochs=30, verbose=0).history["loss"]
    assert history[-1] < history[0]
    assert not np.array_equal(model.get_weights()[0], before)
    with pytest.raises(ValueError, match="takes no sample weights"):
        model.fit(P, Y, sample_weight=np.ones(4), verbose=0)


@pytest.mark.parametrize(
    "loss",
    [
        losses.Dice(),
        losses.Tversky(0.2, 0.8, axis=(1, 2)),
        losses.CategoricalGeneralizedCrossEntropy(0.3),
    ],
    ids=lambda loss: loss.name,
)
def test_configurations(loss):
    assert deserialize(serialize(loss), "losses").get_config() == loss.get_config()


def test_a_model_learns_by_the_generalized_cross_entropy(tmp_path):
    set_random_seed(3)
    x, y = RNG.random((12, 5)), RNG.integers(0, 3, 12)
    model = models.Sequential([layers.Input((5,)), layers.Dense(3, activation="softmax")])
    model.compile("adam", losses.CategoricalGeneralizedCrossEntropy(0.7))
    history = model.fit(x, y, epochs=20, verbose=0).history["loss"]
    assert history[-1] < history[0]
    model.save(tmp_path / "model.keras")
    again = models.load_model(tmp_path / "model.keras")
    assert again.evaluate(x, y, verbose=0) == model.evaluate(x, y, verbose=0)


def test_a_probability_of_zero_has_a_finite_gradient():
    loss = losses.CategoricalGeneralizedCrossEntropy()
    value, gradient = loss.value_and_gradient([0], [[0.0, 1.0]])
    assert value == 2.0 and np.isfinite(gradient).all() and gradient[0, 0] < -1000


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: losses.Dice()(Y, P, np.ones(4)), ValueError, "takes no sample weights"),
        (lambda: losses.Tversky("a"), TypeError, "`alpha` must be a number"),
        (lambda: losses.CategoricalGeneralizedCrossEntropy(1), ValueError, "`q` must be"),
    ],
)
def test_errors(make, error, message):
    with pytest.raises(error, match=message):
        make()


def overlapping(seed=0):
    rng = np.random.default_rng(seed)
    y_true = rng.integers(0, 2, (3, 4, 5)).astype(np.float32)
    return y_true, rng.random((3, 4, 5), dtype=np.float32)


@pytest.mark.parametrize(
    ("function", "loss"),
    [
        (losses.dice, losses.Dice()),
        (partial(losses.tversky, alpha=0.3, beta=0.8), losses.Tversky(0.3, 0.8)),
    ],
)
def test_functions_of_overlap_sum_over_any_axes(function, loss):
    y_true, y_pred = overlapping()
    np.testing.assert_allclose(function(y_true, y_pred), loss(y_true, y_pred), rtol=1e-6)
    values = function(y_true, y_pred, axis=(1, 2))
    expected = [loss(y_true[n : n + 1], y_pred[n : n + 1]) for n in range(3)]
    assert values.dtype == np.float32
    np.testing.assert_allclose(values, expected, rtol=1e-6)


def test_a_function_of_overlap_per_sample_is_the_loss_of_a_model():
    y_true, y_pred = overlapping()
    model = models.Sequential([layers.Input((4, 5)), layers.Activation("linear")])
    model.compile("sgd", loss=lambda t, p: losses.dice(t, p, axis=(1, 2)))
    value = model.evaluate(y_pred, y_true, verbose=0)
    expected = losses.dice(y_true, y_pred, axis=(1, 2)).mean()
    np.testing.assert_allclose(value, expected, rtol=1e-6)
