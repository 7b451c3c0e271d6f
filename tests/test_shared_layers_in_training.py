"""Layers that are called several times: moving averages, gradients, penalties and random draws."""

from __future__ import annotations

import numpy as np
import pytest

from fastconv import layers, models, optimizers
from fastconv.utils import set_random_seed
from tests.golden.golden_file import load
from tests.golden.shared_networks import NETWORKS

CASES, ARRAYS = load("shared.npz")


def arrays(case, kind, count):
    return [ARRAYS[f"{case['name']}/{kind}/{index}"] for index in range(case[count])]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_training_is_that_of_keras(case):
    model = NETWORKS[case["name"]](layers, models.Model)
    model.set_weights(arrays(case, "before", "weights"))
    x, y = arrays(case, "x", "x"), arrays(case, "y", "y")
    model.compile(optimizers.SGD(0.0625), "mse")
    evaluated = np.ravel(model.evaluate(x, y, verbose=0))[0]
    np.testing.assert_allclose(evaluated, ARRAYS[f"{case['name']}/evaluate"], rtol=1e-5)
    history = model.fit(x, y, batch_size=8, epochs=2, verbose=0).history
    np.testing.assert_allclose(history["loss"], ARRAYS[f"{case['name']}/loss"], rtol=1e-5)
    expected = arrays(case, "after", "weights")
    for weight, after, wanted in zip(model.weights, model.get_weights(), expected, strict=True):
        np.testing.assert_allclose(after, wanted, rtol=1e-4, atol=1e-5, err_msg=weight.path)


RANDOM = {
    "dropout": lambda: layers.Dropout(0.5, seed=3),
    "dropout of channels": lambda: layers.SpatialDropout2D(0.5, seed=3),
    "shared dropout": lambda: layers.Dropout(0.5, noise_shape=(None, None, 1, 2), seed=3),
    "noise": lambda: layers.GaussianNoise(1.0, seed=3),
    "factors": lambda: layers.GaussianDropout(0.5, seed=3),
    "translation": lambda: layers.RandomTranslation(0.5, 0.5, seed=3),
    "flip": lambda: layers.RandomFlip(seed=3),
}


def difference_of_two_calls(layer, inner=False):
    """How much the outputs of two calls on the same images differ in training, summed."""
    x = layers.Input((6, 6, 2))
    use = layer
    if inner:
        y = layers.Input((6, 6, 2))
        use = models.Model(y, layer(y))
    scale = layers.Dense(2, use_bias=False, kernel_initializer="identity")
    model = models.Model(x, scale(layers.Subtract()([use(x), use(x)])))
    model.compile(optimizers.SGD(0.0), "mae")
    images = np.random.default_rng(0).random((8, 6, 6, 2))
    return [model.train_on_batch(images, np.zeros_like(images)) for _ in range(2)]


@pytest.mark.parametrize("inner", [False, True])
@pytest.mark.parametrize("name", RANDOM)
def test_every_call_draws_for_itself(name, inner):
    set_random_seed(1)
    first = difference_of_two_calls(RANDOM[name](), inner)
    assert min(first) > 0.01
    assert first[0] != first[1]
    assert difference_of_two_calls(RANDOM[name](), inner) == first, "the seed decides"


def test_the_first_call_draws_what_an_only_call_does():
    """So a network of layers that are called once keeps its bits."""

    def trained(calls):
        set_random_seed(2)
        x, drop = layers.Input((5,)), layers.Dropout(0.5, seed=4)
        model = models.Model(x, [layers.Dense(3)(drop(x)) for _ in range(calls)])
        model.compile(optimizers.SGD(0.1), ["mse"] + [None] * (calls - 1))
        model.train_on_batch(np.ones((4, 5)), [np.ones((4, 3))] * calls)
        return model.layers[-calls].get_weights()

    for one, other in zip(trained(1), trained(2), strict=True):
        np.testing.assert_array_equal(one, other)
