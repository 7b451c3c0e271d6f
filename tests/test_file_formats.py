"""The formats beside `.keras`, files that Keras wrote, users' own classes, and damage to all."""

from __future__ import annotations

import json
import os
import random
import struct
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

import fastconv
from fastconv import FormatError, initializers, layers, models, optimizers, saving
from fastconv.saving import safetensors_file
from fastconv.utils import set_random_seed
from tests.golden.golden_file import HERE, load

X = np.random.default_rng(1).standard_normal((6, 8, 8, 1)).astype(np.float32)
Y = np.random.default_rng(2).standard_normal((6, 3)).astype(np.float32)
SUFFIXES = [".keras", ".weights.h5", ".h5", ".safetensors"]


def small_model(trained=True, optimizer="adam"):
    set_random_seed(3)
    model = models.Sequential([
        layers.Input((8, 8, 1)), layers.Conv2D(4, 3, activation="relu", name="first"),
        layers.MaxPooling2D(name="pool"), layers.Flatten(name="flat"),
        layers.Dense(3, name="last", trainable=False),
    ])  # fmt: skip
    model.compile(optimizer, "mse")
    if trained:
        train(model)
    return model


def train(model):
    model.fit(X, Y, batch_size=4, shuffle=False, verbose=0)


def save(model, path):
    if path.name.endswith((".weights.h5", ".safetensors")):
        model.save_weights(path)
    else:
        model.save(path)


