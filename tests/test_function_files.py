"""Models with functions of `ops` in files, copies and descriptions."""

from __future__ import annotations

import copy
import json
import pickle
import zipfile

import numpy as np
import pytest

from fastconv import FormatError, layers, models, ops
from tests.golden.golden_file import HERE, load
from tests.support.oracle import assert_same_bits, generator


def make_model():
    x = layers.Input((6, 6, 3))
    y = layers.Conv2D(4, 3, padding="same")(x * 2.0 - [0.5, 0.25, 0.125])
    y = ops.where(y > 0.1, y, ops.exp(-y))[:, 1:, ..., ::2]
    mean, variance = ops.moments(y, axes=(1, 2))
    parts = ops.split(ops.normalize(y), 2, axis=-1)
    flat = ops.concatenate([mean, variance, ops.max(parts[0], axis=(1, 2))], axis=-1)
    flat = flat @ generator("matrix").standard_normal((5, 4)).astype(np.float32)
    best, places = ops.top_k(flat, 2)
    return models.Model(x, [layers.Dense(2)(flat), best, places, flat > 0])


@pytest.fixture(scope="module")
def images():
    return generator("images").standard_normal((7, 6, 6, 3)).astype(np.float32)


def assert_equal_outputs(model, other, images):
    for a, b in zip(model.predict_on_batch(images), other.predict_on_batch(images), strict=True):
        assert a.dtype == b.dtype
        assert_same_bits(a, b)


def test_a_file_holds_functions(tmp_path, images):
    model = make_model()
    model.save(tmp_path / "model.keras")
    assert_equal_outputs(model, models.load_model(tmp_path / "model.keras"), images)


def test_copies_hold_functions(images):
    model = make_model()
    for other in (
        pickle.loads(pickle.dumps(model)),
        copy.deepcopy(model),
        models.model_from_json(model.to_json()),
    ):
        if other.count_params() and other.get_weights()[0].any():
            other.set_weights(model.get_weights())
        assert_equal_outputs(model, other, images)


def test_a_model_in_a_model_holds_functions(images):
    inner = make_model()
    x = layers.Input((6, 6, 3))
    first, *_ = inner(x + 0.0)
    outer = models.Model(x, first * 1.0)
    assert_same_bits(outer.predict_on_batch(images), inner.predict_on_batch(images)[0])


def test_a_file_of_keras_is_read():
    _, arrays = load("keras_ops_model.npz")
    model = models.load_model(HERE / "keras_ops_model.keras")
    found = model.predict_on_batch([arrays["x"], arrays["z"]])
    for number, y in enumerate(found):
        np.testing.assert_allclose(y, arrays[f"y{number}"], rtol=2e-5, atol=1e-4)
    assert f"y{len(found)}" not in arrays


@pytest.mark.parametrize(
    "old, new, message",
    [
        ('"class_name": "Multiply"', '"class_name": "Svd"', "not a supported function"),
        ('"axis": -1', '"axes": -1', "must have"),
        ('"__slice__"', '"__lambda__"', "expected a number, a slice or an array"),
    ],
)
def test_damaged_functions_are_refused(old, new, message, tmp_path):
    make_model().save(tmp_path / "good.keras")
    with zipfile.ZipFile(tmp_path / "good.keras") as good:
        members = {name: good.read(name) for name in good.namelist()}
    text = members["config.json"].decode()
    assert old in text
    json.loads(text.replace(old, new, 1))
    members["config.json"] = text.replace(old, new, 1).encode()
    with zipfile.ZipFile(tmp_path / "bad.keras", "w") as bad:
        for name, content in members.items():
            bad.writestr(name, content)
    with pytest.raises(FormatError, match=message):
        models.load_model(tmp_path / "bad.keras")
