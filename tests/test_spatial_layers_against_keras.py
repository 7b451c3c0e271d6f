"""Layers over space against values that real Keras computed (`golden/make_convolution_layers`,
`golden/make_volumes`)."""

from __future__ import annotations

import json

import numpy as np
import pytest

from fastconv import layers, models
from fastconv.ops import compiled
from fastconv.serialization import deserialize, serialize
from tests.golden.golden_file import HERE, load
from tests.support.differential import values_and_gradients

CASES, ARRAYS = load("convolution_layers.npz")
VOLUME_CASES, VOLUMES = load("volumes.npz")
CASES, ARRAYS = [*CASES, *VOLUME_CASES], ARRAYS | VOLUMES
MODELS = ["spatial", "volumes"]  # files written by Keras


def select(kind):
    return [pytest.param(case, id=case["name"]) for case in CASES if case["kind"] == kind]


def golden(case):
    prefix = case["name"] + "/"
    return {k.removeprefix(prefix): v for k, v in ARRAYS.items() if k.startswith(prefix)}


def assert_close(actual, expected, what):
    """Relative to the largest element: sums of terms of both signs lose digits, not accuracy."""
    assert actual.shape == expected.shape, what
    scale = np.abs(expected).max()
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5 * scale, err_msg=what)


@pytest.mark.parametrize("case", select("layer"))
def test_values_and_gradients_are_those_of_keras(case):
    arrays = golden(case)
    layer = deserialize(case["config"], "layers")
    layer.build((None, *case["shape"]))
    weights = [arrays[f"w{index}"] for index in range(len(layer.weights))]
    layer.set_weights(weights)
    y, dx, dws = values_and_gradients(layer, arrays["x"], arrays["dy"])
    assert layer.output_shape == (None, *y.shape[1:])
    assert_close(y, arrays["y"], "y")
    assert_close(dx, arrays["dx"], "dx")
    for index, dw in enumerate(dws):
        assert_close(dw, arrays[f"dw{index}"], layer.weights[index].name)


@pytest.mark.parametrize("case", select("layer"))
def test_a_model_predicts_what_the_layer_computes(case):
    arrays = golden(case)
    layer = deserialize(case["config"], "layers")
    model = models.Sequential([layers.Input(tuple(case["shape"])), layer])
    layer.set_weights([arrays[f"w{index}"] for index in range(len(layer.weights))])
    assert_close(model.predict(arrays["x"], verbose=0), arrays["y"], "y")


@pytest.mark.parametrize("case", select("layer") + select("configured"))
def test_configurations_are_those_of_keras(case):
    """All keys that Keras writes are there with the same values, and none beside them."""
    written = case["config"]
    layer = deserialize(written, "layers")
    ours = json.loads(json.dumps(serialize(layer)))
    assert (ours["module"], ours["class_name"]) == (written["module"], written["class_name"])
    mine, theirs = ours["config"], written["config"]
    assert set(mine) == set(theirs), "keys"
    for key in set(theirs) - {"name", "dtype"}:
        assert plain(mine[key]) == plain(theirs[key]), key
    assert deserialize(ours, "layers").get_config() == layer.get_config()


def plain(value):
    """What counts in a value: lists for tuples, objects by their class and what is set in them."""
    if isinstance(value, dict) and "class_name" in value:
        return value["class_name"], plain(value["config"])
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items() if part is not None}
    return list(value) if isinstance(value, tuple) else value


@pytest.mark.parametrize("case", select("random"))
def test_random_layers_move_images_as_keras_does(case):
    arrays = golden(case)
    x, told = arrays["x"], {key: np.array(value) for key, value in case["told"].items()}
    layer = getattr(layers, case["class"])(**case["settings"])
    size = () if case["class"] == "RandomTranslation" else x.shape[1:3]
    maps = layer.maps(*told.values(), *size)
    y = np.empty_like(x)
    compiled.Warp(x, y, maps, layer.interpolation, layer.fill_mode, layer.fill_value).run(1)
    assert_close(y, arrays["y"], "y")


@pytest.mark.parametrize("name", MODELS)
def test_a_model_written_by_keras_predicts_the_same(name):
    model = models.load_model(HERE / f"{name}.keras")
    y = model.predict(ARRAYS[f"{name}/x"], verbose=0)
    assert_close(y, ARRAYS[f"{name}/y"], "y")


@pytest.mark.parametrize("name", MODELS)
def test_a_model_survives_being_saved(name, tmp_path):
    model = models.load_model(HERE / f"{name}.keras")
    model.save(tmp_path / "again.keras")
    again = models.load_model(tmp_path / "again.keras")
    x = ARRAYS[f"{name}/x"]
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))
    assert again.get_config() == model.get_config()
