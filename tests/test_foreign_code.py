"""Files that want code to run: refused by the name of what they ask for, and nothing is executed.

Each file names a class, a function or a module that is not fastconv's, or is a pickle under another
name. A module that leaves a trace when it is imported can be found all the while.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import sys
import zipfile

import h5py
import numpy as np
import pytest

from fastconv import FormatError, layers, models
from fastconv.datasets import idx
from fastconv.saving.state_file import load_state


def small_model():
    model = models.Sequential([
        layers.Input((4, 4, 1)), layers.Conv2D(2, 3, activation="relu", name="first"),
        layers.Flatten(name="flat"), layers.Dense(3, name="last"),
    ])  # fmt: skip
    model.compile("adam", "mse", metrics=["mae"])
    return model


@pytest.fixture
def trace(tmp_path, monkeypatch):
    """The path that exists as soon as anything of the module `evil` has run."""
    trace = tmp_path / "trace"
    home = tmp_path / "modules"
    home.mkdir()
    (home / "evil.py").write_text(f"""
open({str(trace)!r}, "w").close()
class Evil:
    @classmethod
    def from_config(cls, config):
        return cls()
    def get_config(self):
        return {{}}
def run(*arguments):
    return arguments[0]
""")
    monkeypatch.syspath_prepend(home)
    yield trace
    assert not trace.exists()
    assert "evil" not in sys.modules


EVIL = {"module": "evil", "class_name": "Evil", "config": {}, "registered_name": "evil>Evil"}
FUNCTION = {
    "module": "evil", "class_name": "function", "config": "run", "registered_name": "function",
}  # fmt: skip
LAMBDA = {
    "module": "keras.layers",
    "class_name": "Lambda",
    "registered_name": None,
    "config": {
        "name": "code",
        "function": {
            "class_name": "__lambda__",
            "config": {"code": "4wEAAAAAAAAAAAAAAAEAAABTAAAA", "defaults": None, "closure": None},
        },
    },
}


def config_of(index, **settings):
    def edit(entries, training):
        entries[index]["config"].update(settings)

    return edit


def entry(index, **settings):
    def edit(entries, training):
        entries[index] = entries[index] | settings

    return edit


def trained_with(**settings):
    def edit(entries, training):
        training.update(settings)

    return edit


def nested(entries, training):
    inner = {"name": "inner", "layers": [LAMBDA]}
    entries[2] = {"module": "keras", "class_name": "Sequential", "config": inner}


# What the file is made to say, and the name that the error has to contain.
ASKING = {
    "a Lambda layer": (entry(1, **LAMBDA), r"keras\.layers\.Lambda is not supported"),
    "a Lambda in a model in the model": (nested, r"keras\.layers\.Lambda is not supported"),
    "a layer": (entry(1, **EVIL), r"evil\.Evil is not supported"),
    "a layer with a name of ours": (entry(1, module="evil"), r"evil\.Conv2D is not supported"),
    "a class of a module of ours": (
        entry(1, module="fastconv.serialization", class_name="import_module"),
        r"fastconv\.serialization\.import_module is not supported",
    ),
    "a class of Python": (
        entry(1, module="builtins", class_name="eval", config={"source": "1"}),
        r"builtins\.eval is not supported",
    ),
    "an initializer": (config_of(1, kernel_initializer=EVIL), r"evil\.Evil is not supported"),
    "a regularizer": (config_of(1, kernel_regularizer=EVIL), r"evil\.Evil is not supported"),
    "a constraint": (config_of(1, kernel_constraint=EVIL), r"evil\.Evil is not supported"),
    "an activation": (config_of(1, activation=FUNCTION), "`activation` must be .*evil"),
    "an activation by its path": (config_of(1, activation="evil.run"), "`activation` .*evil.run"),
    "a dtype": (config_of(1, dtype=EVIL | {"config": {"name": "evil"}}), "`dtype` .*evil"),
    "a loss": (trained_with(loss=EVIL), r"evil\.Evil is not supported"),
    "a loss that is a function": (trained_with(loss=FUNCTION), "evil"),
    "a loss by its path": (trained_with(loss="evil.run"), "`loss` must be one of .*evil.run"),
    "a metric": (trained_with(metrics=[EVIL]), r"evil\.Evil is not supported"),
}  # fmt: skip


def described(path):
    """The layers and the training in the JSON of a file, and what writes them back."""
    if path.suffix == ".keras":
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        config = json.loads(members["config.json"])

        def write():
            members["config.json"] = json.dumps(config)
            with zipfile.ZipFile(path, "w") as archive:
                for name, data in members.items():
                    archive.writestr(name, data)

        return config, config["compile_config"], write
    with h5py.File(path, "r") as h5:
        config, training = (json.loads(h5.attrs[f"{n}_config"]) for n in ("model", "training"))

    def write():
        with h5py.File(path, "r+") as h5:
            h5.attrs["model_config"] = json.dumps(config)
            h5.attrs["training_config"] = json.dumps(training)

    return config, training, write


@pytest.fixture(params=[".keras", ".h5"])
def path(request, tmp_path):
    path = tmp_path / f"model{request.param}"
    small_model().save(path)
    return path


def refused(path, message):
    with pytest.raises(FormatError, match=message):
        models.load_model(path)


@pytest.mark.parametrize("name", ASKING)
def test_code_of_others_is_refused_by_name(name, path, trace):
    edit, message = ASKING[name]
    config, training, write = described(path)
    edit(config["config"]["layers"], training)
    write()
    refused(path, rf"model\.(keras|h5): .*{message}")


@pytest.mark.parametrize("settings", [{"class_name": "Evil"}, {"module": "evil"}])
def test_a_foreign_optimizer_and_a_foreign_schedule(settings, path, trace):
    _, training, write = described(path)
    key = "optimizer" if path.suffix == ".keras" else "optimizer_config"
    good = training[key]
    training[key] = good | settings
    write()
    refused(path, "(evil.Adam|Evil) is not supported")
    training[key] = good | {"config": good["config"] | {"learning_rate": EVIL}}
    write()
    refused(path, r"evil\.Evil is not supported")


def test_a_foreign_model(path, trace):
    config, _, write = described(path)
    config |= {"module": "evil", "class_name": "Evil"}
    write()
    refused(path, r"must describe a model of one of the classes .*received evil\.Evil")


def test_a_foreign_layer_in_a_graph(tmp_path, trace):
    given = layers.Input((4,))
    path = tmp_path / "graph.keras"
    models.Model(given, layers.Dense(2)(layers.Dense(3)(given))).save(path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    good = json.loads(members["config.json"])
    for foreign, message in ((LAMBDA, r"keras\.layers\.Lambda"), (EVIL, r"evil\.Evil")):
        config = json.loads(json.dumps(good))
        config["config"]["layers"][1] |= foreign
        with zipfile.ZipFile(path, "w") as archive:
            for name in members:
                data = json.dumps(config) if name == "config.json" else members[name]
                archive.writestr(name, data)
        refused(path, f"{message} is not supported")


def test_unsafe_loading_is_no_option(path):
    with pytest.raises(ValueError, match="`safe_mode` must be True, received False"):
        models.load_model(path, safe_mode=False)


class Trap:
    """A pickle of this calls `os.mkdir` when it is read."""

    def __init__(self, path):
        self._path = path

    def __reduce__(self):
        return os.mkdir, (str(self._path),)


def pickles(trace):
    """Bytes that run code in readers which unpickle what they find."""
    trap = Trap(trace)
    yield pickle.dumps(trap)
    for save in (np.save, np.savez):
        file = io.BytesIO()
        save(file, np.array([trap], object))
        yield file.getvalue()


def test_pickles_are_not_read_under_any_name(tmp_path, trace):
    model = small_model()
    before = model.get_weights()
    readers = {
        "m.keras": models.load_model,
        "m.h5": models.load_model,
        "w.keras": model.load_weights,
        "w.h5": model.load_weights,
        "m.weights.h5": model.load_weights,
        "m.safetensors": model.load_weights,
        "state": load_state,
        "images-idx3-ubyte": idx.read,
        "images-idx3-ubyte.gz": idx.read,
    }
    for data in pickles(trace):
        for name, read in readers.items():
            path = tmp_path / name
            path.write_bytes(data)
            with pytest.raises(FormatError, match=name):
                read(path)
    for now, then in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)
    pickle.loads(next(pickles(trace)))  # the trap does work
    assert trace.exists()
    trace.rmdir()


def test_a_pickle_inside_of_an_archive(tmp_path, trace):
    path = tmp_path / "m.keras"
    small_model().save(path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    for data in pickles(trace):
        for replaced in members:
            with zipfile.ZipFile(path, "w") as archive:
                for name in members:
                    archive.writestr(name, data if name == replaced else members[name])
            refused(path, "is not JSON|not a readable HDF5 file")
