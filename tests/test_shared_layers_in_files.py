"""Layers in several places, inside of models, outside, twice in a chain: in files and clones."""

from __future__ import annotations

import json
import re
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest

from fastconv import FormatError, layers, models
from fastconv.utils import set_random_seed
from tests.golden.golden_file import HERE
from tests.golden.sharing_networks import NETWORKS

LIBRARY = layers, models.Model, models.Sequential


def dense_twice_in_a_chain(L, M, S):
    shared = L.Dense(6)
    return S([L.Input((6,)), shared, L.ReLU(), shared])


def activation_twice_in_a_chain(L, M, S):
    shared = L.ReLU()
    return S([L.Input((6,)), L.Dense(4), shared, L.Dense(3), shared])


OWN = NETWORKS | {f.__name__: f for f in (dense_twice_in_a_chain, activation_twice_in_a_chain)}
of_all = pytest.mark.parametrize("network", OWN.values(), ids=OWN)


def made(network):
    set_random_seed(1)
    return network(*LIBRARY)


def samples(model):
    rng = np.random.default_rng(2)
    x = [rng.standard_normal((3, *each.shape[1:])).astype(np.float32) for each in model.inputs]
    return x if len(x) > 1 else x[0]


def outputs(model, x):
    y = model.predict(x, verbose=0)
    return y if isinstance(y, list) else [y]


def structure(model):
    """Which layers are the same objects, by the order in which they are met."""
    numbers = {}

    def walk(model):
        found = []
        for layer in model.layers:
            number = numbers.setdefault(layer, len(numbers))
            found.append((number, walk(layer)) if hasattr(layer, "layers") else number)
        return found

    return walk(model)


def assert_equal(found, expected):
    x = samples(expected)
    assert structure(found) == structure(expected)
    assert [w.shape for w in found.weights] == [w.shape for w in expected.weights]
    for a, b in zip(outputs(found, x), outputs(expected, x), strict=True):
        np.testing.assert_array_equal(a, b)


# ---------------------------------------------------------------------- what fastconv itself writes


@of_all
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_files_keep_sharing(tmp_path, network, suffix):
    model = made(network)
    model.save(tmp_path / f"model{suffix}")
    loaded = models.load_model(tmp_path / f"model{suffix}")
    assert_equal(loaded, model)
    loaded.save(tmp_path / f"again{suffix}")  # and once more from what was read
    assert_equal(models.load_model(tmp_path / f"again{suffix}"), model)


@of_all
def test_configurations_keep_sharing(network):
    model = made(network)
    config = model.get_config()
    for again in (
        models.clone_model(model),
        models.model_from_json(model.to_json()),
        type(model).from_config(json.loads(json.dumps(config))),
    ):
        again.set_weights(model.get_weights())
        assert_equal(again, model)
        assert again.get_config() == config


@of_all
@pytest.mark.parametrize("suffix", [".weights.h5", ".keras", ".h5"])
def test_weights_of_shared_layers(tmp_path, network, suffix):
    model, path = made(network), tmp_path / f"model{suffix}"
    (model.save if suffix in (".keras", ".h5") else model.save_weights)(path)
    set_random_seed(7)
    other = network(*LIBRARY)
    other.load_weights(path)
    assert_equal(other, model)


def test_training_goes_on_with_shared_layers(tmp_path):
    """Weights that are shared stay so: the sum of all gradients moves them, before and after."""
    model = made(NETWORKS["twice_outside"])
    model.compile("adam", "mse")
    x = samples(model)
    y = [np.ones((3, 6), np.float32)] * 2
    model.fit(x, y, verbose=0, shuffle=False)
    model.save(tmp_path / "model.keras")
    loaded = models.load_model(tmp_path / "model.keras")
    for each in (model, loaded):
        each.fit(x, y, epochs=3, verbose=0, shuffle=False)
    assert_equal(loaded, model)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_layers_thawed_inside_of_a_frozen_model_stay_so(tmp_path, suffix):
    shared, x = layers.Dense(6, name="shared"), layers.Input((6,))
    chain = models.Sequential([layers.Input((6,)), layers.Dense(6), shared])
    graph = models.Model(x, layers.Dense(6)(layers.Dense(6, name="thawed")(x)))
    for model in (chain, graph):
        model.trainable = False
    graph.get_layer("thawed").trainable = True
    whole = models.Sequential([layers.Input((6,)), chain, graph, shared])
    shared.trainable = True
    expected = [variable.trainable for variable in whole.weights]
    assert set(expected) == {True, False}
    whole.save(tmp_path / f"model{suffix}")
    for again in (models.load_model(tmp_path / f"model{suffix}"), models.clone_model(whole)):
        assert [variable.trainable for variable in again.weights] == expected
        assert not any(layer.trainable for layer in again.layers[:2])


