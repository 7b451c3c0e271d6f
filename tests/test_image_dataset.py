"""image_dataset_from_directory: what it finds, in which order, as which batches."""

from __future__ import annotations

import threading

import numpy as np
import pytest

Image = pytest.importorskip("PIL.Image")

from fastconv import FormatError, layers, models  # noqa: E402
from fastconv.utils import image_dataset_from_directory, set_random_seed  # noqa: E402
from fastconv.utils.image_dataset import _AHEAD  # noqa: E402
from tests.golden.golden_file import load  # noqa: E402
from tests.golden.image_folder_cases import CASES, write_pictures  # noqa: E402

_, KERAS = load("image_folder.npz")


@pytest.fixture
def folder(tmp_path):
    """Two classes; the colour of a picture is its number, its class is its folder."""
    root = tmp_path / "root"
    number = 0
    for name, count in (("cats", 5), ("dogs", 6)):
        (root / name / "more").mkdir(parents=True)
        for index in range(count):
            below = "more/" if index == 3 else ""
            Image.new("RGB", (6, 4), (number, 10 * number, 100)).save(
                root / name / f"{below}{index}.png"
            )
            number += 1
    (root / "cats" / "notes.txt").write_text("not a picture")
    (root / ".hidden").mkdir()
    return root


def dataset(folder, **options):
    return image_dataset_from_directory(folder, verbose=False, **{"image_size": (4, 6)} | options)


def numbers(data) -> list[int]:
    """Which pictures the batches hold, in their order."""
    return [
        int(n) for batch in data for n in (batch if data.labels is None else batch[0])[:, 0, 0, 0]
    ]


# Sorted by folder: the one below comes after the pictures beside it.
SORTED = [0, 1, 2, 4, 3, 5, 6, 7, 9, 10, 8]


def test_batches_in_the_order_of_the_paths(folder, capsys):
    data = image_dataset_from_directory(folder, batch_size=4, image_size=(4, 6), shuffle=False)
    assert capsys.readouterr().out == "Found 11 files belonging to 2 classes.\n"
    assert data.class_names == ["cats", "dogs"]
    assert data.file_paths[0] == str(folder / "cats" / "0.png")
    assert len(data) == 3
    batches = list(data)
    assert [(x.shape, y.shape) for x, y in batches] == [
        ((4, 4, 6, 3), (4,)),
        ((4, 4, 6, 3), (4,)),
        ((3, 4, 6, 3), (3,)),
    ]
    assert {(x.dtype.name, y.dtype.name) for x, y in batches} == {("float32", "int32")}
    assert numbers(data) == SORTED
    assert np.concatenate([y for _, y in batches]).tolist() == [0] * 5 + [1] * 6
    assert batches[0][0][1, 2, 3].tolist() == [1, 10, 100]


def test_every_picture_once_per_pass_in_an_order_of_its_own(folder):
    data, again = (dataset(folder, batch_size=3, seed=5) for _ in range(2))
    passes = [numbers(data) for _ in range(4)]
    assert all(sorted(order) == list(range(11)) for order in passes)
    assert len({tuple(order) for order in passes}) == 4
    assert [numbers(again) for _ in range(4)] == passes
    assert numbers(dataset(folder, seed=6)) != passes[0]


def test_labels_stay_with_their_pictures(folder):
    for x, y in dataset(folder, seed=1):
        np.testing.assert_array_equal(y, x[:, 0, 0, 0] >= 5)


def test_a_look_at_the_first_batch_is_no_pass(folder):
    data, other = dataset(folder, batch_size=2, seed=3), dataset(folder, batch_size=2, seed=3)
    next(iter(data))
    assert numbers(data) == numbers(other)


def test_without_a_seed_set_random_seed_decides(folder):
    orders = []
    for _ in range(2):
        set_random_seed(4)
        data = dataset(folder)
        orders.append((numbers(data), numbers(data)))
    assert orders[0] == orders[1]


def test_the_order_does_not_depend_on_the_number_of_threads(folder):
    from fastconv import runtime

    seen = []
    for threads in (1, 2):
        with runtime.num_threads(threads):
            seen.append(numbers(dataset(folder, seed=2, batch_size=2)))
    assert seen[0] == seen[1]


def test_shuffling_once_is_keras_own(folder):
    """Keras shuffles the list of paths by a `RandomState`, and then cuts the validation off."""
    data = dataset(folder, seed=7)
    paths = dataset(folder, shuffle=False).file_paths
    np.random.RandomState(7).shuffle(paths)
    assert data.file_paths == paths


# ---- labels ----