def assert_same(first, second):
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The bytes of a good file in every format."""
    directory, model = tmp_path_factory.mktemp("saved"), small_model()
    for suffix in SUFFIXES:
        save(model, directory / f"model{suffix}")
    return {suffix: (directory / f"model{suffix}").read_bytes() for suffix in SUFFIXES}


# ---------------------------------------------------------------------------------- round trips


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_weights_come_back(tmp_path, suffix):
    model, other = small_model(), small_model(trained=False)
    save(model, tmp_path / f"model{suffix}")
    other.load_weights(tmp_path / f"model{suffix}")
    assert_same(model, other)
    if suffix != ".safetensors":  # the others hold the state of the optimizer too
        assert other.optimizer.iterations == 2
        for each in (model, other):
            train(each)
        assert_same(model, other)


@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop", "adam"])
def test_legacy_files_hold_whole_models(tmp_path, optimizer):
    model = small_model(optimizer=optimizer)
    model.save(tmp_path / "model.h5")
    loaded = models.load_model(tmp_path / "model.h5")
    assert loaded.get_config() == model.get_config()
    assert loaded.get_compile_config() == model.get_compile_config()
    for each in (model, loaded):
        train(each)
    assert_same(model, loaded)
    assert not models.load_model(tmp_path / "model.h5", compile=False).compiled
    small_model(trained=False).save(tmp_path / "model.h5")
    assert models.load_model(tmp_path / "model.h5").optimizer.iterations == 0


def test_the_layout_of_legacy_files(saved, tmp_path):
    (tmp_path / "model.h5").write_bytes(saved[".h5"])
    with h5py.File(tmp_path / "model.h5") as h5:
        config = json.loads(h5.attrs["model_config"])
        assert sorted(config) == ["class_name", "config"]
        assert all("module" not in layer for layer in config["config"]["layers"])
        assert json.loads(h5.attrs["training_config"])["optimizer_config"]["class_name"] == "Adam"
        weights = h5["model_weights"]
        assert list(weights.attrs["layer_names"]) == [b"first", b"pool", b"flat", b"last"]
        assert list(weights["first"].attrs["weight_names"]) == [b"first/kernel", b"first/bias"]
        assert weights["first/first/kernel"].shape == (3, 3, 1, 4)
        assert len(weights["pool"].attrs["weight_names"]) == 0
        assert len(h5["optimizer_weights"].attrs["weight_names"]) == 2 + 4


def test_safetensors_files_are_what_others_read(saved, tmp_path):
    (tmp_path / "model.safetensors").write_bytes(saved[".safetensors"])
    other = pytest.importorskip("safetensors.numpy")
    arrays = other.load_file(tmp_path / "model.safetensors")
    model = small_model()
    assert sorted(arrays) == ["first/bias", "first/kernel", "last/bias", "last/kernel"]
    for variable in model.weights:
        np.testing.assert_array_equal(arrays[variable.path], variable.numpy())
    halves = {name: array.astype(np.float16) for name, array in arrays.items()}
    other.save_file(halves, tmp_path / "halves.safetensors")
    model.load_weights(tmp_path / "halves.safetensors")
    np.testing.assert_array_equal(model.get_weights()[0], halves["first/kernel"])


def test_layers_are_found_by_name(tmp_path):
    model = small_model()
    model.save(tmp_path / "model.h5")
    set_random_seed(9)
    other = models.Sequential([
        layers.Input((8, 8, 1)), layers.Conv2D(2, 3, name="new"), layers.Conv2D(2, 3),
        layers.Flatten(), layers.Dense(3, name="last"),
    ])  # fmt: skip
    with pytest.raises(FormatError, match="must hold 3 layers with weights, received 2"):
        other.load_weights(tmp_path / "model.h5")
    with pytest.raises(FormatError, match=r"must have shape \(32, 3\), received \(36, 3\)"):
        other.load_weights(tmp_path / "model.h5", by_name=True)
    with pytest.warns(UserWarning, match="skipped last, which does not fit"):
        other.load_weights(tmp_path / "model.h5", by_name=True, skip_mismatch=True)
    third = models.Sequential([
        layers.Input((8, 8, 1)), layers.Conv2D(4, 3, name="first"), layers.Flatten(),
        layers.Dense(3, name="other"),
    ])  # fmt: skip
    before = third.get_weights()
    third.load_weights(tmp_path / "model.h5", by_name=True)
    np.testing.assert_array_equal(third.get_weights()[0], model.get_weights()[0])
    np.testing.assert_array_equal(third.get_weights()[2], before[2])
    model.save_weights(tmp_path / "model.weights.h5")
    with pytest.raises(ValueError, match="`by_name` is for '.h5' files"):
        third.load_weights(tmp_path / "model.weights.h5", by_name=True)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_does_not_fit_can_be_skipped(saved, tmp_path, suffix):
    path = tmp_path / f"model{suffix}"
    path.write_bytes(saved[suffix])
    set_random_seed(5)
    other = models.Sequential([
        layers.Input((8, 8, 1)), layers.Conv2D(4, 3, name="first"), layers.MaxPooling2D(),
        layers.Flatten(), layers.Dense(5, name="last"),
    ])  # fmt: skip
    before = other.get_weights()
    with pytest.raises(FormatError, match=r"must have shape"):
        other.load_weights(path)
    for now, then in zip(other.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)
    with pytest.warns(UserWarning, match="skipped last.*must have shape"):
        other.load_weights(path, skip_mismatch=True)
    np.testing.assert_array_equal(other.get_weights()[0], small_model().get_weights()[0])
    np.testing.assert_array_equal(other.get_weights()[2], before[2])


def test_loading_does_not_hold_the_weights_several_times(tmp_path):
    """The peak while a model of 40 MB is loaded, measured in a process of its own."""
    model = models.Sequential([layers.Input((2500,)), *(layers.Dense(2500) for _ in range(4))])
    model.save(tmp_path / "model.keras")
    nbytes = model.count_params() * 4
    del model
    script = (
        "import resource, sys\n"
        "from fastconv import layers, models\n"
        "models.load_model(sys.argv[2])\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "kept = models.load_model(sys.argv[1])\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)\n"
    )
    models.Sequential([layers.Input((2,)), layers.Dense(2)]).save(tmp_path / "tiny.keras")
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "model.keras", tmp_path / "tiny.keras"],
        env={**os.environ, "PYTHONPATH": str(Path(fastconv.__file__).parents[1])},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert int(done.stdout) < 1.7 * nbytes  # the weights, and the largest layer for a moment


# ------------------------------------------------------------------------------------- from Keras

CASES, ARRAYS = load("saved.npz")


def keras_data(seed):
    """As in `golden/make_files.py`."""
    rng = np.random.default_rng(seed)
    x = np.round(rng.standard_normal((12, 8, 8, 1)) * 16) / 16
    return x.astype(np.float32), np.eye(3, dtype=np.float32)[rng.integers(0, 3, len(x))]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["file"])
def test_models_of_keras_predict_and_go_on(case):
    path, optimizer = HERE / case["file"], case["optimizer"]
    if path.name.endswith(".weights.h5"):
        model = models.Sequential([
            layers.Input((8, 8, 1)), layers.Conv2D(3, 3, activation="relu"), layers.MaxPooling2D(),
            layers.Flatten(), layers.Dense(4, activation="tanh"), layers.Dense(3),
            layers.Activation("softmax"),
        ])  # fmt: skip
        model.compile(optimizers.SGD(0.05, momentum=0.9), "categorical_crossentropy")
        model.load_weights(path)
    else:
        model = models.load_model(path)
    x, y = keras_data(2)
    expected = ARRAYS[f"{optimizer}/predicted"]
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, rtol=1e-5, atol=1e-7)
    assert model.optimizer.iterations == 3
    model.fit(x, y, batch_size=4, shuffle=False, verbose=0)
    for index, weight in enumerate(model.get_weights()):
        expected = ARRAYS[f"{optimizer}/after/{index}"]
        np.testing.assert_allclose(weight, expected, rtol=1e-4, atol=1e-5)


# -------------------------------------------------------------------------------- own classes


class Doubling(layers.ReLU):
    """A layer of the user's own."""


