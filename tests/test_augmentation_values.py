"""Layers that change the values of images: equal to real Keras for given random numbers; the
distribution of the numbers; calls, files and training."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from fastconv import layers, models, ops, runtime
from fastconv.data import AUTOTUNE, Dataset
from fastconv.layers import colors
from fastconv.layers.augmentation import RandomShear
from fastconv.utils import set_random_seed
from tests.golden.augmentation_cases import (
    CHANGES,
    ENCODINGS,
    RESIZINGS,
    TOKENS,
    UPSAMPLINGS,
    images,
)
from tests.golden.golden_file import load

_, GOLDEN = load("augmentations.npz")
X = images()
RANDOM = [
    layers.RandomBrightness(0.2, seed=1),
    layers.RandomContrast(0.5, seed=1),
    layers.RandomHue(0.5, seed=1),
    layers.RandomSaturation((0.2, 0.8), seed=1),
    layers.RandomColorDegeneration(0.8, seed=1),
    layers.RandomColorJitter((0, 255), 0.2, 0.3, 0.4, 0.5, seed=1),
    layers.RandomSharpness(1.0, seed=1),
    layers.RandomPosterization((1, 6), seed=1),
    layers.RandomInvert(seed=3),
    layers.RandomGrayscale(0.9, seed=1),
    layers.Solarization(0.3, 0.5, seed=1),
    layers.RandomGaussianBlur(1.0, 3, 1.0, seed=1),
    layers.RandomErasing((1, 1), seed=2),
    layers.RandomErasing(1.0, (0.3, 0.5), [1, 2, 3], seed=4),
    layers.RandomShear(0.4, (0.1, 0.2), seed=1),
    layers.RandAugment(seed=1),
    layers.MixUp(1.0, seed=1),
    layers.CutMix(1.0, seed=2),
    layers.Equalization(),
]


def named(layer) -> str:
    return type(layer).__name__


def channels_first(layer):
    """An equal layer for the other data format, with the same stream."""
    other = type(layer).from_config(layer.get_config() | {"data_format": "channels_first"})
    other._stream = layer._stream
    return other


# Against Keras ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind", "arguments", "drawn"),
    [(name, kind, arguments, drawn) for name, kind, arguments, _, drawn in CHANGES],
    ids=[case[0] for case in CHANGES],
)
def test_images_are_those_of_keras_for_the_same_numbers(name, kind, arguments, drawn):
    layer = getattr(layers, kind)(**arguments)
    high = arguments.get("value_range", (0, 255))[1]
    numbers = layer.maps(*drawn) if isinstance(layer, RandomShear) else drawn
    found = layer.apply(images(0, high), numbers)
    atol = 8e-6 * high  # some roundings of float32
    np.testing.assert_allclose(found, GOLDEN[name], rtol=0, atol=atol)


def test_mixed_labels_are_those_of_keras():
    drawn = next(case[4] for case in CHANGES if case[0] == "mix_up")
    found = layers.MixUp().apply_to_labels(np.eye(3, dtype=np.float32), drawn)
    np.testing.assert_allclose(found, GOLDEN["mix_up_labels"], rtol=1e-6)


@pytest.mark.parametrize("index", range(len(RESIZINGS)))
def test_resizing_is_that_of_keras(index):
    height, width, arguments = RESIZINGS[index]
    layer = layers.Resizing(height, width, **arguments)
    np.testing.assert_allclose(layer(X), GOLDEN[f"resizing_{index}"], rtol=0, atol=1e-3)


@pytest.mark.parametrize("interpolation", UPSAMPLINGS)
def test_upsampling_is_that_of_keras(interpolation):
    layer = layers.UpSampling2D((2, 3), interpolation=interpolation)
    expected = GOLDEN[f"upsampling_{interpolation}"]
    np.testing.assert_allclose(layer(X), expected, rtol=0, atol=1e-3)


@pytest.mark.parametrize(("mode", "shape"), ENCODINGS)
def test_category_encoding_is_that_of_keras(mode, shape):
    layer = layers.CategoryEncoding(5, mode)
    expected = GOLDEN[f"encoding_{mode}_{len(shape)}_{shape[-1]}"]
    tokens = TOKENS.reshape(shape)
    if len(shape) == 1:  # Keras takes such an array as one sample unless it encodes each token
        tokens = tokens if mode == "one_hot" else tokens[None]
        expected = expected.reshape(-1, 5)
    np.testing.assert_array_equal(layer(tokens), expected)


def test_category_encoding_in_a_model_and_its_errors():
    model = models.Sequential([layers.Input((2,)), layers.CategoryEncoding(5), layers.Dense(1)])
    assert model.predict(TOKENS, verbose=0).shape == (4, 1)
    other = models.Sequential.from_config(model.get_config())
    assert other.layers[0].get_config() == model.layers[0].get_config()
    with pytest.raises(ValueError, match="takes integers from 0 to 4, received 1 to 5"):
        layers.CategoryEncoding(5)(TOKENS + 1)
    with pytest.raises(ValueError, match="must be one of"):
        layers.CategoryEncoding(5, "int")
    with pytest.raises(TypeError, match="`num_tokens`"):
        layers.CategoryEncoding()


def test_colours_go_to_hsv_and_back():
    rgb = X / 255
    np.testing.assert_allclose(colors.hsv_to_rgb(colors.rgb_to_hsv(rgb)), rgb, atol=1e-6)


# What every layer does ----------------------------------------------------------------------------


@pytest.mark.parametrize("layer", RANDOM, ids=named)
def test_nothing_changes_outside_of_training(layer):
    np.testing.assert_array_equal(layer(X, training=False), X)
    model = models.Sequential([layers.Input(X.shape[1:]), layer])
    np.testing.assert_array_equal(model.predict(X, verbose=0), X)


@pytest.mark.parametrize("layer", RANDOM, ids=named)
def test_equal_seeds_give_equal_images_and_calls_differ(layer):
    def twice():
        other = type(layer).from_config(layer.get_config())
        return other(X), other(X)

    first, second = twice()
    assert not np.array_equal(first, X)
    for found, expected in zip(twice(), (first, second), strict=True):
        np.testing.assert_array_equal(found, expected)
    if not isinstance(layer, (layers.Equalization, layers.RandomInvert)):
        assert not np.array_equal(first, second)
    assert first.dtype == np.float32


@pytest.mark.parametrize("layer", RANDOM, ids=named)
def test_channels_first_are_the_same_images(layer):
    last = type(layer).from_config(layer.get_config())
    last._stream = layer._stream
    first = channels_first(layer)(X.transpose(0, 3, 1, 2))
    np.testing.assert_array_equal(first.transpose(0, 2, 3, 1), last(X))


@pytest.mark.parametrize("layer", RANDOM, ids=named)
def test_a_model_with_it_trains_and_is_saved(layer, tmp_path):
    model = models.Sequential([layers.Input(X.shape[1:]), layer, layers.Flatten(), layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(X / 255, np.zeros(3), verbose=0)
    assert all(np.isfinite(weight).all() for weight in model.get_weights())
    model.save(tmp_path / "model.keras")
    loaded = models.load_model(tmp_path / "model.keras")
    assert loaded.layers[0].get_config() == layer.get_config()


@pytest.mark.parametrize("layer", RANDOM, ids=named)
def test_one_image_and_dicts_of_arrays(layer):
    assert layer(X[0]).shape == X[0].shape
    masks = np.arange(X[..., 0].size).reshape(X[..., :1].shape)
    batch = {"images": X, "labels": np.eye(3), "segmentation_masks": masks}
    changed = layer(batch)
    assert changed.keys() == batch.keys()
    assert [changed[key].shape for key in batch] == [value.shape for value in batch.values()]
    assert batch["images"] is X
    np.testing.assert_allclose(changed["labels"].sum(axis=1), 1)
    moved = (layers.MixUp, layers.CutMix)
    if not isinstance(layer, moved):
        np.testing.assert_array_equal(changed["labels"], np.eye(3))
    if not isinstance(layer, (*moved, layers.RandomShear, layers.RandAugment)):
        np.testing.assert_array_equal(changed["segmentation_masks"], masks)
    same = layer(batch, training=False)
    assert all(same[key] is batch[key] for key in batch)
    with pytest.raises(ValueError, match="must have the key 'images'"):
        layer({"images": X, "bounding_boxes": X})


def test_masks_move_with_their_images():
    squares = np.zeros((8, 12, 12, 1), np.float32)
    squares[::2, 3:6, 2:7] = 1
    squares[1::2, 5:9, 4:9] = 1
    for layer in (
        layers.RandomFlip(seed=1),
        layers.RandomTranslation(0.3, 0.3, interpolation="nearest", seed=1),
        layers.RandomShear(0.5, interpolation="nearest", fill_mode="constant", seed=1),
        layers.CutMix(1.0, seed=1),
    ):
        found = layer({"images": squares, "segmentation_masks": squares[..., 0].astype(np.int64)})
        assert found["segmentation_masks"].dtype == np.int64
        np.testing.assert_array_equal(found["segmentation_masks"], found["images"][..., 0])
        assert not np.array_equal(found["images"], squares)


def test_weights_before_an_augmentation_are_refused():
    model = models.Sequential([
        layers.Input((4, 4, 3)), layers.Conv2D(3, 1), layers.RandomBrightness(0.2),
        layers.Flatten(), layers.Dense(1),
    ])  # fmt: skip
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="no gradient; it must precede all layers with weights"):
        model.fit(np.zeros((2, 4, 4, 3)), np.zeros(2), verbose=0)


@pytest.mark.parametrize(
    "layer", [layers.RandomHue(0.1), layers.RandomGrayscale(), layers.RandAugment()], ids=named
)
def test_colours_need_three_channels(layer):
    with pytest.raises(ValueError, match="must have 3 channels, received 1"):
        layer(np.zeros((1, 4, 4, 1)))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: layers.RandomBrightness(2), ValueError, "`factor` must be finite and at least -1"),
        (lambda: layers.RandomContrast(-0.1), ValueError, "`factor` must be"),
        (lambda: layers.RandomHue("a"), TypeError, "`factor` must be a number"),
        (lambda: layers.RandomHue((0, 1, 2)), ValueError, "one number or two"),
        (lambda: layers.RandomHue(0.1, (1, 1)), ValueError, "two different numbers"),
        (lambda: layers.RandomHue(0.1, 255), ValueError, "`value_range` must be two numbers"),
        (lambda: layers.RandomGaussianBlur(kernel_size=4), ValueError, "one odd number or two"),
        (lambda: layers.RandomErasing(fill_value=[1, 2]), ValueError, "one number or three"),
        (lambda: layers.MixUp(0), ValueError, "`alpha` must be finite and above 0"),
        (lambda: layers.RandAugment(num_ops=-1), ValueError, "`num_ops`"),
        (
            lambda: layers.MixUp()({"images": X, "labels": np.zeros(3)}),
            ValueError,
            "labels must be one-hot",
        ),
    ],
)
def test_errors(make, error, message):
    with pytest.raises(error, match=message):
        make()


# Distributions ------------------------------------------------------------------------------------

MANY = 4000


def uniform_moments(values, low, high):
    """Mean and variance of `values` are those of a uniform distribution, within 4 deviations of
    the estimates."""
    values = np.asarray(values, np.float64).ravel()
    width = high - low
    assert values.min() >= low - 1e-6 and values.max() <= high + 1e-6
    assert abs(values.mean() - (low + high) / 2) < 4 * width / np.sqrt(12 * values.size)
    # The variance of the squared distance from the mean is (1/80 - 1/144) of the width's fourth.
    deviation = width**2 * np.sqrt((1 / 80 - 1 / 144) / values.size)
    assert abs(values.var() - width**2 / 12) < 4 * deviation


@pytest.mark.parametrize(
    ("layer", "low", "high"),
    [
        (layers.RandomBrightness(0.2), -51, 51),
        (layers.RandomBrightness((0.1, 0.3), (0, 1)), 0.1, 0.3),
        (layers.RandomContrast(0.4), 0.6, 1.4),
        (layers.RandomContrast((0.1, 0.4)), 0.9, 1.4),
        (layers.RandomHue(0.5), -0.25, 0.25),
        (layers.RandomColorDegeneration((0.2, 0.5)), 0.2, 0.5),
    ],
    ids=lambda value: named(value) if hasattr(value, "name") else None,
)
def test_one_number_per_image_is_uniform(layer, low, high):
    uniform_moments(layer.draw(np.random.default_rng(1), MANY, (4, 4, 3)), low, high)


def share_of(flags, expected):
    """The share of True is as expected, within 4 deviations."""
    flags = np.asarray(flags)
    assert abs(flags.mean() - expected) < 4 * np.sqrt(expected * (1 - expected) / flags.size)


def test_probabilities():
    generator, image = np.random.default_rng(2), (6, 5, 3)
    share_of(layers.RandomGrayscale(0.3).draw(generator, MANY, image), 0.3)
    share_of(layers.RandomInvert((0.2, 0.4)).draw(generator, MANY, image), 0.3)
    share_of(layers.RandomErasing(0.5).draw(generator, MANY, image)[0], 0.25)
    share_of(layers.RandomGaussianBlur((0.5, 1)).draw(generator, MANY, image)[0], 0.75)


def test_a_saturation_factor_of_one_half_changes_nothing():
    drawn = layers.RandomSaturation((0.5, 0.5)).draw(np.random.default_rng(0), 3, X.shape[1:])
    np.testing.assert_allclose(drawn, 1, rtol=1e-6)


def test_boxes_are_inside_and_have_the_areas_of_scale():
    layer, (height, width) = layers.RandomErasing(1.0, (0.1, 0.4)), (40, 30)
    generator = np.random.default_rng(4)
    _, (left, right, top, bottom), _ = layer.draw(generator, MANY, (height, width, 3))
    assert left.min() >= 0 and top.min() >= 0
    assert right.max() <= width + 1e-9 and bottom.max() <= height + 1e-9
    uniform_moments(((right - left) / width) ** 2, 0.1, 0.4)
    uniform_moments(((bottom - top) / height) ** 2, 0.1, 0.4)
    # The start is uniform between 0 and what the box leaves free.
    uniform_moments(left / (width - (right - left)), 0, 1)


def test_an_erased_box_has_the_fill_value_and_the_rest_stays():
    layer = layers.RandomErasing((1, 1), (0.2, 0.2), [1, 2, 3], seed=5)
    found = layer(X)
    erased = (found == np.float32([1, 2, 3])).all(axis=-1)
    np.testing.assert_array_equal(found[~erased], X[~erased])
    rows, columns = erased.any(axis=2), erased.any(axis=1)
    for image in range(3):  # a rectangle
        assert erased[image].sum() == rows[image].sum() * columns[image].sum() > 0


def test_shares_of_mix_up_have_the_beta_distribution():
    layer = layers.MixUp(0.7)
    _, share = layer.draw(np.random.default_rng(0), MANY, (2, 2, 3))
    # Mean 1/2 and variance 1 / (4 (2 alpha + 1)) of Beta(alpha, alpha).
    variance = 1 / (4 * (2 * 0.7 + 1))
    assert abs(share.mean() - 0.5) < 4 * np.sqrt(variance / MANY)
    assert abs(share.var() - variance) < 0.05 * variance


def test_labels_of_cut_mix_are_the_areas():
    layer = layers.CutMix((1, 1), seed=3)
    black = np.zeros((16, 32, 32, 1), np.float32)
    numbered = black + np.arange(16).reshape(-1, 1, 1, 1)
    mixed = layer({"images": numbered, "labels": np.eye(16)})
    for own, (image, label) in enumerate(zip(mixed["images"], mixed["labels"], strict=True)):
        # A box ends between two pixels, so its area in pixels differs by at most its edges.
        assert abs((image == own).mean() - label[own]) < 2 / 32 + 1 / 32**2


def test_all_choices_of_rand_augment_occur_and_are_drawn_for_the_batch():
    layer, generator = layers.RandAugment(num_ops=3), np.random.default_rng(0)
    drawn = [layer.draw(generator, 2, (4, 4, 3)) for _ in range(100)]
    assert all(len(each) == 3 for each in drawn)
    kinds = {type(part).__name__ for part, _ in itertools.chain(*drawn)}
    assert kinds == {
        "RandomShear", "RandomTranslation", "RandomRotation", "RandomBrightness",
        "RandomColorDegeneration", "RandomContrast", "RandomSharpness", "RandomPosterization",
        "Solarization", "AutoContrast", "Equalization",
    }  # fmt: skip


# In data sets -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "augmentation",
    [
        layers.RandomFlip(seed=1),
        layers.RandomBrightness(0.2, seed=1),
        models.Sequential([layers.RandomFlip(seed=1), layers.RandomRotation(0.2, seed=2)]),
    ],
    ids=named,
)
def test_draws_in_a_data_set_depend_on_the_element_alone(augmentation):
    def passes(workers, threads):
        before = runtime.get_num_threads()
        runtime.set_num_threads(threads)
        try:
            data = Dataset.from_tensor_slices(np.tile(X, (4, 1, 1, 1))).batch(2)
            data = data.map(lambda x: augmentation(x, training=True), workers)
            return [np.concatenate(list(data)) for _ in range(2)]
        finally:
            runtime.set_num_threads(before)

    first, second = passes(None, 1)
    assert not np.array_equal(first, second)
    assert not np.array_equal(first[:3], first[3:6])
    for workers, threads in ((AUTOTUNE, 2), (3, 1)):
        for found, expected in zip(passes(workers, threads), (first, second), strict=True):
            np.testing.assert_array_equal(found, expected)


def test_mix_up_in_a_data_set():
    set_random_seed(1)
    mix = layers.MixUp(1.0)

    def mixed(x, y):
        batch = mix({"images": x, "labels": y})
        return batch["images"], batch["labels"]

    data = Dataset.from_tensor_slices((X, np.eye(3))).batch(3).map(mixed, AUTOTUNE)
    (x, y), (again, _) = (next(iter(data)) for _ in range(2))
    np.testing.assert_allclose(x, np.tensordot(y, X, 1), rtol=1e-4, atol=1e-3)
    np.testing.assert_array_equal(x, again)  # the same pass and element


def test_a_shear_of_rows_moves_them_in_proportion():
    maps = layers.RandomShear(0.5).maps(np.float64([1.0]), np.float64([0.0]))
    x = np.zeros((1, 3, 5, 1))
    x[0, :, 3] = 1
    found = ops.warp(x, maps)[0, ..., 0]
    assert found.argmax(axis=1).tolist() == [3, 2, 1]