def test_the_label_mode_decides_the_form_of_the_labels(folder):
    labels = dataset(folder, shuffle=False, label_mode="int").labels
    _, one_hot = next(iter(dataset(folder, shuffle=False, label_mode="categorical")))
    np.testing.assert_array_equal(one_hot, np.eye(2, dtype=np.float32)[labels])
    _, binary = next(iter(dataset(folder, shuffle=False, label_mode="binary")))
    np.testing.assert_array_equal(binary, labels[:, None])
    assert (one_hot.dtype, binary.dtype) == (np.float32, np.float32)
    for options in ({"label_mode": None}, {"labels": None}):
        data = dataset(folder, **options)
        assert next(iter(data)).shape == (11, 4, 6, 3)
        assert (data.labels, data.class_names) == (None, None)


def test_labels_from_a_list(folder):
    labels = [2, 0, 1] + [0] * 8
    data = dataset(folder, labels=labels, shuffle=False)
    np.testing.assert_array_equal(next(iter(data))[1], labels)
    assert data.class_names == ["0", "1", "2"]
    shuffled = dataset(folder, labels=labels, seed=1)
    pairs = dict(zip(data.file_paths, labels, strict=True))
    assert [pairs[path] for path in shuffled.file_paths] == shuffled.labels.tolist()


def test_class_names_choose_and_order(folder):
    data = dataset(folder, class_names=["dogs", "cats"], shuffle=False)
    assert data.labels.tolist() == [0] * 6 + [1] * 5
    assert data.class_names == ["dogs", "cats"]
    assert len(dataset(folder, class_names=["dogs"]).file_paths) == 6


# ---- validation ----


def test_the_two_parts_are_one_whole(folder, capsys):
    options = {"validation_split": 0.3, "seed": 1, "image_size": (4, 6)}
    training, validation = image_dataset_from_directory(folder, subset="both", **options)
    assert capsys.readouterr().out.splitlines()[1:] == [
        "Using 8 files for training.",
        "Using 3 files for validation.",
    ]
    whole = dataset(folder, seed=1).file_paths
    assert training.file_paths + validation.file_paths == whole
    assert (len(training.file_paths), len(validation.file_paths)) == (8, 3)
    assert numbers(validation) == numbers(validation)
    for subset, data in (("training", training), ("validation", validation)):
        assert dataset(folder, subset=subset, **options).file_paths == data.file_paths


# ---- pixels ----


@pytest.mark.parametrize(("mode", "channels"), [("grayscale", 1), ("rgb", 3), ("rgba", 4)])
def test_the_color_mode_decides_the_number_of_channels(folder, mode, channels):
    x, _ = next(iter(dataset(folder, color_mode=mode)))
    assert x.shape == (11, 4, 6, channels)
    x, _ = next(iter(dataset(folder, color_mode=mode, data_format="channels_first")))
    assert x.shape == (11, channels, 4, 6)


def test_sixteen_bit_pictures_have_the_range_of_all_others(tmp_path):
    Image.fromarray(np.full((4, 4), 0x8010, np.uint16)).save(tmp_path / "deep.png")
    x = next(iter(dataset(tmp_path, labels=None, color_mode="grayscale", image_size=4)))
    assert np.unique(x).tolist() == [0x80]


def test_ways_to_keep_the_proportions(tmp_path):
    pixels = np.zeros((4, 8, 3), np.uint8)
    pixels[:, 2:6] = 200  # the middle square
    Image.fromarray(pixels).save(tmp_path / "wide.png")
    square = {"labels": None, "image_size": 4, "interpolation": "nearest"}
    cropped = next(iter(dataset(tmp_path, crop_to_aspect_ratio=True, **square)))
    assert np.unique(cropped).tolist() == [200]
    padded = next(iter(dataset(tmp_path, pad_to_aspect_ratio=True, **square)))[0, :, :, 0]
    assert padded[0].tolist() == padded[3].tolist() == [0, 0, 0, 0]
    assert padded[1].tolist() == [0, 200, 200, 0]
    stretched = next(iter(dataset(tmp_path, **square)))[0, :, :, 0]
    assert stretched.tolist() == [[0, 200, 200, 0]] * 4


@pytest.mark.parametrize("name", CASES)
def test_resized_pictures_are_those_of_keras(name, tmp_path):
    write_pictures(tmp_path)
    (x,) = dataset(tmp_path, labels=None, shuffle=False, **CASES[name])
    # TensorFlow rounds the brightness of a color in another way than Pillow.
    np.testing.assert_allclose(x, KERAS[name], rtol=1e-5, atol=1.001 if name == "gray" else 1e-3)


