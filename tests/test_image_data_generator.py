"""ImageDataGenerator: the batches of real Keras for a seed; folders, tables, training."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("PIL.Image")

from fastconv import callbacks, layers, models, runtime
from fastconv.preprocessing.image import ImageDataGenerator, smart_resize
from fastconv.utils import load_img, set_random_seed
from tests.golden.golden_file import load
from tests.golden.image_generator_cases import (
    CASES,
    MOVES,
    SEED,
    images,
    write_folder,
)

_, GOLDEN = load("image_generator.npz")


@pytest.fixture
def folder(tmp_path):
    write_folder(str(tmp_path / "pictures"))
    return tmp_path / "pictures"


# Against Keras ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "arguments"), CASES, ids=[name for name, _ in CASES])
def test_batches_are_those_of_keras(name, arguments):
    x, y = images(name)
    generator = ImageDataGenerator(**arguments)
    if name in ("featurewise", "zca"):
        generator.fit(x)
    flow = generator.flow(x, y, batch_size=3, seed=SEED)
    for number in range(4):
        found, labels = next(flow)
        np.testing.assert_array_equal(labels, GOLDEN[f"{name}/y{number}"])
        expected = GOLDEN[f"{name}/x{number}"]
        scale = np.abs(expected).max()
        np.testing.assert_allclose(found, expected, rtol=0, atol=3e-5 * scale)


def test_fit_on_changed_images_is_that_of_keras():
    x, _ = images("augmented")
    generator = ImageDataGenerator(featurewise_center=True, rotation_range=30)
    generator.fit(x, augment=True, rounds=2, seed=3)
    np.testing.assert_allclose(generator.mean, GOLDEN["augmented/mean"], rtol=1e-5)


@pytest.mark.parametrize("subset", ["training", "validation"])
def test_parts_are_those_of_keras(subset, folder, capsys):
    x, _ = images("split")
    flow = ImageDataGenerator(validation_split=0.3).flow(
        x, np.zeros(7), shuffle=False, subset=subset
    )
    np.testing.assert_array_equal(next(flow)[0], GOLDEN[f"split/{subset}"])
    generator = ImageDataGenerator(**MOVES, validation_split=0.3)
    flow = generator.flow_from_directory(
        folder, target_size=(5, 7), batch_size=4, seed=SEED, subset=subset
    )
    count = {"training": 7, "validation": 2}[subset]
    assert capsys.readouterr().out == f"Found {count} images belonging to 2 classes.\n"
    assert flow.samples == count and flow.class_indices == {"cats": 0, "dogs": 1}
    for number in range(2):
        found, labels = next(flow)
        np.testing.assert_array_equal(labels, GOLDEN[f"folder/{subset}/y{number}"])
        expected = GOLDEN[f"folder/{subset}/x{number}"]
        np.testing.assert_allclose(found, expected, rtol=0, atol=0.01)


# Folders and tables -------------------------------------------------------------------------------


def test_labels_of_folders_in_every_mode(folder):
    def batch(**options):
        flow = ImageDataGenerator().flow_from_directory(folder, (6, 8), shuffle=False, **options)
        return flow, next(flow)

    flow, (x, y) = batch()
    assert x.shape == (9, 6, 8, 3) and y.tolist() == [[1, 0]] * 5 + [[0, 1]] * 4
    np.testing.assert_array_equal(x[6], np.asarray(load_img(folder / "dogs" / "1.png")))
    assert flow.filenames[6].endswith("1.png") and flow.classes.tolist() == [0] * 5 + [1] * 4
    for mode in ("sparse", "binary"):
        _, (_, y) = batch(class_mode=mode, classes=["dogs", "cats"])
        assert y.tolist() == [0] * 4 + [1] * 5 and y.dtype == np.float32
    _, (x, y) = batch(class_mode="input")
    np.testing.assert_array_equal(x, y)
    _, x = batch(class_mode=None, color_mode="grayscale")
    assert x.shape == (9, 6, 8, 1)


def test_tables(folder, capsys):
    table = {
        "filename": [f"cats/{i}.png" for i in range(3)] + ["dogs/0.png", "dogs/none.png"],
        "class": ["cat", "cat", "cat", "dog", "dog"],
        "weight": [1.0, 2.0, 3.0, 4.0, 5.0],
        "size": [10, 20, 30, 40, 50],
    }

    def batch(**options):
        options = {"target_size": (6, 8), "shuffle": False} | options
        flow = ImageDataGenerator(validation_split=0.5).flow_from_dataframe(
            table, folder, **options
        )
        return next(flow)

    with pytest.warns(UserWarning, match="1 files of column 'filename' are left out"):
        x, y, weights = batch(weight_col="weight")
    assert capsys.readouterr().out == (
        "Found 4 validated image filenames belonging to 2 classes.\n"
    )
    assert y.tolist() == [[1, 0]] * 3 + [[0, 1]] and weights.tolist() == [1, 2, 3, 4]
    np.testing.assert_array_equal(x[3], np.asarray(load_img(folder / "dogs" / "0.png")))
    table = {key: values[:4] for key, values in table.items()}
    assert batch(class_mode="sparse", classes=["dog"])[1].tolist() == [0]
    assert batch(class_mode="raw", y_col="size", subset="training")[1].tolist() == [30, 40]
    assert batch(class_mode="raw", y_col=["size", "weight"])[1][1].tolist() == [20, 2]
    outputs = batch(class_mode="multi_output", y_col=["size", "weight"])[1]
    assert [column.tolist() for column in outputs] == [[10, 20, 30, 40], [1, 2, 3, 4]]
    table["class"] = [["cat"], ["cat", "dog"], ["cat"], ["dog"]]
    assert batch()[1].tolist() == [[1, 0], [1, 1], [1, 0], [0, 1]]
    for wrong, error, message in (
        ({"class_mode": "sparse"}, TypeError, "column 'class' must be strings"),
        ({"class_mode": "multi_output"}, TypeError, "`y_col` must be a list"),
        ({"x_col": "size"}, TypeError, "column 'size' must be strings"),
    ):
        with pytest.raises(error, match=message):
            batch(**wrong)


def test_changed_images_are_saved(folder, tmp_path):
    flow = ImageDataGenerator(rescale=1 / 255).flow_from_directory(
        folder, (6, 8), batch_size=4, save_to_dir=tmp_path, save_prefix="new", save_format="png"
    )
    next(flow)
    saved = sorted(path.name for path in tmp_path.glob("new*.png"))
    assert len(saved) == 4 and all(name.endswith("_0.png") for name in saved)
    assert load_img(tmp_path / saved[0]).size == (8, 6)


# As data for models -------------------------------------------------------------------------------


def network():
    set_random_seed(2)
    model = models.Sequential([layers.Input((9, 6, 3)), layers.Flatten(), layers.Dense(7)])
    model.compile("sgd", "mse")
    return model


def flow(seed=1, **options):
    x, _ = images("model")
    generator = ImageDataGenerator(rotation_range=30, rescale=1 / 255)
    return generator.flow(x, np.eye(7), batch_size=2, seed=seed, **options)


def test_fit_takes_the_batches_of_next():
    model, other = network(), network()
    model.fit(flow(), epochs=2, verbose=0)
    batches = flow()
    for _ in range(2 * len(batches)):
        other.train_on_batch(*next(batches))
    for found, expected in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_steps_and_validation_and_prediction():
    model, batches = network(), flow(shuffle=False)
    history = model.fit(
        flow(), steps_per_epoch=2, epochs=3, validation_data=batches, class_weight={0: 2}, verbose=0
    )
    assert len(history.history["val_loss"]) == 3
    assert model.predict(batches, verbose=0).shape == (7, 7)


@pytest.mark.parametrize("seed", [1, None])
def test_an_interrupted_fit_goes_on_to_the_same_bits(seed, tmp_path):
    def run(*others):
        model = network()
        batches = flow(seed)
        backup = callbacks.BackupAndRestore(tmp_path / "backup", save_freq=1)
        model.fit(batches, epochs=3, callbacks=[backup, *others], verbose=0)
        return model.get_weights()

    class Interrupt(callbacks.Callback):
        batches = 0

        def on_train_batch_end(self, batch, logs=None):
            self.batches += 1
            if self.batches == 6:
                raise KeyboardInterrupt

    expected = run()
    with pytest.raises(KeyboardInterrupt):
        run(Interrupt())
    set_random_seed(99)
    for found, wanted in zip(run(), expected, strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_batches_depend_on_their_number_alone(folder):
    def batches(threads):
        before = runtime.get_num_threads()
        runtime.set_num_threads(threads)
        try:
            generator = ImageDataGenerator(**MOVES)
            return generator.flow_from_directory(folder, (6, 8), batch_size=4, seed=3)
        finally:
            runtime.set_num_threads(before)

    one, two = batches(1), batches(2)
    last = two[2][0]
    for index in range(3):
        np.testing.assert_array_equal(one[index][0], next(two)[0])
    np.testing.assert_array_equal(one[2][0], last)
    assert not np.array_equal(next(two)[0], one[0][0])  # the next pass
    with pytest.raises(IndexError, match="below 3, received 3"):
        one[3]


def test_arrays_beside_the_images():
    x, y = images("others")
    ages = np.arange(7.0)
    (images_, ages_), labels = ImageDataGenerator().flow((x, ages), y, shuffle=False)[0]
    np.testing.assert_array_equal(images_, x)
    np.testing.assert_array_equal(ages_, ages)
    assert labels.tolist() == y.tolist()


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: ImageDataGenerator(fill_mode="edge"), ValueError, "`fill_mode` must be one of"),
        (lambda: ImageDataGenerator(zoom_range=(1, 2, 3)), ValueError, "`zoom_range` must be two"),
        (lambda: ImageDataGenerator(validation_split=1), ValueError, "`validation_split`"),
        (lambda: ImageDataGenerator(interpolation_order=3), ValueError, "must be 0 or 1"),
        (lambda: ImageDataGenerator(rotation_range="x"), TypeError, "`rotation_range` must be"),
        (lambda: ImageDataGenerator(brightness_range=2), ValueError, "`brightness_range` must"),
        (lambda: ImageDataGenerator().flow(np.zeros((3, 4, 4))), ValueError, "4 dimensions"),
        (
            lambda: ImageDataGenerator().flow(np.zeros((3, 4, 4, 1)), np.zeros(2)),
            ValueError,
            r"one length, received \[3, 2\]",
        ),
        (
            lambda: ImageDataGenerator(validation_split=0.5).flow(
                np.zeros((4, 4, 4, 1)), [0, 0, 1, 1], subset="training"
            ),
            ValueError,
            "the same classes in both parts",
        ),
        (lambda: ImageDataGenerator().fit(np.zeros(3)), ValueError, "4 dimensions"),
    ],
)
def test_errors(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_normalization_before_fit_warns():
    generator = ImageDataGenerator(featurewise_center=True)
    with pytest.warns(UserWarning, match="`featurewise_center` needs fit"):
        next(generator.flow(np.zeros((1, 4, 4, 1))))


def test_smart_resize_cuts_the_middle_out():
    x = np.zeros((4, 8, 1), np.float32)
    x[:, 2:6] = 7
    np.testing.assert_array_equal(smart_resize(x, (2, 2)), np.full((2, 2, 1), 7))
    assert smart_resize(x[None].transpose(0, 3, 1, 2), (3, 5), data_format="channels_first").shape
    with pytest.raises(ValueError, match="3 or 4 dimensions"):
        smart_resize(x[0], (2, 2))
