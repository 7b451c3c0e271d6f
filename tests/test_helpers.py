"""Helpers of `utils` and `saving` around files, objects, data and loops of one's own."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from fastconv import activations, initializers, layers, losses, models, saving, utils
from fastconv.data import Dataset

# Objects by name ----------------------------------------------------------------------------------


class Halves(initializers.Constant):
    def __init__(self):
        super().__init__(0.5)

    def get_config(self):
        return {}


def test_scopes_know_the_classes_of_all_scopes_around_them(tmp_path):
    layer = layers.Dense(2, kernel_initializer=Halves())
    model = models.Sequential([layers.Input((3,)), layer])
    model.save(tmp_path / "model.keras")
    with pytest.raises(ValueError, match="Halves"):
        models.load_model(tmp_path / "model.keras")
    other = type("Other", (Halves,), {})
    with utils.custom_object_scope({"Halves": Halves}), saving.CustomObjectScope({"Other": other}):
        assert isinstance(initializers.get("Other"), other)
        assert utils.get_registered_object("Halves") is Halves
        loaded = models.load_model(tmp_path / "model.keras")
    assert isinstance(loaded.layers[0].kernel_initializer, Halves)
    with pytest.raises(ValueError, match="must be one of"):
        initializers.get("Halves")
    assert utils.get_registered_object("Halves") is None
    assert utils.get_registered_object("Halves", {"Halves": Halves}) is Halves


def test_registered_classes_have_a_name():
    registered = utils.register_keras_serializable("test_helpers")(type("Own", (Halves,), {}))
    try:
        assert utils.get_registered_name(registered) == "test_helpers>Own"
        assert utils.get_custom_objects()["test_helpers>Own"] is registered
        assert utils.get_registered_object("test_helpers>Own") is registered
        assert utils.get_registered_name(Halves) == "Halves"
    finally:
        del utils.get_custom_objects()["test_helpers>Own"]


@pytest.mark.parametrize(
    "thing",
    [None, 3, "name", [1.5, {"a": True}], layers.Dense(3, name="d"), losses.Huber(0.3),
     initializers.RandomNormal(seed=1)],
)  # fmt: skip
def test_every_object_becomes_plain_data_and_back(thing):
    described = utils.serialize_keras_object(thing)
    made = utils.deserialize_keras_object(described)
    if hasattr(thing, "get_config"):
        assert type(made) is type(thing)
        assert made.get_config() == thing.get_config()
    else:
        assert made == thing


def test_functions_arrays_and_models_become_plain_data_and_back():
    for function in (activations.gelu, losses.huber):
        described = saving.serialize_keras_object(function)
        assert saving.deserialize_keras_object(described) is function
    array = np.arange(6, dtype=np.int16).reshape(2, 3)
    made = saving.deserialize_keras_object(saving.serialize_keras_object(array))
    np.testing.assert_array_equal(made, array)
    assert made.dtype == array.dtype
    model = models.Sequential([layers.Input((3,)), layers.Dense(2)])
    made = saving.deserialize_keras_object(saving.serialize_keras_object(model))
    assert made.count_params() == 8
    described = saving.serialize_keras_object(Halves())
    assert isinstance(saving.deserialize_keras_object(described, {"Halves": Halves}), Halves)


def test_descriptions_run_no_code():
    with pytest.raises(ValueError, match="`safe_mode` must be True"):
        utils.deserialize_keras_object({}, safe_mode=False)
    for described in (
        {"module": "os", "class_name": "system", "config": {}},
        {"module": "builtins", "class_name": "function", "config": "eval"},
        {"module": "keras.layers", "class_name": "TFSMLayer", "config": {}},
    ):
        with pytest.raises(ValueError, match="not supported|expected the name"):
            utils.deserialize_keras_object(described)
    with pytest.raises(TypeError, match="must be plain data"):
        utils.serialize_keras_object(object())


# Data ---------------------------------------------------------------------------------------------


def rows(dataset):
    return np.array([np.asarray(each) for each in dataset]).tolist()


def test_data_are_split():
    x = np.arange(10)
    for sizes, expected in (
        ({"left_size": 7}, (7, 3)), ({"right_size": 0.2}, (8, 2)), ({"left_size": 0.25}, (2, 8)),
        ({"left_size": 3, "right_size": 4}, (3, 4)), ({"left_size": 0.5, "right_size": 2}, (5, 2)),
    ):  # fmt: skip
        left, right = utils.split_dataset(x, **sizes)
        assert (len(left), len(right)) == expected
        assert rows(left) == x[: len(left)].tolist()
        assert rows(right) == x[10 - len(right) :].tolist()
    left, right = utils.split_dataset({"a": x, "b": x * 2.0}, left_size=0.5)
    assert [(each["a"] * 2 == each["b"]).all() for each in (*left, *right)] == [True] * 10
    left, right = utils.split_dataset([x, -x], right_size=3)
    assert [tuple(map(int, pair)) for pair in right] == [(7, -7), (8, -8), (9, -9)]


def test_batches_are_split_as_they_are():
    batches = Dataset.from_tensor_slices((np.arange(10), np.arange(10))).batch(4)
    left, right = utils.split_dataset(batches, left_size=1)
    assert [len(x) for x, _ in left] == [4]
    assert [len(x) for x, _ in right] == [4, 2]


def test_shuffled_parts_have_every_element_once():
    x = np.arange(20)
    one = utils.split_dataset(x, left_size=5, shuffle=True, seed=3)
    other = utils.split_dataset(x, left_size=5, shuffle=True, seed=3)
    assert rows(one[0]) == rows(other[0]) != list(range(5))
    assert sorted(rows(one[0]) + rows(one[1])) == x.tolist()


@pytest.mark.parametrize(
    "sizes, error, message",
    [
        ({}, ValueError, "`left_size` or `right_size` must be given"),
        ({"left_size": 0}, ValueError, "`left_size` must be from 1 to 9"),
        ({"right_size": 10}, ValueError, "`right_size` must be from 1 to 9"),
        ({"left_size": 1.5}, ValueError, "`left_size` must be"),
        ({"left_size": 0.01}, ValueError, "`left_size` must be from 1 to 9"),
        ({"left_size": "5"}, TypeError, "`left_size` must be a number"),
        ({"left_size": 6, "right_size": 0.5}, ValueError, "must not be more than all 10"),
    ],
)
def test_impossible_sizes_are_refused(sizes, error, message):
    with pytest.raises(error, match=message):
        utils.split_dataset(np.arange(10), **sizes)


def test_parts_of_batches():
    x, y, w = [1], [2], [3]
    for parts in ((x, y, w), (x, y), (np.ones(2),)):
        packed = utils.pack_x_y_sample_weight(*parts)
        unpacked = utils.unpack_x_y_sample_weight(packed)
        assert [a is b for a, b in zip(unpacked, (*parts, None, None), strict=False)] == [True] * 3
    assert utils.unpack_x_y_sample_weight([x, y]) == (x, y, None)
    assert utils.pack_x_y_sample_weight(x) == (x,)
    with pytest.raises(ValueError, match="received 4 parts"):
        utils.unpack_x_y_sample_weight((1, 2, 3, 4))


# Files --------------------------------------------------------------------------------------------

CONTENT = b"content" * 1000


@pytest.fixture
def origin(tmp_path):
    path = tmp_path / "there" / "file.bin"
    path.parent.mkdir()
    path.write_bytes(CONTENT)
    return path


def test_a_file_is_downloaded_once(origin, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    sha = hashlib.sha256(CONTENT).hexdigest()
    path = utils.get_file(origin=origin.as_uri(), file_hash=sha)
    assert path == str(tmp_path / "fastconv/datasets/file.bin")
    origin.write_bytes(b"changed")
    assert utils.get_file("file.bin", origin.as_uri(), file_hash=sha) == path
    assert Path(path).read_bytes() == CONTENT
    changed = utils.get_file("file.bin", origin.as_uri(), force_download=True)
    assert (changed, Path(path).read_bytes()) == (path, b"changed")
    origin.write_bytes(CONTENT)  # the one in the cache has another sum
    md5 = hashlib.md5(CONTENT).hexdigest()
    utils.get_file("file.bin", origin.as_uri(), md5_hash=md5)
    assert Path(path).read_bytes() == CONTENT


def archive_of(members: dict[str, bytes], kind: str) -> bytes:
    out = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(out, "w") as zipped:
            for name, content in members.items():
                zipped.writestr(name, content)
        return out.getvalue()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


@pytest.mark.parametrize("kind, options", [("zip", {"extract": True}), ("tar", {"untar": True})])
def test_archives_are_unpacked(kind, options, origin, tmp_path):
    origin.write_bytes(archive_of({"pictures/one.txt": b"1", "two.txt": b"2"}, kind))
    for _ in range(2):
        folder = utils.get_file("all", origin.as_uri(), cache_dir=tmp_path, **options)
        assert folder == str(tmp_path / "datasets" / "all")
        assert (tmp_path / "datasets/all/pictures/one.txt").read_bytes() == b"1"
    names = {path.name for path in (tmp_path / "datasets").iterdir()}
    assert names == {"all", "all_archive"}


def test_members_outside_of_the_folder_are_refused(origin, tmp_path):
    origin.write_bytes(archive_of({"../../outside.txt": b"1"}, "tar"))
    with pytest.raises(ValueError, match="damaged or refused archive"):
        utils.get_file("all", origin.as_uri(), untar=True, cache_dir=tmp_path)
    assert not (tmp_path / "datasets/all").exists()
    assert not list(tmp_path.rglob("outside.txt"))


@pytest.mark.parametrize(
    "options, error, message",
    [
        ({"origin": None}, ValueError, "`origin` must be the address"),
        ({"fname": "a/b"}, ValueError, "`fname` must be the name of a file"),
        ({"file_hash": "12"}, ValueError, "`file_hash` must have the digits"),
        ({"file_hash": "0" * 64}, ValueError, "the sha256 sum must be"),
        ({"hash_algorithm": "crc"}, ValueError, "`hash_algorithm` must be one of"),
        ({"archive_format": "rar"}, ValueError, "`archive_format` must be one of"),
        ({"extract": True}, ValueError, "not an archive"),
        ({"origin": "file:///nowhere/at/all"}, ConnectionError, "nowhere"),
    ],
)
def test_files_that_cannot_be_had_are_refused(options, error, message, origin, tmp_path):
    arguments = {"origin": origin.as_uri(), "cache_dir": tmp_path / "cache", **options}
    with pytest.raises(error, match=message):
        utils.get_file(**arguments)
    left = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert [path.name for path in left] == (["file.bin_archive"] if "extract" in options else [])


# Models and loops ---------------------------------------------------------------------------------


def test_inputs_of_tensors_are_found():
    a, b = layers.Input((3,)), layers.Input((3,))
    shared = layers.Dense(3)
    total = layers.Add()([shared(a), shared(b), a])
    assert utils.get_source_inputs(total) == [a, b]
    assert utils.get_source_inputs(a) == [a]
    assert utils.is_keras_tensor(total)
    with pytest.raises(TypeError, match="`tensor` must be what Input"):
        utils.get_source_inputs(np.zeros(3))


def test_a_picture_of_a_model_is_saved(tmp_path):
    model = models.Sequential([layers.Input((8, 8, 1)), layers.Conv2D(2, 3), layers.Flatten()])
    sizes = []
    for dpi in (40, 80):
        figure = utils.plot_model(model, tmp_path / "model.png", show_shapes=True, dpi=dpi)
        sizes.append((tmp_path / "model.png").stat().st_size)
    assert sizes[1] > sizes[0] > 500
    texts = {text.get_text() for axes in figure.axes for text in axes.texts}
    assert {model.layers[0].name, "Conv2D", "6x6x2", "20"} <= texts
    for option, value in (("rankdir", "LR"), ("expand_nested", True), ("show_dtype", True)):
        with pytest.raises(ValueError, match=f"`{option}` must be"):
            utils.plot_model(model, tmp_path / "model.png", **{option: value})


def test_a_bar_shows_steps_and_means(capsys):
    bar = utils.Progbar(4, width=10, stateful_metrics=["rate"], unit_name="sample")
    bar.add(1, [("loss", 1.0), ("rate", 0.1)])
    bar.update(4, [("loss", 3.0), ("rate", 0.2)])
    assert bar.values == {"loss": 2.5, "rate": 0.2}  # the second value is that of three steps
    shown = capsys.readouterr().out
    assert shown.startswith("4/4 ━━━━━━━━━━ ")
    assert "/sample - loss: 2.5000 - rate: 0.2000\n" in shown
    unknown = utils.Progbar(None, verbose=2)
    unknown.update(3, [("loss", 1.0)])
    unknown.update(5, [("loss", 2.0)], finalize=True)
    assert capsys.readouterr().out.startswith("5/5 - ")
    with pytest.raises(ValueError, match="`verbose` must be"):
        utils.Progbar(3, verbose=4)
    with pytest.raises(ValueError, match="`width` must be positive"):
        utils.Progbar(3, width=0)
