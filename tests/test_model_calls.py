"""`model(x)` with numbers: random layers that move images do so unless `training` is False.

Real Keras 3.15 gives the same for every layer here: `RandomFlip` and its like move images in
`model(x)` and not in `predict`; dropout and noise act in neither.
"""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from fastconv import layers, models

X = np.random.default_rng(0).random((8, 8, 8, 3)).astype(np.float32)
MOVING = {
    "flip": lambda: layers.RandomFlip(seed=5),
    "translation": lambda: layers.RandomTranslation(0.3, 0.3, seed=5),
    "rotation": lambda: layers.RandomRotation(0.3, seed=5),
    "zoom": lambda: layers.RandomZoom(0.3, seed=5),
    "crop": lambda: layers.RandomCrop(6, 6, seed=5),
}


def chain(layer):
    return models.Sequential([layers.Input((8, 8, 3)), layer])


def nested(layer):
    return models.Sequential([layers.Input((8, 8, 3)), chain(layer), layers.ReLU()])


def functional(layer):
    x = layers.Input((8, 8, 3))
    return models.Model(x, layers.add([layer(x), layer(x)]))


def unbuilt(layer):
    return models.Sequential([layer, layers.ReLU()])


@pytest.mark.parametrize("form", [chain, nested, functional, unbuilt])
@pytest.mark.parametrize("make", MOVING.values(), ids=MOVING)
def test_images_are_moved_unless_training_is_false(form, make):
    model = form(make())
    moved = {model(X).tobytes() for _ in range(6)}
    assert len(moved) > 1
    still = model.predict(X, verbose=0)
    for other in (model(X, training=False), model.predict_on_batch(X), model(X, training=False)):
        np.testing.assert_array_equal(other, still)
    assert still.tobytes() not in moved


def test_a_flip_only_flips():
    model = chain(layers.RandomFlip("horizontal", seed=3))
    y = np.concatenate([model(X) for _ in range(4)])
    x = np.tile(X, (4, 1, 1, 1))
    flipped = [np.array_equal(a, b[:, ::-1]) for a, b in zip(y, x, strict=True)]
    kept = [np.array_equal(a, b) for a, b in zip(y, x, strict=True)]
    assert all(np.logical_xor(flipped, kept))
    assert 0 < sum(flipped) < len(y)


def test_equal_seeds_draw_the_same():
    first, second = (chain(layers.RandomRotation(0.2, seed=7)) for _ in range(2))
    results = [(first(X), second(X)) for _ in range(3)]
    for mine, other in results:
        np.testing.assert_array_equal(mine, other)
    assert not np.array_equal(results[0][0], results[1][0])
    copies = copy.deepcopy(first), pickle.loads(pickle.dumps(first))
    expected = first(X)
    for other in copies:
        np.testing.assert_array_equal(other(X), expected)


@pytest.mark.parametrize(
    "layer",
    [layers.Dropout(0.5), layers.GaussianNoise(0.5), layers.GaussianDropout(0.5)],
    ids=["dropout", "noise", "gaussian"],
)
def test_other_random_layers_act_in_training_alone(layer):
    model = chain(layer)
    np.testing.assert_array_equal(model(X), X)
    both = models.Sequential([layers.Input((8, 8, 3)), layers.RandomFlip(seed=1), layer])
    np.testing.assert_array_equal(both(X), chain(layers.RandomFlip(seed=1))(X))


def test_calls_do_not_change_what_training_draws():
    def trained(calls):
        model = models.Sequential(
            [layers.Input((8, 8, 3)), layers.RandomFlip(seed=1), layers.Flatten(), layers.Dense(1)]
        )
        model.set_weights([np.ones((192, 1)), np.zeros(1)])
        model.compile("sgd", "mse")
        for _ in range(calls):
            model(X)
        model.fit(X, X[:, 0, 0, :1], verbose=0, batch_size=4, shuffle=False)
        return model.get_weights()[0]

    np.testing.assert_array_equal(trained(0), trained(3))
