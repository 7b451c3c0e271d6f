"""Files made to break a reader: one documented error, at once, and nothing changed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

import fastconv
from fastconv import FormatError, layers, losses, metrics, models, optimizers
from fastconv.datasets import _cifar, idx
from fastconv.saving.state_file import load_state
from fastconv.utils import load_img

ROOT = Path(fastconv.__file__).parents[1]

X, Y = np.ones((4, 3), np.float32), np.ones((4, 2), np.float32)


def small_model(optimizer="adam"):
    model = models.Sequential([layers.Input((3,)), layers.Dense(2, name="dense")])
    model.compile(optimizer, "mse")
    return model


def edited_keras(tmp_path, edit, member="config.json", **options):
    """A `.keras` file whose JSON is edited."""
    model = small_model(**options)
    model.fit(X, Y, verbose=0)
    model.save(tmp_path / "good.keras")
    path = tmp_path / "bad.keras"
    with (
        zipfile.ZipFile(tmp_path / "good.keras") as good,
        zipfile.ZipFile(path, "w") as bad,
    ):
        for name in good.namelist():
            data = good.read(name)
            if name == member:
                described = json.loads(data)
                edit(described)
                data = json.dumps(described)
            bad.writestr(name, data)
    return path


def layer(**settings):
    return lambda c: c["config"]["layers"][1]["config"].update(settings)


def optimizer(**settings):
    return lambda c: c["compile_config"]["optimizer"]["config"].update(settings)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (layer(units=10**400), "units"),
        (layer(activity_regularizer={"class_name": "L2", "module": "keras.regularizers",
                                     "config": {"l2": 10**400}}), "OverflowError|l2"),
        (optimizer(learning_rate=10**400), "OverflowError|learning_rate"),
        (optimizer(learning_rate={"class_name": ["x"], "config": {}}), "expected a description"),
        (lambda c: c.update(class_name=["Sequential"]), "must describe a model"),
        (lambda c: c["config"]["layers"][1].update(class_name=["Dense"]), "expected a description"),
        (lambda c: c["config"]["layers"][1].update(module={}), r"\{\}.Dense is not supported"),
        (lambda c: c["config"].update(layers=[None]), "expected a description"),
        (lambda c: c["compile_config"].update(loss={"class_name": "function", "config": [1]}),
         "expected the name of a function"),
    ],
)  # fmt: skip
def test_hostile_configurations_are_refused(tmp_path, edit, message):
    with pytest.raises(FormatError, match=rf"bad\.keras: .*({message})"):
        models.load_model(edited_keras(tmp_path, edit))


@pytest.mark.parametrize("version", ["9" * 5000, "٣.0", "", 3, None, "-3.1"])
def test_hostile_versions_are_refused(tmp_path, version):
    path = edited_keras(tmp_path, lambda m: m.update(keras_version=version), "metadata.json")
    with pytest.raises(FormatError, match="`keras_version` must be 3 or later, received"):
        models.load_model(path)


READERS = {
    "load_model": models.load_model,
    "load_weights": lambda path: small_model().load_weights(path),
    "load_state": load_state,
    "idx": idx.read,
    "cifar": lambda path: _cifar.read(path, ("a",), (10,)),
    "load_img": load_img,
}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a system without FIFOs")
def test_what_is_no_regular_file_is_refused_at_once(tmp_path):
    """In a process of its own, since the fault would be to wait for ever."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to("/dev/zero")
    program = (
        "import sys\n"
        "from tests.test_hostile_files import READERS\n"
        "for name, read in READERS.items():\n"
        "    for path in sys.argv[1:]:\n"
        "        try:\n            read(path)\n"
        "        except ValueError as error:\n            print(name, error)\n"
    )
    paths = [str(tmp_path / "fifo"), str(tmp_path / "link")]
    done = subprocess.run(
        [sys.executable, "-c", program, *paths], cwd=ROOT, capture_output=True, text=True,
        timeout=120, check=True,
    )  # fmt: skip
    kinds = ("a FIFO", "a device")
    assert done.stdout.splitlines() == [
        f"{name} {path}: must be a regular file, received {kind}"
        for name in READERS
        for path, kind in zip(paths, kinds, strict=True)
    ]
    for read in READERS.values():
        with pytest.raises(IsADirectoryError):
            read(tmp_path)