def test_own_classes_only_if_given(tmp_path):
    model = models.Sequential([layers.Input((4,)), layers.Dense(2), Doubling(name="mine")])
    path = tmp_path / "model.keras"
    model.save(path)
    with pytest.raises(FormatError, match=r"test_file_formats.Doubling is not supported"):
        models.load_model(path)
    loaded = models.load_model(path, custom_objects={"Doubling": Doubling})
    assert type(loaded.layers[1]) is Doubling
    with pytest.raises(FormatError, match="is not supported"):
        models.load_model(path)  # it was given for that time only
    assert type(models.clone_model(model).layers[1]) is Doubling
    config = json.loads(model.to_json())["config"]["layers"][2]
    assert config["module"] == Doubling.__module__ and config["registered_name"] == "Doubling"


def test_own_classes_that_are_registered(tmp_path):
    @saving.register_keras_serializable("tests", name="Own")
    class Registered(layers.ReLU):
        pass

    model = models.Sequential([layers.Input((4,)), Registered()])
    model.save(tmp_path / "model.keras")
    assert type(models.load_model(tmp_path / "model.keras").layers[0]) is Registered
    config = json.loads(model.to_json())["config"]["layers"][1]
    assert config["registered_name"] == "tests>Own"
    with pytest.raises(ValueError, match="'tests>Own' is registered already"):
        saving.register_keras_serializable("tests", "Own")(Doubling)
    with pytest.raises(TypeError, match="expected a function or a class with get_config"):
        saving.register_keras_serializable()(5)
    for bad in ({"a": 5}, {"a": dict}, [Doubling]):
        with pytest.raises(TypeError, match="class"):
            models.load_model(tmp_path / "model.keras", custom_objects=bad)
    with pytest.raises(ValueError, match="`safe_mode` must be True"):
        models.load_model(tmp_path / "model.keras", safe_mode=False)


def test_own_initializers_load_as_custom_objects(tmp_path):
    class Threes(initializers.Constant):
        pass

    model = models.Sequential([layers.Input((2,)), layers.Dense(1, kernel_initializer=Threes(3.0))])
    model.save(tmp_path / "model.keras")
    with pytest.raises(FormatError, match="Threes is not supported"):
        models.load_model(tmp_path / "model.keras")
    loaded = models.load_model(tmp_path / "model.keras", custom_objects={"Threes": Threes})
    assert loaded.get_config() == model.get_config()


def test_json_and_clones():
    model = small_model()
    again = models.model_from_json(model.to_json())
    assert again.get_config() == model.get_config()
    assert again.get_compile_config() == model.get_compile_config()
    clone = models.clone_model(model)
    assert clone.get_config() == model.get_config() and clone.compiled
    assert not np.array_equal(clone.get_weights()[0], model.get_weights()[0])
    with pytest.raises(TypeError, match="`model` must be a model"):
        models.clone_model(layers.ReLU())
    with pytest.raises(ValueError, match="expected the JSON of a model"):
        models.model_from_json("[]")


# ----------------------------------------------------------------------------------------- damage