class Graph(models.Model):
    """A user's own class of models."""


class Chain(models.Sequential):
    """A user's own class of chains."""


def test_models_of_own_classes(tmp_path):
    shared, x, y = layers.Dense(6), layers.Input((6,)), layers.Input((6,))
    chain = Chain([layers.Input((6,)), shared])
    model = models.Model(y, Graph(x, layers.ReLU()(shared(x)))(shared(chain(y))))
    assert model.get_config()["output_layers"][1] == 1  # as Keras counts calls of graphs there
    model.save(tmp_path / "model.keras")
    own = {"Graph": Graph, "Chain": Chain}
    assert_equal(models.load_model(tmp_path / "model.keras", custom_objects=own), model)
    clone = copy_of(model)
    assert_equal(clone, model)
    assert {type(layer) for layer in clone.layers} >= {Graph, Chain}


def test_layers_of_equal_names_are_not_taken_for_one(tmp_path):
    """A name is unique within one model; whether layers are one is what ids say, not names."""

    def part(layer):
        x = layers.Input((4,), name="x")
        return models.Model(x, layers.ReLU(name="r")(layer(x)))

    shared, other = layers.Dense(4, name="d"), layers.Dense(4, name="d")
    x = layers.Input((4,))
    y = part(shared)(part(shared)(part(other)(x)))
    model = models.Model(x, y)
    assert len(model.weights) == 4
    for suffix in (".keras", ".h5"):
        model.save(tmp_path / f"model{suffix}")
        assert_equal(models.load_model(tmp_path / f"model{suffix}"), model)
    assert_equal(copy_of(model), model)


def copy_of(model):
    clone = models.clone_model(model)
    clone.set_weights(model.get_weights())
    return clone


def test_the_ids_in_descriptions():
    model = made(NETWORKS["inside_then_outside"])
    inner, shared = model.get_config()["layers"][1:3]
    first = inner["config"]["layers"][1]
    assert (first["shared_object_id"], first["calls_before"]) == (1, 0)
    assert (shared["shared_object_id"], shared["calls_before"]) == (1, 1)
    histories = [
        entry["inbound_nodes"][0]["args"][0]["config"]["keras_history"]
        for entry in (inner["config"]["layers"][2], model.get_config()["layers"][3])
    ]
    # Keras counts calls of a layer over all models, in the order in which a file is read.
    assert [history[1] for history in histories] == [0, 1]
    unshared = made(NETWORKS["model_called_twice"]).to_json()
    assert "shared_object_id" not in unshared and "calls_before" not in unshared


# ---------------------------------------------------------------------- what does not fit together


def change(network, edit):
    config = json.loads(json.dumps(made(NETWORKS[network]).get_config()))
    edit(config)
    return config


def inner_first(config):
    return config["layers"][1]["config"]["layers"][1]


@pytest.mark.parametrize(
    "edit, message",
    [
        (lambda c: inner_first(c)["config"].update(units=7), "one shared layer must be equal"),
        (lambda c: inner_first(c)["config"].update(name="a"), "one shared layer must be equal"),
        (lambda c: inner_first(c).update(shared_object_id=[1]), "`shared_object_id` must be an"),
        (lambda c: inner_first(c).update(shared_object_id=True), "`shared_object_id` must be an"),
        (lambda c: c["layers"][2].update(calls_before=-1), "`calls_before` must be an integer"),
        (lambda c: c["layers"][2].update(calls_before=None), "`calls_before` must be an integer"),
        (lambda c: c["layers"][2].update(calls_before=5), "depend on calls that do not exist"),
    ],
)
def test_contradictions_are_refused(edit, message):
    with pytest.raises(ValueError, match=message):
        models.Model.from_config(change("inside_then_outside", edit))


def two_parts(shared):
    x = layers.Input((4,), name="x")
    first = layers.Dense(4, name="d")
    second = first if shared else layers.Dense(4, name="d")
    parts = [
        models.Sequential([layers.Input((4,), name="i"), layer, layers.ReLU()], name=name)
        for name, layer in (("one", first), ("two", second))
    ]
    return models.Model(x, parts[1](parts[0](x)))


