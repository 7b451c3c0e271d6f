"""Model and weight files: round trips, Keras's layout, damage, hostility, interruption."""

from __future__ import annotations

import io
import json
import os
import re
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

import fastconv
from fastconv import layers, losses, metrics, models, optimizers
from fastconv.common import naming
from fastconv.saving.atomic import replacing
from fastconv.utils import set_random_seed

X = np.random.default_rng(1).standard_normal((6, 8, 8, 1)).astype(np.float32)
Y = np.random.default_rng(2).standard_normal((6, 3)).astype(np.float32)


def small_model(optimizer="adam", trained=True):
    naming.reset()
    set_random_seed(3)
    model = models.Sequential([
        layers.Input((8, 8, 1)), layers.Conv2D(4, 3, activation="relu", name="first"),
        layers.MaxPooling2D(), layers.Conv2D(2, 2), layers.LeakyReLU(0.1), layers.ReLU(),
        layers.Dropout(0.2, seed=1), layers.Flatten(), layers.Dense(3, trainable=False),
        layers.Softmax(),
    ], name="small")  # fmt: skip
    model.compile(optimizer, "mse", metrics=["accuracy"])
    if trained:
        model.fit(X, Y, batch_size=4, verbose=0)
    return model


def assert_same(first, second):
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(first.predict(X, verbose=0), second.predict(X, verbose=0))


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The bytes of a good file."""
    path = tmp_path_factory.mktemp("saved") / "model.keras"
    small_model().save(path)
    return path.read_bytes()


# --------------------------------------------------------------------------------- round trip


@pytest.mark.parametrize(
    "optimizer",
    [
        "sgd",
        optimizers.SGD(0.1, 0.9),
        optimizers.RMSprop(0.01, momentum=0.5, centered=True),
        optimizers.Adam(0.02, clipnorm=1.0),
    ],
)
@pytest.mark.parametrize("trained", [True, False])
def test_training_goes_on_from_a_file_as_if_nothing_had_happened(tmp_path, optimizer, trained):
    if not isinstance(optimizer, str):
        optimizer = type(optimizer).from_config(optimizer.get_config())
    model = small_model(optimizer, trained)
    model.save(tmp_path / "model.keras")
    loaded = models.load_model(tmp_path / "model.keras")
    assert_same(model, loaded)
    assert loaded.get_config() == model.get_config()
    assert loaded.optimizer.get_config() == model.optimizer.get_config()
    assert loaded.optimizer.iterations == model.optimizer.iterations == 2 * trained
    loaded._draws = model._draws  # dropout masks are numbered from the start of the process
    for each in (model, loaded):
        each.fit(X, Y, batch_size=4, shuffle=False, verbose=0)
    assert_same(model, loaded)
    assert loaded.evaluate(X, Y, verbose=0) == model.evaluate(X, Y, verbose=0)


def test_losses_and_metrics_come_back(tmp_path):
    model = small_model()
    model.compile(
        "sgd",
        losses.CategoricalCrossentropy(label_smoothing=0.1),
        metrics=["accuracy", metrics.BinaryAccuracy("b", threshold=0.4)],
        weighted_metrics=["acc"],
    )
    model.save(tmp_path / "model.keras")
    loaded = models.load_model(tmp_path / "model.keras")
    y = np.eye(3)[[0, 1, 2, 0, 1, 2]]
    assert loaded.evaluate(X, y, verbose=0) == model.evaluate(X, y, verbose=0)
    assert loaded.metrics_names == ["loss", "accuracy", "b", "acc"]
    assert loaded.get_compile_config() == model.get_compile_config()


def test_models_that_are_not_compiled_or_not_built(tmp_path):
    path = tmp_path / "model.keras"
    small_model().save(path)
    plain = models.load_model(path, compile=False)
    assert not plain.compiled
    plain.save(path)
    assert not models.load_model(path).compiled
    models.Sequential([layers.Dense(4), layers.ReLU()]).save(path)
    loaded = models.load_model(path)
    assert not loaded.built
    loaded.build((None, 5))
    assert np.abs(loaded.get_weights()[0]).max() > 0  # drawn, not left empty


def test_weights_files_restore_weights_and_optimizer(tmp_path):
    model, other = small_model(), small_model(trained=False)
    model.save_weights(tmp_path / "model.weights.h5")
    other.load_weights(tmp_path / "model.weights.h5")
    assert_same(model, other)
    assert other.optimizer.iterations == 2
    model.save(tmp_path / "model.keras")
    third = small_model(trained=False)
    third.load_weights(tmp_path / "model.keras")
    assert_same(model, third)
    untrained = small_model(trained=False)
    untrained.save_weights(tmp_path / "untrained.weights.h5")
    model.load_weights(tmp_path / "untrained.weights.h5")
    for each in (model, untrained):  # slots of a model that has trained start from zero again
        each._draws = 0
        each.fit(X, Y, batch_size=4, shuffle=False, verbose=0)
    assert_same(model, untrained)


def test_the_layout_is_that_of_keras(saved):
    archive = zipfile.ZipFile(io.BytesIO(saved))
    assert archive.namelist() == ["metadata.json", "config.json", "model.weights.h5"]
    assert all(entry.compress_type == zipfile.ZIP_STORED for entry in archive.infolist())
    metadata = json.loads(archive.read("metadata.json"))
    assert sorted(metadata) == ["date_saved", "keras_version"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d@\d\d:\d\d:\d\d", metadata["date_saved"])
    config = json.loads(archive.read("config.json"))
    assert [config[key] for key in ("module", "class_name", "registered_name", "build_config")] == [
        "keras", "Sequential", None, {"input_shape": [None, 8, 8, 1]},
    ]  # fmt: skip
    conv = config["config"]["layers"][1]
    assert conv["build_config"] == {"input_shape": [None, 8, 8, 1]}
    assert conv["config"]["dtype"]["class_name"] == "DTypePolicy"
    assert conv["config"]["kernel_initializer"] == {
        "module": "keras.initializers", "class_name": "GlorotUniform",
        "config": {"seed": None}, "registered_name": None,
    }  # fmt: skip
    found = {}
    with h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as h5:
        h5.visititems(lambda name, item: found.update({name: getattr(item, "shape", None)}))
        assert h5["layers/conv2d/vars"].attrs["name"] == "first"
        assert h5["optimizer/vars/0"][()] == 2
        assert h5["optimizer/vars/1"].dtype == np.float32
    shapes = {name: shape for name, shape in found.items() if shape is not None}
    kernel, bias = [(3, 3, 1, 4), (2, 2, 4, 2)], [(4,), (2,)]
    expected = {"layers/dense/vars/0": (8, 3), "layers/dense/vars/1": (3,)}
    for index, name in enumerate(["conv2d", "conv2d_1"]):
        expected[f"layers/{name}/vars/0"] = kernel[index]
        expected[f"layers/{name}/vars/1"] = bias[index]
    slots = [kernel[0], kernel[0], bias[0], bias[0], kernel[1], kernel[1], bias[1], bias[1]]
    expected |= {f"optimizer/vars/{i}": s for i, s in enumerate([(), (), *slots])}
    assert shapes == expected
    assert {"vars", "layers/leaky_re_lu/vars", "layers/re_lu/vars"} <= set(found)


# -------------------------------------------------------------------------------------- damage


def load(path, data):
    path.write_bytes(data)
    return models.load_model(path)


def test_a_file_truncated_anywhere_is_refused(saved, tmp_path):
    for length in [*range(200), *range(200, len(saved), 397), len(saved) - 1]:
        with pytest.raises(fastconv.FormatError, match=r"model\.keras: "):
            load(tmp_path / "model.keras", saved[:length])


def test_bits_flipped_anywhere(saved, tmp_path):
    """Whatever bit is flipped, there is an error or the very same model: nothing in between."""
    expected = load(tmp_path / "model.keras", saved)
    rng = np.random.default_rng(5)
    refused = 0
    for position in rng.choice(len(saved), 400, replace=False):
        damaged = bytearray(saved)
        damaged[position] ^= 1 << rng.integers(8)
        try:
            loaded = load(tmp_path / "model.keras", bytes(damaged))
        except fastconv.FormatError:
            refused += 1
        else:
            assert_same(loaded, expected)
    assert refused > 350


def rebuilt(saved, change=None, compression=zipfile.ZIP_STORED, **members):
    """The good file with members replaced, or `change(archive)` done to a copy."""
    good = zipfile.ZipFile(io.BytesIO(saved))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name in good.namelist():
            key = name.split(".")[0]
            archive.writestr(name, members.get(key, good.read(name)))
        if change:
            change(archive)
    return buffer.getvalue()


def edited(saved, edit):
    """The good file with its configuration edited."""
    config = json.loads(zipfile.ZipFile(io.BytesIO(saved)).read("config.json"))
    edit(config)
    return rebuilt(saved, config=json.dumps(config))


def reweighed(saved, edit):
    """The good file with its HDF5 member edited by `edit(h5)`."""
    data = io.BytesIO(zipfile.ZipFile(io.BytesIO(saved)).read("model.weights.h5"))
    with h5py.File(data, "r+") as h5:
        edit(h5)
    return rebuilt(saved, model=data.getvalue())


def replace_dataset(path, **arguments):
    def edit(h5):
        del h5[path]
        h5.create_dataset(path, **arguments)

    return edit


def external(h5):
    h5["layers/conv2d/vars/0"] = h5py.ExternalLink("/etc/passwd", "/x")


def without(path, then):
    def edit(h5):
        del h5[path]
        then(h5)

    return edit


def linked(to):
    """The group of a layer is a link to somewhere else."""

    def edit(h5):
        del h5["layers/conv2d"]
        h5["layers/conv2d"] = to

    return edit


def virtual(h5):
    """A dataset that is put together from those of another file."""
    layout = h5py.VirtualLayout((3, 3, 1, 4), "f4")
    layout[...] = h5py.VirtualSource("/tmp/other.h5", "x", (3, 3, 1, 4))
    h5.create_virtual_dataset(KERNEL, layout)


def with_entry(saved, name, at, value):
    """The good file with 4 bytes of the directory's entry for `name` changed."""
    data = bytearray(saved)
    start = data.rindex(name) - 46  # the name lies behind 46 bytes that begin with a signature
    assert data[start : start + 4] == b"PK\x01\x02"
    data[start + at : start + at + 4] = value.to_bytes(4, "little")
    return bytes(data)


