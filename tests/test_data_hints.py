"""Data that does not fit a model gets the hint that helps."""

from __future__ import annotations

import numpy as np
import pytest

from fastconv import layers, models


def pictures():
    return models.Sequential([layers.Input((8, 6, 3)), layers.Flatten(), layers.Dense(2)])


def two_inputs():
    a, b = layers.Input((4,), name="left"), layers.Input((4,), name="right")
    model = models.Model([a, b], layers.Dense(1, name="only")(layers.add([a, b])))
    model.compile("sgd", "mse")
    return model


def ways_in(model):
    """The calls that take samples."""
    return (lambda x: model.predict(x, verbose=0), model.predict_on_batch, model)


@pytest.mark.parametrize(
    ("shape", "hint", "mended"),
    [
        ((8, 6, 3), r"; one sample needs a batch axis as well: x\[None\]$", lambda x: x[None]),
        (
            (5, 3, 8, 6),
            r"; the channels come last: x.transpose\(0, 2, 3, 1\)$",
            lambda x: x.transpose(0, 2, 3, 1),
        ),
        (
            (3, 8, 6),
            r"; the channels come last: x.transpose\(1, 2, 0\)\[None\]$",
            lambda x: x.transpose(1, 2, 0)[None],
        ),
        ((5, 8, 6, 4), r"received \(5, 8, 6, 4\)$", None),
        ((5, 7, 6, 3), r"received \(5, 7, 6, 3\)$", None),
        ((100, 90, 3), "; one picture needs that size and a batch axis$", None),
    ],
)
def test_a_wrong_shape_gets_a_hint_that_mends_it(shape, hint, mended):
    model = pictures()
    x = np.zeros(shape, np.float32)
    for take in ways_in(model):
        with pytest.raises(ValueError, match=hint):
            take(x)
        if mended:
            take(mended(x))


def test_sequences_with_channels_first():
    model = models.Sequential([layers.Input((10, 4)), layers.Conv1D(2, 3)])
    with pytest.raises(ValueError, match=r"channels come last: x.transpose\(0, 2, 1\)$"):
        model.predict(np.zeros((7, 4, 10)), verbose=0)


def test_a_grey_picture_without_batch_axis():
    model = models.Sequential([layers.Input((8, 6, 1)), layers.Flatten(), layers.Dense(2)])
    for shape in ((8, 6), (8, 6, 1)):
        with pytest.raises(ValueError, match=r"batch axis as well: x\[None\]$"):
            model.predict(np.zeros(shape), verbose=0)


def test_a_picture_of_pillow():
    image = pytest.importorskip("PIL.Image").new("RGB", (6, 8))
    model = pictures()
    with pytest.raises(TypeError, match=r"fastconv.utils.img_to_array\(picture\)\[None\]$"):
        model.predict(image, verbose=0)
    for take in (model.predict_on_batch, model):
        with pytest.raises(ValueError, match="one sample needs a batch axis"):
            take(image)
    assert model.predict([image, image], verbose=0).shape == (2, 2)


@pytest.mark.parametrize("path", ["cat.png", b"cat.png"])
def test_a_path_is_no_data(path):
    with pytest.raises(TypeError, match="cat.png'; fastconv.utils.load_img reads a picture"):
        pictures().predict(path, verbose=0)


def test_pictures_of_booleans_are_zeros_and_ones():
    model, x = pictures(), np.random.default_rng(0).integers(0, 2, (5, 8, 6, 3)).astype(bool)
    expected = model.predict(x.astype(np.float32), verbose=0)
    for data in (x, x.tolist(), np.asfortranarray(x), iter([x])):
        np.testing.assert_array_equal(model.predict(data, verbose=0), expected)
    np.testing.assert_array_equal(model(x), expected)
    unbuilt = models.Sequential([layers.Flatten(), layers.Dense(2)])
    unbuilt.compile("sgd", "mse")
    unbuilt.fit(x, np.zeros((5, 2)), verbose=0)
    assert unbuilt.input_shape == (None, 8, 6, 3)


def test_inputs_of_different_length_are_named():
    model, x = two_inputs(), np.zeros((5, 4))
    message = "`x` for input 'left' and `x` for input 'right' must have one length, received 5 and"
    for data in ([x, x[:3]], {"left": x, "right": x[:3]}):
        with pytest.raises(ValueError, match=message):
            model.predict(data, verbose=0)
        with pytest.raises(ValueError, match=message):
            model.fit(data, x[:, :1], verbose=0)


def test_labels_of_different_length_are_named():
    a = layers.Input((4,))
    model = models.Model(a, [layers.Dense(1, name="first")(a), layers.Dense(1, name="second")(a)])
    model.compile("sgd", "mse")
    x = np.zeros((5, 4))
    message = "`x` and `y` for output 'second' must have one length, received 5 and 2"
    with pytest.raises(ValueError, match=message):
        model.fit(x, [x[:, :1], x[:2, :1]], verbose=0)