@pytest.mark.parametrize("suffix", [".weights.h5", ".h5"])
def test_weights_of_separate_layers_do_not_fit_one_shared_layer(tmp_path, suffix):
    separate, shared, path = two_parts(False), two_parts(True), tmp_path / f"model{suffix}"
    before = shared.get_weights()
    (separate.save if suffix == ".h5" else separate.save_weights)(path)
    with pytest.raises(FormatError, match="d/kernel once more, since .* other values"):
        shared.load_weights(path)
    for now, then in zip(shared.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)
    separate.set_weights(separate.get_weights()[:2] * 2)  # equal, so that they may be one
    (separate.save if suffix == ".h5" else separate.save_weights)(path)
    shared.load_weights(path)
    np.testing.assert_array_equal(shared.get_weights()[0], separate.get_weights()[0])


def test_weights_of_one_shared_layer_do_not_fit_separate_ones(tmp_path):
    two_parts(True).save_weights(tmp_path / "model.weights.h5")
    with pytest.raises(FormatError, match="there must be a group /layers/sequential_1/layers/de"):
        two_parts(False).load_weights(tmp_path / "model.weights.h5")


# ---------------------------------------------------------------------------------- from real Keras


@pytest.fixture(scope="module")
def archive():
    with zipfile.ZipFile(HERE / "sharing.zip") as archive:
        yield archive


def from_keras(archive, tmp_path, name, suffix):
    """The path of a file of Keras, inputs, and the outputs of Keras."""
    path = Path(archive.extract(f"{name}{suffix}", tmp_path))
    with archive.open(f"{name}.npz") as file, np.load(file) as arrays:
        x = [arrays[key] for key in arrays if key[0] == "x"]
        return path, x if len(x) > 1 else x[0], [arrays[k] for k in arrays if k[0] == "y"]


def assert_predicts(model, x, expected):
    for a, b in zip(outputs(model, x), expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_files_of_keras_keep_sharing(archive, tmp_path, name):
    path, x, expected = from_keras(archive, tmp_path, name, ".keras")
    model = models.load_model(path)
    assert_predicts(model, x, expected)
    assert structure(model) == structure(made(NETWORKS[name]))


@pytest.mark.parametrize("name", NETWORKS)
def test_older_files_of_keras_hold_copies_and_that_is_said(archive, tmp_path, name, recwarn):
    path, x, expected = from_keras(archive, tmp_path, name, ".h5")
    model = models.load_model(path)
    assert_predicts(model, x, expected)
    copies = len(model.weights) > len(made(NETWORKS[name]).weights)
    warned = ["if they were one shared layer" in str(each.message) for each in recwarn]
    assert warned == [True] * copies


def test_json_of_keras_does_not_tell_and_that_is_said(archive, tmp_path):
    path, *_ = from_keras(archive, tmp_path, "inside_then_outside", ".keras")
    with zipfile.ZipFile(path) as file:
        text = file.read("config.json").decode()
    with pytest.warns(UserWarning, match="'dense'] occur several times; if they were one shared"):
        models.model_from_json(re.sub(r', "shared_object_id": \d+', "", text))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        models.model_from_json(text)


def test_layers_that_train_differently_in_graphs_of_keras(archive, tmp_path):
    """Keras writes `training` into their calls, whatever the user said."""
    for suffix in (".keras", ".h5"):
        path, x, expected = from_keras(archive, tmp_path, "training_layers", suffix)
        assert_predicts(models.load_model(path), x, expected)


def test_training_that_was_asked_for_is_restored(archive, tmp_path):
    """It holds for calls of the model; `predict` replaces it, as in Keras."""
    for suffix in (".keras", ".h5"):
        path, x, expected = from_keras(archive, tmp_path, "training_asked_for", suffix)
        model = models.load_model(path)
        again = models.Model.from_config(model.get_config())
        for each in (model, again):
            assert [call.training for call in each.get_layer("uncertain").calls] == [True]
        assert_predicts(model, x, expected)


def test_a_lost_id_that_may_be_several_layers(archive, tmp_path):
    """Keras does not say which first description the id of a later one belongs to."""
    path, *_ = from_keras(archive, tmp_path, "in_two_models", ".keras")
    with zipfile.ZipFile(path) as archive:
        description = json.loads(archive.read("config.json"))
    first = json.loads(json.dumps(description["config"]["layers"][1]).replace('"functional', '"a'))
    description["config"]["layers"].insert(1, first)
    with pytest.raises(ValueError, match="may be any of 2 layers before it that are described"):
        models.Model.from_config(description["config"])