def damaged(good, rng):
    """A file that lacks its end, or has some bits flipped, mostly where its structure is."""
    if rng.random() < 0.3:
        return good[: rng.randrange(len(good))]
    data = bytearray(good)
    for _ in range(rng.choice((1, 1, 2, 8, 64))):
        data[rng.randrange(len(data) if rng.random() < 0.5 else min(len(data), 4000))] ^= (
            1 << rng.randrange(8)
        )
    return bytes(data)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_damage_anywhere_is_refused_or_harmless(saved, tmp_path, suffix):
    """Whatever is damaged, there is an error and nothing changes, or the very same weights come."""
    path = tmp_path / f"model{suffix}"
    expected, model = small_model().get_weights(), small_model(trained=False)
    before = model.get_weights()
    refused = 0
    for number in range(120):
        rng = random.Random(number)
        path.write_bytes(damaged(saved[suffix], rng))
        try:
            model.load_weights(path)
            if suffix in (".keras", ".h5"):
                models.load_model(path)
        except FormatError:
            refused += 1
        for now, then, good in zip(model.get_weights(), before, expected, strict=True):
            assert np.array_equal(now, then) or np.array_equal(now, good)
        model.set_weights(before)
    assert refused > 60


def with_header(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(shape=(1,), offsets=(0, 4), dtype="F32"):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "a header of 0 bytes in a file of 0"),
        (b"\xff" * 8, "a header of 18446744073709551615 bytes in a file of 8"),
        (with_header(b"{"), "the header is not JSON"),
        (with_header(b"[" * 10**5), "the header is not JSON"),
        (with_header([]), "the header must be an object"),
        (with_header(b'{"a": 1, "a": 1}'), "a name appears twice"),
        (with_header({"__metadata__": {"a": 1}}), "must map strings to strings"),
        (with_header({"a": 1}), "'a' must be described by an object"),
        (with_header({"a": entry(dtype="object")}), "'a' must have a dtype of"),
        (with_header({"a": entry((-1,))}), "'a' must have a shape and two offsets"),
        (with_header({"a": entry((1.0,))}), "'a' must have a shape and two offsets"),
        (with_header({"a": entry((10**18,), (0, 4))}), "needs 4000000000000000000 bytes"),
        (with_header({"a": entry((2**62, 4), (0, 0))}), "needs"),
        (with_header({"a": entry()}, b"123"), "must have .* bytes, received"),
        (with_header({"a": entry()}, b"12345"), "must have .* bytes, received"),
        (with_header({"a": entry(), "b": entry()}, b"1234"), "follow each other without gaps"),
        (with_header({"a": entry((1,), (4, 8))}, b"12345678"), "follow each other without gaps"),
    ],
)
def test_damaged_safetensors_are_refused(tmp_path, content, message):
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=rf"model\.safetensors: .*{message}|{message}"):
        small_model(trained=False).load_weights(path)


def test_safetensors_of_another_model(tmp_path):
    path = tmp_path / "model.safetensors"
    with path.open("wb") as file:
        safetensors_file.write(file, {"x": np.zeros(2, np.float32)}, {})
    with pytest.raises(FormatError, match=r"missing are .'first/bias'.*too many are .'x'"):
        small_model(trained=False).load_weights(path)


def edited(saved, tmp_path, edit, suffix=".h5"):
    path = tmp_path / f"model{suffix}"
    path.write_bytes(saved[suffix])
    with h5py.File(path, "r+") as h5:
        edit(h5)
    return path


def set_attribute(name, value, group="/"):
    def edit(h5):
        h5[group].attrs[name] = value

    return edit


def replace(path, make):
    def edit(h5):
        del h5[path]
        make(h5)

    return edit


LAYER = "model_weights/first"
KERNEL = f"{LAYER}/first/kernel"