def with_values(tmp_path, values, start="adam"):
    """A file of weights with some arrays replaced, and the model whose weights they are not yet."""
    model = small_model(start)
    model.fit(X, Y, verbose=0)
    path = tmp_path / "model.weights.h5"
    model.save_weights(path)
    with h5py.File(path, "r+") as h5:
        for name, value in values.items():
            del h5[name]
            h5[name] = value
    return path, small_model(start if isinstance(start, str) else type(start)())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"optimizer/vars/0": 1e300}, "`iteration` must be finite and .* received"),
        ({"optimizer/vars/0": np.nan}, "must not be negative, received nan"),
        ({"optimizer/vars/0": 2.5}, "`iteration` must be a whole number, received 2.5"),
        ({"optimizer/vars/0": np.uint64(2**64 - 1)}, "`iteration` must be finite"),
        ({"optimizer/vars/1": 1e300}, "`rate` must be finite"),
        ({"optimizer/vars/1": np.float64(np.inf)}, "must not be negative, received .* inf"),
        ({"optimizer/vars/2": np.full((3, 2), 1e300)}, "a slot of the optimizer must hold numbers"),
        ({"layers/dense/vars/1": np.full(2, -1e300)}, "dense/bias must hold numbers that float32"),
    ],
)
def test_numbers_that_nothing_can_go_on_from(tmp_path, values, message):
    path, model = with_values(tmp_path, values)
    before = model.get_weights()
    with pytest.raises(FormatError, match=message):
        model.load_weights(path)
    assert not model.optimizer.built and model.optimizer.iterations == 0
    for now, then in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_a_schedule_that_ends_in_an_error_is_found_before_anything_changes(tmp_path):
    rate = optimizers.schedules.ExponentialDecay(0.1, 1, 10.0)
    path, _ = with_values(tmp_path, {"optimizer/vars/0": 10**6}, optimizers.SGD(rate, 0.9))
    model = small_model(optimizers.SGD(rate, 0.9))
    before = model.get_weights()
    with pytest.raises(FormatError, match="no step can follow step 1000000: OverflowError"):
        model.load_weights(path)
    np.testing.assert_array_equal(model.get_weights()[0], before[0])


def test_an_iteration_of_any_size_takes_no_time(tmp_path):
    path, model = with_values(tmp_path, {"optimizer/vars/0": 10**15}, "nadam")
    model.load_weights(path)
    assert model.optimizer.iterations == 10**15
    model.save(tmp_path / "model.keras")
    assert models.load_model(tmp_path / "model.keras").optimizer.iterations == 10**15


def with_endless_heap(data):
    """An HDF5 file in whose first global heap a part of size 0 follows: the library never ends."""
    data, at = bytearray(data), data.index(b"GCOL\x01") + 16
    while int.from_bytes(data[at : at + 2], "little"):
        at += 16 + -(-int.from_bytes(data[at + 8 : at + 16], "little") // 8) * 8
    data[at + 8 : at + 16] = bytes(8)
    return bytes(data)


@pytest.mark.parametrize("suffix", [".h5", ".weights.h5", ".keras"])
def test_a_heap_without_end_is_found_before_the_library_reads_it(tmp_path, suffix):
    model, path = small_model(), tmp_path / f"model{suffix}"
    model.save_weights(path) if suffix == ".weights.h5" else model.save(path)
    if suffix == ".keras":
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        members["model.weights.h5"] = with_endless_heap(members["model.weights.h5"])
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in members.items():
                archive.writestr(name, data)
    else:
        path.write_bytes(with_endless_heap(path.read_bytes()))
    with pytest.raises(FormatError, match=r"the global heap at \d+ is damaged"):
        model.load_weights(path)


def test_a_text_of_a_type_that_does_not_exist(tmp_path):
    """Not even the HDF5 library notices, and crashes: so in a process of its own."""
    path = tmp_path / "model.h5"
    small_model().save(path)
    data = bytearray(path.read_bytes())
    # A datatype of class 9, variable length, in version 1; the next 4 bits say that it is text.
    at = data.index(b"\x19\x01", data.index(b"keras_version\0"))
    data[at + 1] = 3
    path.write_bytes(data)
    program = f"from fastconv import models; models.load_model({str(path)!r})"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 1
    assert "the attribute 'keras_version' of / must be text" in done.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 100_000, "cannot make this model: RecursionError"),
        ("{", "Expecting property name"),
        ("[]", "expected the JSON of a model"),
        ('{"module": "keras"}', "expected the JSON of a model"),
        ("9" * 10_000, "digits"),
    ],
)
def test_hostile_json_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        models.model_from_json(text)


@pytest.mark.parametrize("name", [5, ["a"], "a\0b", "\ud800", ""])
def test_names_that_no_file_can_hold(name):
    for make in (
        layers.ReLU, optimizers.SGD, losses.Huber, metrics.Mean,
        lambda name: models.Sequential([], name=name),
    ):  # fmt: skip
        if name == "" and make is not layers.ReLU:
            continue
        with pytest.raises(ValueError, match="`name` must be a non-empty string"):
            make(name=name)


def test_mutations_of_every_format_lead_to_documented_errors():
    """A short form of `python -m tests.long.fuzz_files`, in a process that may die."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.long.fuzz_files", "--count", "100", "--seed", "7"],
        cwd=ROOT, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "100 mutations, 0 findings of 0 kinds"