def test_without_a_batch_size_there_are_single_pictures(folder):
    samples = list(dataset(folder, batch_size=None, shuffle=False))
    assert len(samples) == len(dataset(folder, batch_size=None)) == 11
    assert samples[0][0].shape == (4, 6, 3)
    assert int(samples[-1][1]) == 1


# ---- use ----


def test_fit_evaluate_and_predict_take_it(folder):
    model = models.Sequential(
        [layers.Input((4, 6, 3)), layers.Flatten(), layers.Dense(2, activation="softmax")]
    )
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    data = dataset(folder, batch_size=4, seed=0)
    history = model.fit(data, epochs=3, validation_data=data, verbose=0)
    assert len(history.history["val_loss"]) == 3
    assert len(model.evaluate(data, verbose=0)) == 2
    pictures = dataset(folder, labels=None, batch_size=4, shuffle=False)
    assert model.predict(pictures, verbose=0).shape == (11, 2)


def test_decoding_stays_a_few_batches_ahead(folder):
    data = dataset(folder, batch_size=1, seed=0)
    decoded, decode = [], data._decode
    data._decode = lambda path: (decoded.append(path), decode(path))[1]
    iterator = iter(data)
    next(iterator)
    assert len(decoded) <= 1 + _AHEAD
    iterator.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("fastconv-images")]


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"])
def test_a_bad_file_is_named(folder, content):
    bad = folder / "cats" / "bad.png"
    bad.write_bytes(content)
    with pytest.raises(FormatError, match=r"cats/bad\.png: not a readable picture"):
        list(dataset(folder))
    assert not [t for t in threading.enumerate() if t.name.startswith("fastconv-images")]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": "folders"}, r"`labels` must be one of \['inferred'\], received 'folders'"),
        ({"labels": 3}, "`labels` must be 'inferred', None or a list of integers, received 3"),
        ({"labels": [0, 1]}, "one entry for each of the 11 pictures in .*, received 2"),
        (
            {"labels": [0] * 10 + [5]},
            "`labels` must be from 0 to 1 for 2 different ones, received 5",
        ),
        ({"labels": [0] * 11, "class_names": ["a"]}, "`class_names` needs `labels` 'inferred'"),
        ({"labels": None, "class_names": ["a"]}, "`class_names` needs `labels` 'inferred'"),
        ({"class_names": ["cats", "birds"]}, r"among the folders .*, received \['birds'\]"),
        ({"class_names": ["cats", "cats"]}, "must not name a folder twice"),
        ({"label_mode": "onehot"}, r"`label_mode` must be one of \['binary', 'categorical', 'int"),
        ({"label_mode": "binary", "class_names": ["cats"]}, r"needs 2 classes, received \['cats"),
        ({"color_mode": "hsv"}, "`color_mode` must be one of"),
        ({"interpolation": "hamming"}, "`interpolation` must be one of .* received 'hamming'"),
        ({"format": "grain"}, "`format` must be one of .* received 'grain'"),
        ({"batch_size": 0}, "`batch_size` must be positive, received 0"),
        ({"seed": 2**32}, r"`seed` must be below 2\*\*32"),
        ({"seed": -1}, "`seed` must .* received -1"),
        ({"data_format": "nchw"}, "`data_format` must be"),
        ({"validation_split": 0.2}, "must be given together, received 0.2 and None"),
        ({"subset": "training"}, "must be given together, received None and 'training'"),
        ({"subset": "test", "validation_split": 0.2}, "`subset` must be one of"),
        ({"subset": "both", "validation_split": 1.0}, "must be between 0 and 1, received 1.0"),
        ({"subset": "both", "validation_split": 0.2}, "`seed` must be given with"),
        ({"subset": "both", "validation_split": 0.05, "seed": 1}, "leaves 11 for training and 0"),
        ({"crop_to_aspect_ratio": True, "pad_to_aspect_ratio": True}, "cannot both be True"),
    ],
)
def test_bad_options_are_refused(folder, options, message):
    with pytest.raises(ValueError, match=message):
        dataset(folder, **options)


def test_directories_without_pictures_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"no pictures found; they must end in \.bmp"):
        dataset(tmp_path)
    with pytest.raises(FileNotFoundError):
        dataset(tmp_path / "not there")
    with pytest.raises(FileNotFoundError):
        dataset(tmp_path / "not there", labels=None)


def test_links_are_followed_if_asked(folder, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    Image.new("RGB", (6, 4)).save(outside / "a.png")
    (folder / "cats" / "link").symlink_to(outside)
    assert len(dataset(folder).file_paths) == 11
    assert len(dataset(folder, follow_links=True).file_paths) == 12