@pytest.mark.parametrize(
    "edit, message",
    [
        (lambda h5: h5.attrs.pop("model_config"), "holds no model, only weights"),
        (set_attribute("keras_version", "4.1"), "newer than .* upgrade fastconv"),
        (set_attribute("keras_version", "x"), "`keras_version` must be 1 or later, received 'x'"),
        (set_attribute("model_config", "{"), "model_config is not JSON"),
        (set_attribute("model_config", 5), "must be text"),
        (set_attribute("model_config", ["a", "b"]), "must be text"),
        (
            set_attribute("model_config", '{"class_name": "Lambda", "config": {}}'),
            "must describe a",
        ),
        (
            set_attribute("layer_names", [b"../first", b"last"], "model_weights"),
            "there must be a group|must not be a link",
        ),
        (set_attribute("layer_names", 3.0, "model_weights"), "must be a list"),
        (set_attribute("layer_names", [1, 2], "model_weights"), "must be text"),
        (set_attribute("weight_names", [b"a"], "model_weights/first"), "must hold 2 weights"),
        (
            set_attribute("weight_names", [b"/x", b"/y"], "model_weights/first"),
            "there must be a group|must be a dataset",
        ),
        (
            replace(KERNEL, lambda h5: h5.update({KERNEL: h5py.ExternalLink("/etc/passwd", "/x")})),
            "must not be a link",
        ),
        (
            replace(KERNEL, lambda h5: h5.update({KERNEL: h5py.SoftLink("/a")})),
            "must not be a link",
        ),
        (
            replace(LAYER, lambda h5: h5.update({LAYER: h5py.ExternalLink("other.h5", "/x")})),
            "there must be a group|must not be a link",
        ),
        (
            replace(LAYER, lambda h5: h5.update({LAYER: h5py.SoftLink("/model_weights/last")})),
            "must not be a link",
        ),
        (
            replace(
                KERNEL,
                lambda h5: h5.create_dataset(
                    KERNEL, (3, 3, 1, 4), dtype="f4", external=[("/etc/passwd", 0, 144)]
                ),
            ),
            "one uncompressed block",
        ),
        (
            replace(
                KERNEL, lambda h5: h5.create_dataset(KERNEL, (10**18,), dtype="f4", chunks=(9,))
            ),
            "must have shape",
        ),
        (
            replace(KERNEL, lambda h5: h5.create_dataset(KERNEL, (3, 3, 1, 4), dtype="S3")),
            "must hold numbers",
        ),
        (
            set_attribute("crc32", 7, KERNEL),
            "is damaged: its checksum is wrong",
        ),
        (set_attribute("crc32", "x", KERNEL), "must have a number as crc32"),
    ],
)  # fmt: skip
def test_hostile_legacy_files_are_refused(saved, tmp_path, edit, message):
    with pytest.raises(FormatError, match=message):
        models.load_model(edited(saved, tmp_path, edit))


@pytest.mark.parametrize("version", ["1.2.2", "2.15.0", None])
def test_legacy_files_of_older_versions_are_read(saved, tmp_path, version):
    def edit(h5):
        del h5.attrs["keras_version"]
        if version:
            h5.attrs["keras_version"] = version

    assert_same(models.load_model(edited(saved, tmp_path, edit)), small_model())


def test_flipped_weights_are_noticed(saved, tmp_path):
    def edit(h5):
        h5["layers/conv2d/vars/0"][0, 0, 0, 0] += 1e-3

    model = small_model(trained=False)
    before = model.get_weights()
    with pytest.raises(FormatError, match="vars/0 is damaged: its checksum is wrong"):
        model.load_weights(edited(saved, tmp_path, edit, ".weights.h5"))
    for now, then in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_a_full_disk_leaves_the_old_file(tmp_path):
    """A limit on the size of files stands for the disk."""
    script = (
        "import os, resource, signal, sys\n"
        "from fastconv import layers, models\n"
        "model = models.Sequential([layers.Input((200,)), layers.Dense(200)])\n"
        "paths = ['a.keras', 'a.h5', 'a.weights.h5', 'a.safetensors']\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))\n"
        "for path in paths:\n"
        "    save = model.save if path in paths[:2] else model.save_weights\n"
        "    open(path, 'w').write('old')\n"
        "    try:\n        save(path)\n"
        "    except OSError:\n        print(path, open(path).read())\n"
        "print(sorted(os.listdir()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(Path(fastconv.__file__).parents[1])},
    )  # fmt: skip
    names = ["a.keras", "a.h5", "a.weights.h5", "a.safetensors"]
    expected = [*(f"{name} old" for name in names), str(sorted(names))]
    assert done.stdout.splitlines() == expected
