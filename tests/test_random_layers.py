"""Layers that are random in training: what they draw, when, and that it can be repeated."""

from __future__ import annotations

import numpy as np
import pytest

from fastconv import layers, models, runtime, utils
from tests.support.differential import differential
from tests.support.layer_passes import passes


def drawn(layer, x, draw=0):
    """What training makes of `x` at draw number `draw`."""
    made = differential(layer, x.shape)
    made.inputs[0][...] = x
    made.run(draw)
    return made.outputs[0].copy()


X = np.random.default_rng(0).standard_normal((6, 12, 10, 3)).astype(np.float32)

RANDOM = {
    "dropout": lambda seed: layers.Dropout(0.5, seed=seed),
    "dropout shared": lambda seed: layers.Dropout(0.5, (None, None, 1, 3), seed=seed),
    "alpha": lambda seed: layers.AlphaDropout(0.5, seed=seed),
    "spatial": lambda seed: layers.SpatialDropout2D(0.5, seed=seed),
    "noise": lambda seed: layers.GaussianNoise(0.5, seed),
    "factor": lambda seed: layers.GaussianDropout(0.5, seed),
    "flip": lambda seed: layers.RandomFlip("horizontal", seed),
    "translation": lambda seed: layers.RandomTranslation(0.3, 0.3, seed=seed),
    "rotation": lambda seed: layers.RandomRotation(0.3, seed=seed),
    "zoom": lambda seed: layers.RandomZoom(0.3, seed=seed),
    "crop": lambda seed: layers.RandomCrop(4, 3, seed),
}


@pytest.mark.parametrize("name", RANDOM)
def test_seed_and_draw_decide_what_is_drawn(name):
    first = drawn(RANDOM[name](1), X)
    np.testing.assert_array_equal(drawn(RANDOM[name](1), X), first)
    assert (drawn(RANDOM[name](1), X, draw=1) != first).any(), "another draw"
    assert (drawn(RANDOM[name](2), X) != first).any(), "another seed"


@pytest.mark.parametrize("name", RANDOM)
def test_without_a_seed_the_common_stream_decides(name):
    results = []
    for seed in (5, 5, 6):
        utils.set_random_seed(seed)
        results.append(drawn(RANDOM[name](None), X))
    np.testing.assert_array_equal(results[0], results[1])
    assert (results[0] != results[2]).any()


@pytest.mark.parametrize("name", RANDOM)
def test_the_same_draws_at_any_number_of_threads(name):
    x = np.tile(X, (8, 4, 4, 1))
    with runtime.num_threads(1):
        expected = drawn(RANDOM[name](1), x)
    for threads in (2, 3):
        with runtime.num_threads(threads):
            np.testing.assert_array_equal(drawn(RANDOM[name](1), x), expected)


@pytest.mark.parametrize("name", [name for name in RANDOM if name != "crop"])
def test_outside_of_training_nothing_happens(name):
    model = models.Sequential([layers.Input(X.shape[1:]), RANDOM[name](1)])
    np.testing.assert_array_equal(model.predict(X, verbose=0), X)


def test_outside_of_training_a_crop_is_the_resized_middle():
    crop = layers.RandomCrop(6, 4, seed=1)
    model = models.Sequential([layers.Input(X.shape[1:]), crop])
    still = models.Sequential(
        [layers.Input(X.shape[1:]), layers.Resizing(6, 4, crop_to_aspect_ratio=True)]
    )
    np.testing.assert_array_equal(model.predict(X, verbose=0), still.predict(X, verbose=0))


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (layers.SpatialDropout2D(0.5, seed=1), (6, 1, 1, 3)),
        (layers.SpatialDropout2D(0.5, "channels_first", 1), (6, 12, 1, 1)),
        (layers.Dropout(0.5, (None, 1, 10, 1), seed=1), (6, 1, 10, 1)),
        (layers.Dropout(0.5, (1, 12, 1, 3), seed=1), (1, 12, 1, 3)),
    ],
)
def test_a_mask_is_shared_along_axes_of_one(layer, shape):
    y = drawn(layer, np.ones_like(X))
    assert set(np.unique(y)) == {0, 2}
    along = tuple(axis for axis, size in enumerate(shape) if size == 1)
    index = tuple(slice(0, 1) if axis in along else slice(None) for axis in range(4))
    np.testing.assert_array_equal(y, np.broadcast_to(y[index], y.shape))
    assert len(np.unique(y[index])) == 2


