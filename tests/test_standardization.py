"""`layers.Normalization`: the formula along every choice of axes, data in any batches, files."""

from __future__ import annotations

import numpy as np
import pytest

from fastconv import layers, models


def run(layer, x):
    return models.Sequential([layers.Input(x.shape[1:]), layer]).predict(x, verbose=0)


@pytest.fixture
def x():
    rng = np.random.default_rng(5)
    return rng.normal(3, [1, 2, 4], (6, 4, 5, 3)).astype(np.float32)


def others(axis, rank):
    kept = [] if axis is None else [a % rank for a in np.atleast_1d(axis)]
    return tuple(a for a in range(rank) if a not in kept)


@pytest.mark.parametrize("axis", [-1, 3, 1, 2, None, [1, 3], [1, 2], [-1, 1, 2], (2, 3)])
def test_adapted_data_have_mean_zero_and_variance_one(axis, x):
    layer = layers.Normalization(axis)
    layer.adapt(x)
    y = run(layer, x)
    mean = x.mean(axis=others(axis, 4), dtype=np.float64, keepdims=True)
    deviation = x.std(axis=others(axis, 4), dtype=np.float64, keepdims=True)
    np.testing.assert_allclose(y, (x - mean) / deviation, rtol=0, atol=1e-5)
    assert layer.mean.shape == layer.variance.shape == mean.shape
    np.testing.assert_allclose(layer.mean, mean, rtol=1e-6)
    given = layers.Normalization(axis, np.squeeze(mean), np.squeeze(deviation) ** 2)
    np.testing.assert_allclose(run(given, x), y, rtol=0, atol=1e-5)
    assert given.weights == []
    inverse = layers.Normalization(axis, np.squeeze(mean), np.squeeze(deviation) ** 2, invert=True)
    np.testing.assert_allclose(run(inverse, y), x, rtol=0, atol=1e-5)


def test_batches_of_data_do_not_matter(x):
    whole = layers.Normalization()
    whole.adapt(x)
    for batches in (
        [x[:1], x[1:4], x[4:]],
        [(x[:5], np.zeros(5)), (x[5:], np.zeros(1))],
        (x[k : k + 2] for k in range(0, 6, 2)),
        [x[:3], x[3:3], x[3:]],
    ):
        layer = layers.Normalization()
        layer.adapt(batches)
        for a, b in zip(whole.weights, layer.weights, strict=True):
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-6)


def test_a_constant_becomes_zero():
    layer = layers.Normalization()
    layer.adapt(np.full((4, 2), 7.0))
    y = run(layer, np.array([[7.0, 8.0]], np.float32))
    np.testing.assert_allclose(y, [[0, 1e7]], rtol=1e-6)


@pytest.mark.parametrize(
    "axis, given, shape", [([1, 3], (2, 4), (1, 2, 1, 4)), (None, (), (1, 1, 1, 1)),
                           (-1, (), (1, 1, 1, 4))])  # fmt: skip
def test_given_statistics_have_the_axes_of_the_input_once_built(axis, given, shape):
    layer = layers.Normalization(axis, np.full(given, 2.0), np.ones(given))
    assert np.shape(layer.mean) == given
    layer.build((None, 2, 3, 4))
    assert layer.mean.shape == layer.variance.shape == shape
    np.testing.assert_array_equal(layer.mean, np.full(shape, 2))


def test_large_means_cost_no_digits_of_given_statistics():
    x = np.float32(1e6) + np.arange(8, dtype=np.float32).reshape(-1, 1)
    y = run(layers.Normalization(mean=1e6, variance=4.0), x)
    np.testing.assert_array_equal(y, np.arange(8.0).reshape(-1, 1) / 2)


def test_training_keeps_the_statistics_and_trains_what_comes_before(x):
    model = models.Sequential(
        [layers.Input(x.shape[1:]), layers.Conv2D(2, 1), layers.Normalization(), layers.Flatten(),
         layers.Dense(1)]
    )  # fmt: skip
    normalization, kernel = model.layers[1], model.layers[0].kernel
    normalization.set_weights([np.array([1.0, 2.0]), np.array([4.0, 9.0]), 0])
    before = kernel.numpy()
    model.compile("sgd", "mse")
    model.fit(x, np.ones(6), verbose=0)
    assert not np.array_equal(kernel.numpy(), before)
    assert normalization.get_weights()[0].tolist() == [1, 2]
    assert len(model.trainable_weights) == 4


def test_adapting_again_and_loading_take_effect_in_a_model(x, tmp_path):
    model = models.Sequential([layers.Input(x.shape[1:]), layers.Normalization()])
    np.testing.assert_allclose(model.predict(x, verbose=0), x, rtol=1e-6)  # mean 0, variance 1
    model.layers[0].adapt(x)
    y = model.predict(x, verbose=0)
    np.testing.assert_allclose(y.std(axis=(0, 1, 2)), 1, atol=1e-5)
    for name in ("model.keras", "model.h5"):
        model.save(tmp_path / name)
        copy = models.load_model(tmp_path / name)
        np.testing.assert_array_equal(copy.predict(x, verbose=0), y)
    given = models.Sequential(
        [layers.Input(x.shape[1:]), layers.Normalization(mean=[1, 2, 3], variance=[4, 4, 4])]
    )
    given.save(tmp_path / "given.keras")
    copy = models.load_model(tmp_path / "given.keras")
    np.testing.assert_array_equal(copy.predict(x, verbose=0), given.predict(x, verbose=0))


@pytest.mark.parametrize(
    "options, message",
    [
        ({"mean": 1.0}, "must be given together"),
        ({"invert": True}, "must be given with `invert=True`"),
        ({"mean": [1.0, 2.0], "variance": 1.0}, "must have the same shape"),
        ({"mean": 1.0, "variance": -1.0}, "`variance` must not be negative"),
        ({"mean": np.nan, "variance": 1.0}, "`mean` must be finite numbers"),
    ],
)
def test_impossible_arguments_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        layers.Normalization(**options)


def test_data_that_do_not_fit_are_refused(x):
    layer = layers.Normalization()
    with pytest.raises(ValueError, match="at least one sample"):
        layer.adapt([])
    layer.adapt(x)
    with pytest.raises(ValueError, match="is built for sizes"):
        layer.adapt(x[..., :2])
    with pytest.raises(ValueError, match="received a number"):
        layers.Normalization().adapt(3.0)
    with pytest.raises(TypeError, match="must hold integers or floats"):
        layers.Normalization().adapt(np.array([["a"]]))
    with pytest.raises(ValueError, match="cannot adapt"):
        layers.Normalization(mean=0.0, variance=1.0).adapt(x)
    with pytest.raises(ValueError, match="broadcast to"):
        run(layers.Normalization(mean=[0.0, 1.0], variance=[1.0, 1.0]), x)
    with pytest.raises(ValueError, match="must be from 1 to 3"):
        run(layers.Normalization(axis=0), x)
