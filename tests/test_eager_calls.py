"""Layers and models called on arrays, and the argument `training` of a call."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from fastconv import layers, models
from fastconv.utils import set_random_seed

X = np.random.default_rng(0).normal(size=(4, 8, 8, 3)).astype(np.float32)


@pytest.mark.parametrize(
    "layer",
    [
        layers.Conv2D(5, 3, padding="same", activation="relu"),
        layers.MaxPooling2D(),
        layers.BatchNormalization(),
        layers.Flatten(),
        layers.Rescaling(1 / 255, offset=[0.0, 1.0, 2.0]),
        layers.Resizing(5, 6),
        layers.Dropout(0.5),
        layers.RandomFlip(),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_a_layer_on_an_array_computes_what_a_model_predicts(layer):
    y = layer(X, training=False)
    model = models.Sequential([layers.Input((8, 8, 3)), layer])
    np.testing.assert_array_equal(y, model.predict(X, verbose=0))
    np.testing.assert_array_equal(y, model(X, training=False))


def test_inputs_of_other_dtypes_and_batch_sizes():
    pixels = np.random.default_rng(0).integers(0, 256, (2, 4, 4, 3)).astype(np.uint8)
    layer = layers.Rescaling(1 / 255)
    np.testing.assert_allclose(layer(pixels), pixels / 255, rtol=1e-6)
    assert layer(pixels[:0]).shape == (0, 4, 4, 3)
    np.testing.assert_array_equal(layer(pixels)[:1], layer(pixels[:1]))
    total = layers.Add()([[[1.0, 2.0]], [[3.0, 4.0]]])
    np.testing.assert_array_equal(total, [[4.0, 6.0]])


def test_weights_of_a_call_on_arrays_belong_to_later_models():
    layer = layers.Dense(3)
    before = layer(X[:, 0, 0])
    model = models.Sequential([layers.Input((3,)), layer])
    np.testing.assert_array_equal(model.predict(X[:, 0, 0], verbose=0), before)
    model.compile("sgd", "mse")
    model.fit(X[:, 0, 0], np.ones((4, 3)), verbose=0)
    after = layer(X[:, 0, 0])
    assert not np.array_equal(after, before)
    np.testing.assert_array_equal(after, model.predict(X[:, 0, 0], verbose=0))


def test_augmentation_acts_when_called_directly():
    set_random_seed(1)
    flip = layers.RandomFlip("horizontal")
    pictures = np.repeat(X[:1], 50, axis=0)
    flipped = np.array([not np.array_equal(y, X[0]) for y in flip(pictures)])
    assert 10 < flipped.sum() < 40
    np.testing.assert_array_equal(flip_of(flip, X[0]), X[0][:, ::-1])
    np.testing.assert_array_equal(flip(pictures, training=False), pictures)


def flip_of(flip, picture):
    """The picture when the layer flips it, called on the picture alone."""
    results = [flip(picture) for _ in range(30)]
    assert all(result.shape == picture.shape for result in results)
    return next(result for result in results if not np.array_equal(result, picture))


def test_other_layers_are_random_only_on_request():
    dropout = layers.Dropout(0.5)
    np.testing.assert_array_equal(dropout(X), X)
    first, second = dropout(X, training=True), dropout(X, training=True)
    assert 0.3 < np.mean(first == 0) < 0.7
    assert not np.array_equal(first, second)
    np.testing.assert_allclose(first[first != 0], 2 * X[first != 0])


def test_batch_statistics_in_a_call_as_in_training():
    layer = layers.BatchNormalization(momentum=0.9)
    y = layer(X, training=True)
    np.testing.assert_allclose(y.mean(axis=(0, 1, 2)), 0, atol=1e-6)
    np.testing.assert_allclose(y.std(axis=(0, 1, 2)), 1, atol=2e-3)
    mean, variance = layer.get_weights()[2:]
    np.testing.assert_allclose(mean, 0.1 * X.mean(axis=(0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(variance, 0.9 + 0.1 * X.var(axis=(0, 1, 2)), rtol=1e-5)
    layer.trainable = False
    moved = layer(X, training=True)
    np.testing.assert_allclose(moved, (X - mean) / np.sqrt(variance + 1e-3), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(layer.get_weights()[2], mean)


def test_monte_carlo_dropout():
    model = models.Sequential([layers.Input((8, 8, 3)), layers.Flatten(), layers.Dropout(0.5)])
    samples = np.stack([model(X, training=True) for _ in range(200)])
    np.testing.assert_allclose(samples.mean(axis=0), X.reshape(4, -1), atol=1.0)
    assert (samples.std(axis=0)[np.abs(X.reshape(4, -1)) > 0.1] > 0).all()
    np.testing.assert_array_equal(model(X), model.predict(X, verbose=0))


def test_training_of_a_symbolic_call_holds_where_the_model_leaves_it_open():
    """`fit` and `predict` decide for all layers, as in Keras."""
    x = layers.Input((8, 8, 3))
    model = models.Model(x, layers.Dropout(0.5)(x, training=True))
    assert np.mean(model(X) == 0) > 0.3
    assert np.mean(model(X, training=False) == 0) == 0
    np.testing.assert_array_equal(model.predict(X, verbose=0), X)
    base = models.Sequential([layers.Input((8, 8, 3)), layers.RandomFlip()])
    outer = models.Model(x, base(x, training=False))
    np.testing.assert_array_equal(outer(X), X)
    again = models.Model.from_config(outer.get_config())
    np.testing.assert_array_equal(again(X), X)


def test_calls_on_arrays_leave_no_trace_in_the_graph():
    layer = layers.Dense(2)
    layer(X[:, 0, 0])
    assert layer.calls == []
    with pytest.raises(AttributeError, match="has no output before it is called"):
        _ = layer.output
    names = [layers.Input((3,)).name, layers.Input((3,)).name]
    layers.Dense(2)(X[:, 0, 0])
    assert int(layers.Input((3,)).name.split("_")[-1]) == int(names[1].split("_")[-1]) + 1


def test_a_layer_remembers_few_shapes():
    layer = layers.ReLU()
    for size in range(1, 30):
        layer(np.zeros((2, size)))
    assert len(layer._array_calls._networks) == 8


def test_changed_arguments_reach_the_next_call():
    layer = layers.Dropout(0.9, seed=1)
    layer(X, training=True)
    layer.rate = 0.1
    assert np.mean(layer(X, training=True) == 0) < 0.3


def test_calls_from_several_threads():
    layer, expected, wrong = layers.Conv2D(4, 3), {}, []
    for size in (1, 2, 3, 4):
        expected[size] = layer(X[:size])

    def work(size):
        for _ in range(50):
            if not np.array_equal(layer(X[:size]), expected[size]):
                wrong.append(size)

    threads = [threading.Thread(target=work, args=(size,)) for size in (1, 2, 3, 4, 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda: layers.ReLU()(3.0), ValueError, "a batch axis, received \\(\\)"),
        (lambda: layers.ReLU()("text"), TypeError, "must hold integers or floats"),
        (lambda: layers.Add()([X, X[:2]]), ValueError, "one length, received \\[4, 2\\]"),
        (
            lambda: layers.Add()(X),
            ValueError,
            "'add[_0-9]*' takes a list of inputs|list of tensors",
        ),
        (lambda: layers.ReLU()([X, X]), ValueError, "must be called on one tensor"),
    ],
)
def test_arrays_that_do_not_fit(call, error, message):
    with pytest.raises(error, match=message):
        call()