def test_noise_has_the_moments_that_it_says():
    x = np.full((50, 40, 40), 3, np.float32)
    added = drawn(layers.GaussianNoise(0.5, 1), x) - 3
    assert abs(added.mean()) < 0.01 and abs(added.std() - 0.5) < 0.01
    factor = drawn(layers.GaussianDropout(0.2, 1), x) / 3
    assert abs(factor.mean() - 1) < 0.01 and abs(factor.var() - 0.25) < 0.01


def test_flips_are_fair_and_whole():
    x = np.arange(400 * 4 * 5, dtype=np.float32).reshape(400, 4, 5, 1)
    for mode, axes in (("horizontal", 2), ("vertical", 1), ("horizontal_and_vertical", (1, 2))):
        y = drawn(layers.RandomFlip(mode, 3), x)
        flipped = (y == np.flip(x, axes)).all(axis=(1, 2, 3))
        kept = (y == x).all(axis=(1, 2, 3))
        assert (flipped ^ kept).all()
        assert 150 < flipped.sum() < 250


def test_shifts_stay_in_their_range_and_differ_between_images():
    layer = layers.RandomTranslation((0.1, 0.3), (-0.2, -0.2), "constant", seed=1)
    maps = layer.draw(np.random.default_rng(0), 500, 10, 20)
    assert (-maps[:, 5] >= 1).all() and (-maps[:, 5] <= 3).all()
    np.testing.assert_allclose(maps[:, 2], 4)
    assert len(np.unique(maps[:, 5])) > 400


def test_crops_are_parts_and_reach_every_place():
    x = np.arange(6 * 7, dtype=np.float32).reshape(1, 6, 7, 1)
    layer, seen = layers.RandomCrop(4, 5, seed=1), set()
    for draw in range(200):
        y = drawn(layer, np.repeat(x, 2, axis=0), draw)
        np.testing.assert_array_equal(y[0], y[1])
        top, left = divmod(int(y[0, 0, 0, 0]), 7)
        np.testing.assert_array_equal(y[0], x[0, top : top + 4, left : left + 5])
        seen.add((top, left))
    assert len(seen) == 9


def test_channels_first_images_move_alike():
    last = drawn(layers.RandomRotation(0.3, seed=4), X)
    first = drawn(
        layers.RandomRotation(0.3, seed=4, data_format="channels_first"), np.moveaxis(X, -1, 1)
    )
    np.testing.assert_array_equal(np.moveaxis(first, 1, -1), last)