def renamed(saved, old, new):
    """The good file with a member under another name, of the same length."""
    assert len(old) == len(new) and saved.count(old) == 2
    return saved.replace(old, new)


def bomb(saved):
    """Gigabytes of zeros where the weights should be, in a file of a few megabytes."""
    good = zipfile.ZipFile(io.BytesIO(saved))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name in good.namelist()[:2]:
            archive.writestr(name, good.read(name), zipfile.ZIP_STORED)
        with archive.open("model.weights.h5", "w") as member:
            for _ in range(64):
                member.write(bytes(1 << 20))
    return with_entry(buffer.getvalue(), b"model.weights.h5", 24, 2**32 - 2)


def layer(index, **settings):
    return lambda config: config["config"]["layers"][index]["config"].update(settings)


def unsupported(config):
    config["config"]["layers"][1]["class_name"] = "Lambda"


KERNEL = "layers/conv2d/vars/0"
HOSTILE = {
    "an extra member": (lambda s: rebuilt(s, lambda a: a.writestr("x", "")), "must hold"),
    "a path upwards": (lambda s: rebuilt(s, lambda a: a.writestr("../x", "")), "must hold"),
    "an absolute path": (lambda s: renamed(s, b"config.json", b"/onfig.json"), "must hold"),
    "a path upwards for a member": (
        lambda s: renamed(s, b"config.json", b"../fig.json"),
        "must hold",
    ),
    "a bomb": (bomb, "model.weights.h5 must not be compressed"),
    "a member larger than the file": (
        lambda s: with_entry(with_entry(s, b"config.json", 20, 2**31), b"config.json", 24, 2**31),
        "config.json claims 2147483648 bytes in a file of",
    ),
    "a member that is not where it is said to be": (
        lambda s: with_entry(s, b"config.json", 42, 0),
        "not a readable .keras file",
    ),
    "compressed": (lambda s: rebuilt(s, compression=zipfile.ZIP_DEFLATED), "must not be compress"),
    "not JSON": (lambda s: rebuilt(s, config="{"), "config.json is not JSON"),
    "JSON that is deep": (lambda s: rebuilt(s, config="[" * 10**5), "config.json is not JSON"),
    "JSON of a list": (lambda s: rebuilt(s, config="[]"), "config.json must hold an object"),
    "no version": (lambda s: rebuilt(s, metadata="{}"), "`keras_version` must be 3 or later"),
    "a newer format": (
        lambda s: rebuilt(s, metadata='{"keras_version": "4.0.0"}'),
        "written by Keras 4.0.0, which is newer .* upgrade fastconv",
    ),
    "a functional model": (
        lambda s: edited(s, lambda c: c.update(class_name="Functional")),
        "expected the configuration of a Functional model: no 'name'",
    ),
    "a class of anybody": (
        lambda s: edited(s, lambda c: c["config"]["layers"][1].update(module="os")),
        "os.Conv2D is not supported",
    ),
    "a layer with code": (lambda s: edited(s, unsupported), "keras.layers.Lambda is not supported"),
    "a layer named as a path": (lambda s: edited(s, layer(1, name="../a")), "without '/'"),
    "an unknown argument": (lambda s: edited(s, layer(1, evil=1)), "make this model: .*evil"),
    "a huge layer": (lambda s: edited(s, layer(8, units=10**18)), "make this model: .*large"),
    "a large layer": (lambda s: edited(s, layer(8, units=10**9)), "must have shape .8, 10000000"),
    "another loss": (
        lambda s: edited(s, lambda c: c["compile_config"].update(loss="evil")),
        "`loss` must be one of",
    ),
    "a callable loss": (
        lambda s: edited(s, lambda c: c["compile_config"].update(loss={"class_name": "f"})),
        "cannot make this model",
    ),
    "a learning rate schedule without a class": (
        lambda s: edited(
            s, lambda c: c["compile_config"]["optimizer"]["config"].update(learning_rate={})
        ),
        "expected a description of one of optimizers.schedules",
    ),
    "weights that are not HDF5": (lambda s: rebuilt(s, model=b"x" * 999), "not a readable HDF5"),
    "a missing weight": (
        lambda s: reweighed(s, without(KERNEL, lambda h5: None)),
        "/layers/conv2d must hold 2 variables, received 1",
    ),
    "a missing layer": (
        lambda s: reweighed(s, without("layers/dense", lambda h5: None)),
        "there must be a group /layers/dense/vars",
    ),
    "a link to another file": (
        lambda s: reweighed(s, without(KERNEL, external)),
        "vars/0 must not be a link",
    ),
    "a soft link": (
        lambda s: reweighed(
            s, without(KERNEL, lambda h5: h5.update({KERNEL: h5py.SoftLink("/vars")}))
        ),
        "must not be a link",
    ),
    "a link to another file for a layer": (
        lambda s: reweighed(s, linked(h5py.ExternalLink("/tmp/other.h5", "/layers/conv2d"))),
        "layers/conv2d must not be a link",
    ),
    "a soft link for a layer": (
        lambda s: reweighed(s, linked(h5py.SoftLink("/layers/conv2d_1"))),
        "layers/conv2d must not be a link",
    ),
    "a dataset of parts of other files": (
        lambda s: reweighed(s, without(KERNEL, virtual)),
        "one uncompressed block",
    ),
    "a group for a weight": (
        lambda s: reweighed(s, without(KERNEL, lambda h5: h5.create_group(KERNEL))),
        "must be a dataset",
    ),
    "another shape": (
        lambda s: reweighed(s, replace_dataset(KERNEL, data=np.zeros((3, 3, 1, 5), "f4"))),
        r"must have shape \(3, 3, 1, 4\), received \(3, 3, 1, 5\)",
    ),
    "a shape of 10^18": (
        lambda s: reweighed(s, replace_dataset(KERNEL, shape=(10**18,), dtype="f4", chunks=(9,))),
        "must have shape",
    ),
    "text for numbers": (
        lambda s: reweighed(s, replace_dataset(KERNEL, data=np.zeros((3, 3, 1, 4), "S4"))),
        "must hold numbers",
    ),
    "compressed numbers": (
        lambda s: reweighed(
            s, replace_dataset(KERNEL, data=np.zeros((3, 3, 1, 4), "f4"), compression="gzip")
        ),
        "one uncompressed block",
    ),
    "numbers that were never written": (
        lambda s: reweighed(s, replace_dataset(KERNEL, shape=(3, 3, 1, 4), dtype="f4")),
        "must store 144 bytes, received 0",
    ),
    "numbers in another file": (
        lambda s: reweighed(
            s,
            replace_dataset(
                KERNEL, shape=(3, 3, 1, 4), dtype="f4", external=[("/etc/passwd", 0, 144)]
            ),
        ),
        "one uncompressed block|must store 144 bytes",
    ),
    "a negative iteration": (
        lambda s: reweighed(s, replace_dataset("optimizer/vars/0", data=np.int32(-5))),
        "must not be negative, received -5",
    ),
    "slots of another optimizer": (
        lambda s: reweighed(s, without("optimizer/vars/9", lambda h5: None)),
        "/optimizer must hold 10 variables, received 9",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused(saved, tmp_path, name):
    make, message = HOSTILE[name]
    with pytest.raises(fastconv.FormatError, match=message):
        load(tmp_path / "model.keras", make(saved))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_duplicate_members_are_refused(saved, tmp_path):
    data = rebuilt(saved, lambda archive: archive.writestr("config.json", "{}"))
    with pytest.raises(fastconv.FormatError, match="must hold"):
        load(tmp_path / "model.keras", data)


def test_an_encrypted_member_is_refused(saved, tmp_path):
    data = bytearray(saved)
    at = data.rindex(b"PK\x01\x02")  # the last entry of the directory; its flags follow at 8
    data[at + 8] |= 1
    with pytest.raises(fastconv.FormatError, match="must not be encrypted"):
        load(tmp_path / "model.keras", bytes(data))


def test_weights_that_do_not_fit_change_nothing(saved, tmp_path):
    """The last layer's bias is damaged; the first layer's kernel must not have been replaced."""
    path = tmp_path / "model.weights.h5"
    model = small_model()
    model.save_weights(path)
    with h5py.File(path, "r+") as h5:
        replace_dataset("layers/dense/vars/1", data=np.zeros(4, "f4"))(h5)
    other = small_model(trained=False)
    before = other.get_weights()
    with pytest.raises(fastconv.FormatError, match="must have shape"):
        other.load_weights(path)
    for a, b in zip(before, other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert other.optimizer.iterations == 0


@pytest.mark.parametrize(
    ("use", "error", "message"),
    [
        (
            lambda m, d: m.save(d / "model.hdf"),
            ValueError,
            "must end in one of .'.keras'",
        ),
        (lambda m, d: m.save_weights(d / "m.h5"), ValueError, "must end in one of .'.weights.h5'"),
        (
            lambda m, d: models.load_model(d / "m.txt"),
            FileNotFoundError,
            "m.txt",
        ),
        (lambda m, d: models.load_model(d / "none.keras"), FileNotFoundError, "none.keras"),
        (lambda m, d: m.save(d / "no" / "m.keras"), FileNotFoundError, "m.keras"),
        (
            lambda m, d: models.load_model(d / "m.keras", custom_objects={"a": 1}),
            TypeError,
            "expected a function or a class with get_config and from_config, received 1",
        ),
        (
            lambda m, d: models.Sequential([layers.Dense(1)]).save_weights(d / "a.weights.h5"),
            ValueError,
            "has no weights to save before it is built",
        ),
    ],
)
def test_paths_that_do_not_fit_are_refused_before_writing(tmp_path, use, error, message):
    with pytest.raises(error, match=message):
        use(small_model(trained=False), tmp_path)
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------------------------- writing


def test_overwrite_false_keeps_the_file(tmp_path):
    path = tmp_path / "model.keras"
    model = small_model(trained=False)
    model.save(path)
    before = path.read_bytes()
    with pytest.raises(FileExistsError, match="exists and `overwrite` is False"):
        model.save(path, overwrite=False)
    assert path.read_bytes() == before
    model.save(str(path))
    assert [p.name for p in tmp_path.iterdir()] == ["model.keras"]


def test_a_failure_while_writing_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "model.keras"
    model = small_model(trained=False)
    model.save(path)
    before = path.read_bytes()

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        model.save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["model.keras"]


def test_replacing_keeps_links_and_ordinary_permissions(tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_bytes(b"old")
    link.symlink_to(target)
    with replacing(link) as file:
        file.write(b"new")
        assert target.read_bytes() == b"old"
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    (tmp_path / "plain").write_bytes(b"")
    assert stat.S_IMODE(target.stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


def test_killed_while_saving(tmp_path):
    """A process that saves again and again is killed: the file is one of those it has saved."""
    script = tmp_path / "save.py"
    script.write_text("""
import numpy as np
from fastconv import layers, models
model = models.Sequential([layers.Input((200,)), layers.Dense(500)])
for number in range(10**6):
    model.set_weights([np.full(w.shape, number, np.float32) for w in model.get_weights()])
    model.save("model.keras")
    if number == 3:
        print("go", flush=True)
""")
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    for _ in range(3):
        process = subprocess.Popen(
            [sys.executable, str(script)], stdout=subprocess.PIPE, cwd=tmp_path, env=environment
        )
        with process:
            assert process.stdout.readline() == b"go\n"
            process.kill()
        kernel, bias = models.load_model(tmp_path / "model.keras").get_weights()
        assert len({*kernel.reshape(-1).tolist(), *bias.tolist()}) == 1
        assert bias[0] >= 3


@pytest.mark.parametrize("name", ["a.keras", "a.h5", "a.weights.h5", "a.safetensors"])
def test_a_missing_directory_is_named(name, tmp_path):
    model = models.Sequential([layers.Input((3,)), layers.Dense(2)])
    save = model.save if name in ("a.keras", "a.h5") else model.save_weights
    (tmp_path / "file").write_text("no directory")
    for folder, error in (("no/such", FileNotFoundError), ("file", NotADirectoryError)):
        with pytest.raises(error) as raised:
            save(tmp_path / folder / name)
        assert raised.value.filename == str(tmp_path / folder)
        assert raised.value.strerror == f"no such directory, to write {name!r} into"