def test_training_with_all_of_them_is_repeatable():
    results = []
    for threads in (1, 2):
        with runtime.num_threads(threads):
            utils.set_random_seed(3)
            model = models.Sequential(
                [
                    layers.Input((12, 10, 3)),
                    layers.RandomFlip(),
                    layers.RandomRotation(0.1),
                    layers.RandomTranslation(0.1, 0.1),
                    layers.RandomZoom(0.1),
                    layers.RandomCrop(10, 8),
                    layers.GaussianNoise(0.1),
                    layers.Conv2D(4, 3, activation="relu"),
                    layers.SpatialDropout2D(0.2),
                    layers.GaussianDropout(0.2),
                    layers.GlobalAveragePooling2D(),
                    layers.Dense(2, "softmax"),
                ]
            )
            model.compile("adam", "sparse_categorical_crossentropy")
            model.fit(X, np.arange(6) % 2, epochs=3, batch_size=4, verbose=0)
            results.append(np.concatenate([w.ravel() for w in model.get_weights()]))
    np.testing.assert_array_equal(*results)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda: layers.GaussianNoise(1.5),
            ValueError,
            "`stddev` must be finite and at least 0 and at most 1",
        ),
        (
            lambda: layers.GaussianDropout(1),
            ValueError,
            "`rate` must be finite and at least 0 and below 1",
        ),
        (lambda: layers.SpatialDropout2D("x"), TypeError, "`rate` must be a number"),
        (lambda: layers.SpatialDropout2D(0.1, "x"), ValueError, "`data_format` must be"),
        (lambda: layers.Dropout(0.1, (None, 1.5)), TypeError, "`noise_shape` must be"),
        (lambda: layers.RandomFlip("sideways"), ValueError, "`mode` must be one of"),
        (lambda: layers.RandomRotation(2), ValueError, "`factor` .* at least -1 and at most 1"),
        (lambda: layers.RandomRotation((0.1, 0.2, 0.3)), ValueError, "`factor` must be one number"),
        (lambda: layers.RandomRotation("x"), TypeError, "`factor` must be a number"),
        (lambda: layers.RandomZoom(-1), ValueError, "`height_factor` must be finite and above -1"),
        (lambda: layers.RandomTranslation(0.1, 3), ValueError, "`width_factor` .* at most 1"),
        (lambda: layers.RandomRotation(0.1, "mirror"), ValueError, "`fill_mode` must be one of"),
        (lambda: layers.RandomZoom(0.1, interpolation="cubic"), ValueError, "`interpolation` must"),
        (lambda: layers.RandomZoom(0.1, seed=-1), ValueError, "`seed` must not be negative"),
        (lambda: layers.RandomCrop(0, 3), ValueError, "`height` must be positive"),
        (lambda: layers.Resizing(3, 2.5), TypeError, "`width` must be an integer"),
        (lambda: layers.Resizing(3, 2, "bilinear", True, True), ValueError, "only one of `crop_to"),
        (
            lambda: layers.Resizing(3, 2, fill_mode="wrap"),
            ValueError,
            "`fill_mode` must be 'constant'",
        ),
        (lambda: layers.Rescaling("x"), TypeError, "`scale` must be a number"),
        (lambda: layers.Rescaling(1, float("nan")), ValueError, "`offset` must be finite, rec"),
    ],
)
def test_arguments_out_of_range_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (layers.Dropout(0.1, (None, 1)), "`noise_shape` must have one entry per axis"),
        (layers.Dropout(0.1, (10, 2)), "`noise_shape` must have one entry per axis"),
        (layers.Dropout(0.1, (1, 1, 12, 10, 3)), "`noise_shape` must have one entry per axis"),
        (layers.Dropout(0.1, (7, 12, 10, 3)), "or fewer entries, without None, .* received"),
        (layers.Dropout(0.1, (None, 2, 1, 1)), "`noise_shape` must have one entry per axis"),
        (layers.Rescaling([1.0, 2.0]), "one for each of the 3 channels, received 2"),
    ],
)
def test_an_input_that_does_not_fit(layer, message):
    model = models.Sequential([layers.Input((12, 10, 3))])
    with pytest.raises(ValueError, match=message):
        model.add(layer)


@pytest.mark.parametrize(
    ("noise_shape", "shared"),
    [
        ((None, 1, 3), (1,)),
        ((1, None, 3), (0,)),
        ((1, 10, 1), (0, 2)),
        ((10, 1), (0, 2)),
        ((3,), (0, 1)),
        ((1,), (0, 1, 2)),
    ],
)
def test_noise_shape_shares_along_axes_and_those_left_out(noise_shape, shared):
    layer = layers.Dropout(0.5, noise_shape=noise_shape, seed=3)
    assert layers.Dropout.from_config(layer.get_config()).noise_shape == noise_shape
    y, dx, _ = passes(layer, np.ones((6, 10, 3), np.float32), np.ones((6, 10, 3), np.float32))
    assert set(np.unique(y)) <= {0.0, 2.0}
    np.testing.assert_array_equal(dx, y)
    first = y[tuple(slice(1) if axis in shared else slice(None) for axis in range(3))]
    np.testing.assert_array_equal(y, np.broadcast_to(first, y.shape))
    for axis in {0, 1, 2} - set(shared):
        assert np.ptp(y, axis=axis).any()
