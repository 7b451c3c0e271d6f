"""`train`, `evaluate`, `predict`, `summary` and `filters` on real pictures, and on bad ones."""

from __future__ import annotations

import csv
import io
import json
import shutil
import sys

import numpy as np
import pytest
from PIL import Image

from fastconv import filters, layers, models
from fastconv.cli import pictures
from fastconv.datasets import digits
from tests.support.command_line import digit_model, done, refused, write_digits, write_scene


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with a model trained on the embedded digits by the command line, and PNG digits."""
    from fastconv import cli

    folder = tmp_path_factory.mktemp("digits")
    model = digit_model()
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    model.save(folder / "new.keras")
    arguments = f"train --model {folder / 'new.keras'} --epochs 12 --batch-size 16 --seed 1 --quiet"
    code = cli.main([*arguments.split(), "--save", str(folder / "m.keras")])
    assert code == 0
    write_digits(folder / "png")
    return folder


# evaluate and predict -----------------------------------------------------------------------------


def test_evaluate_tests_what_training_never_saw(trained, capsys):
    result = json.loads(done(capsys, "evaluate", trained / "m.keras", "--json"))
    assert result["accuracy"] > 0.85
    line = done(capsys, "evaluate", trained / "m.keras")
    assert line.startswith(f"digits: accuracy {result['accuracy']:.4f}, loss {result['loss']:.4f}")


def test_evaluate_on_a_folder_agrees_with_predict(trained, capsys):
    result = json.loads(
        done(capsys, "evaluate", trained / "m.keras", "--data", trained / "png", "--json")
    )
    rows = json.loads(done(capsys, "predict", trained / "m.keras", trained / "png", "--json"))
    right = [row["predictions"][0]["class"] == row["file"].split("/")[-2] for row in rows]
    assert len(rows) == 20
    assert result["accuracy"] == pytest.approx(np.mean(right))
    assert result["accuracy"] >= 0.7


def test_predict_prints_the_likeliest_classes_first(trained, capsys):
    path = trained / "png" / "6" / "0.png"
    [row] = json.loads(done(capsys, "predict", trained / "m.keras", path, "--json", "--top", "10"))
    scores = [entry["probability"] for entry in row["predictions"]]
    assert row["file"] == str(path)
    assert scores == sorted(scores, reverse=True)
    assert sum(scores) == pytest.approx(1, abs=1e-5)
    best = row["predictions"][0]
    line = done(capsys, "predict", trained / "m.keras", path, "--top", "1")
    assert line == f"{path}  {best['class']} {100 * best['probability']:5.1f} %\n"


def test_inverted_ink_on_paper_is_the_same_picture(trained, tmp_path, capsys):
    path = trained / "png" / "6" / "0.png"
    paper = tmp_path / "paper.png"
    Image.fromarray(255 - np.asarray(Image.open(path))).save(paper)
    light, dark = (
        json.loads(done(capsys, "predict", trained / "m.keras", *more, "--json"))[0]["predictions"]
        for more in ([path], [paper, "--invert"])
    )
    assert light == dark
    wide = tmp_path / "wide.png"  # the border that is added is black, not inverted black
    Image.new("L", (8, 4), 255).save(wide)
    assert pictures.read(wide, (8, 8, 1), invert=True).max() == 0


def test_predict_as_csv_from_a_list_on_standard_input(trained, capsys, monkeypatch):
    paths = [str(trained / "png" / digit / "1.png") for digit in "073"]
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join(paths) + "\n"))
    printed = done(capsys, "predict", trained / "m.keras", "-", "--csv", "--top", "2")
    header, *rows = csv.reader(io.StringIO(printed))
    assert header == ["file", "class_1", "probability_1", "class_2", "probability_2"]
    assert [row[0] for row in rows] == paths


def test_predict_does_not_depend_on_the_batch(trained, capsys):
    one, five = (
        json.loads(done(capsys, "predict", trained / "m.keras", trained / "png", "--json", *more))
        for more in (["--batch-size", "1"], ["--batch-size", "5"])
    )
    for a, b in zip(one, five, strict=True):
        assert a["predictions"][0] == pytest.approx(b["predictions"][0])


def test_names_of_classes_come_from_a_file(trained, tmp_path, capsys):
    shutil.copy(trained / "m.keras", tmp_path / "m.keras")
    picture = trained / "png" / "0" / "0.png"
    names = tmp_path / "names.txt"
    names.write_text("".join(f"digit {index}\n" for index in range(10)))
    assert "  digit 0 " in done(
        capsys, "predict", tmp_path / "m.keras", picture, "--classes", names
    )
    names.write_text("zero\none\n")
    assert "must name the model's 10 classes, names 2" in refused(
        capsys, "predict", tmp_path / "m.keras", picture, "--classes", names
    )


def test_predict_goes_on_if_told_to(trained, tmp_path, capsys):
    from fastconv import cli

    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no picture")
    arguments = [str(trained / "m.keras"), str(bad), str(trained / "png" / "0")]
    assert f"{bad}: not a readable picture" in refused(capsys, "predict", *arguments)
    assert cli.main(["predict", *arguments, "--keep-going", "--json"]) == 2
    printed = capsys.readouterr()
    assert len(json.loads(printed.out)) == 2
    first, last = printed.err.splitlines()
    assert f"{bad}: not a readable picture" in first
    assert last == "fastconv predict: 1 of 3 pictures could not be read"


# train --------------------------------------------------------------------------------------------


def test_train_prints_shapes_progress_and_the_test(trained, tmp_path, capsys):
    saved = tmp_path / "again.keras"
    printed = done(
        capsys, "train", "--model", trained / "new.keras", "--epochs", "2", "--save", saved,
        "--limit", "320", "--seed", "3", "--threads", "1",
    )  # fmt: skip
    count = models.load_model(saved).count_params()
    assert f"{count:,} parameters, input 8x8x1" in printed
    assert "digits: 10 classes, pictures 8x8x1" in printed
    assert "Epoch 2/2" in printed and "val_accuracy" in printed
    assert "test: accuracy 0." in printed
    assert (tmp_path / "again.classes.txt").read_text().split() == list("0123456789")


def test_the_same_seed_trains_the_same_bits(trained, capsys):
    arguments = ["--model", trained / "new.keras", "--epochs", "1", "--limit", "200", "--json"]
    one, same, other = (
        json.loads(done(capsys, "train", *arguments, "--seed", seed))["history"]["loss"]
        for seed in ("1", "1", "2")
    )
    assert one == same != other


def test_train_calls_back(trained, tmp_path, capsys):
    result = json.loads(
        done(
            capsys, "train", "--model", trained / "m.keras", "--epochs", "40", "--json",
            "--limit", "100", "--optimizer", "sgd", "--learning-rate", "0",
            "--early-stopping", "2", "--checkpoint", tmp_path / "best.keras",
            "--csv", tmp_path / "log.csv", "--tensorboard", tmp_path / "logs",
        )
    )  # fmt: skip
    assert result["epochs"] == 3  # nothing improves at a learning rate of 0
    assert models.load_model(tmp_path / "best.keras").count_params() == result["parameters"]
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 1 + 3
    assert list((tmp_path / "logs" / "train").glob("events.out.tfevents.*"))


def test_train_on_a_folder(trained, tmp_path, capsys):
    folder = tmp_path / "png"
    write_digits(folder, per_class=6)
    result = json.loads(
        done(
            capsys, "train", "--data", folder, "--model", trained / "m.keras", "--epochs", "2",
            "--validation-split", "0.2", "--seed", "1", "--json", "--batch-size", "10",
        )
    )  # fmt: skip
    assert result["classes"] == list("0123456789")
    assert result["history"]["accuracy"][0] > 0.7  # the model has learned digits before
    assert result["history"]["val_accuracy"][0] > 0.5
    assert result["test"] is None


def test_a_loss_that_is_not_finite_fails(trained, tmp_path, capsys):
    model = digit_model()
    model.set_weights([np.full_like(w, np.nan) for w in model.get_weights()])
    model.save(tmp_path / "nan.keras")
    arguments = ["--model", tmp_path / "nan.keras", "--save", tmp_path / "out.keras"]
    line = refused(capsys, "train", *arguments, "--quiet", code=1)
    assert "the loss became nan; try a smaller --learning-rate" in line
    assert not (tmp_path / "out.keras").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--epochs", "0"], "--epochs must be at least 1, received 0"),
        (["--validation-split", "1"], "--validation-split must be at least 0 and below 1"),
        (["--save", "m.h5"], "--save must end in .keras, received 'm.h5'"),
        (["--save", "no/such/m.keras"], "the folder no/such does not exist"),
        (["--data", "minst"], "received 'minst'; did you mean 'mnist'?"),
        (["--limit", "0"], "--limit must be at least 1, received 0"),
        (["--model", "no/such.keras"], "no/such.keras: no such file"),
        (["--model", "{new}", "--size", "9"], "--size is for networks of the zoo"),
        (["--model", "{new}", "--optimizer", "adagrim"], "received 'adagrim'"),
        (["--model", "{new}", "--learning-rate", "-1"], "--learning-rate must"),
        (["--seed", "-1"], "seed"),
    ],
)
def test_train_refuses_wrong_arguments(arguments, message, trained, capsys):
    arguments = [argument.format(new=trained / "new.keras") for argument in arguments]
    assert message in refused(capsys, "train", *arguments)


# bad models and pictures --------------------------------------------------------------------------


def test_files_that_are_no_models(trained, tmp_path, capsys):
    damaged = tmp_path / "damaged.keras"
    damaged.write_bytes((trained / "m.keras").read_bytes()[:1000])
    for command in ("evaluate", "summary"):
        line = refused(capsys, command, damaged)
        assert line.startswith(f"fastconv {command}: {damaged}: not a readable .keras file")
        assert f"{tmp_path}/none.keras: no such file" in refused(
            capsys, command, tmp_path / "none.keras"
        )


def test_models_that_take_no_pictures_or_tell_no_classes(trained, tmp_path, capsys):
    vector = models.Sequential([layers.Input((5,)), layers.Dense(2)])
    vector.save(tmp_path / "vector.keras")
    maps = models.Sequential([layers.Input((8, 8, 1)), layers.Conv2D(2, 3)])
    maps.save(tmp_path / "maps.keras")
    two = digit_model(classes=2)
    two.save(tmp_path / "two.keras")
    picture = trained / "png" / "0" / "0.png"
    assert "must take pictures (height, width, 1 or 3 channels), takes (5,)" in refused(
        capsys, "predict", tmp_path / "vector.keras", picture
    )
    assert "must give one row of class scores, gives shape (6, 6, 2)" in refused(
        capsys, "predict", tmp_path / "maps.keras", picture
    )
    assert "digits has 10 classes" in refused(capsys, "evaluate", tmp_path / "two.keras")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.png", None, "missing.png: no such file or folder"),
        ("text.png", b"hello", "text.png: not a readable picture"),
        ("empty.jpg", b"", "empty.jpg: not a readable picture"),
    ],
)
def test_predict_refuses_files_that_are_no_pictures(
    name, content, message, trained, tmp_path, capsys
):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert message in refused(capsys, "predict", trained / "m.keras", tmp_path / name)


def test_folders_without_pictures_are_refused(trained, tmp_path, capsys):
    assert "no pictures" in refused(capsys, "predict", trained / "m.keras", tmp_path)
    assert str(tmp_path) in refused(capsys, "evaluate", trained / "m.keras", "--data", tmp_path)


def test_a_damaged_picture_in_a_class_folder(trained, tmp_path, capsys):
    folder = tmp_path / "png"
    write_digits(folder)
    bad = folder / "3" / "0.png"
    bad.write_bytes(bad.read_bytes()[:60])
    line = refused(capsys, "evaluate", trained / "m.keras", "--data", folder)
    assert "3/0.png: not a readable picture" in line


# How pictures are brought to size -----------------------------------------------------------------


def test_small_pictures_are_enlarged_by_whole_factors_and_framed():
    (images, _), _ = digits.load_data()
    fitted = pictures.fitted(images[:2, :, :, None], (28, 30, 1))
    assert fitted.shape == (2, 28, 30, 1)
    inner = fitted[:, 2:26, 3:27, 0]
    np.testing.assert_array_equal(inner[:, ::3, ::3], images[:2])
    np.testing.assert_array_equal(inner[:, 2::3, 1::3], images[:2])
    assert fitted.sum() == 9 * images[:2].astype(int).sum()  # black around


def test_large_pictures_are_shrunk_and_colours_made_grey(tmp_path):
    pixels = write_scene(tmp_path / "scene.png", 48)
    read = pictures.read(tmp_path / "scene.png", (24, 32, 1))
    assert (read.shape, read.dtype) == ((24, 32, 1), np.float32)
    assert not read[:, :4].any() and not read[:, -4:].any()
    grey = pixels @ np.array([0.299, 0.587, 0.114])
    assert read[:, 4:-4].mean() == pytest.approx(grey.mean() / 255, rel=0.01)


def test_arrays_and_files_are_brought_to_size_alike(tmp_path):
    pixels = write_scene(tmp_path / "scene.png", 20)
    for shape in ((32, 32, 3), (45, 41, 3), (12, 16, 3)):
        fitted = pictures.fitted(pixels[None], shape)[0]
        np.testing.assert_allclose(
            pictures.read(tmp_path / "scene.png", shape), fitted / 255, atol=1e-6
        )


# filters ------------------------------------------------------------------------------------------


def test_filters_writes_what_the_library_computes(tmp_path, capsys):
    pixels = write_scene(tmp_path / "in.png").astype(np.float32)
    done(capsys, "filters", "sharpen", tmp_path / "in.png", tmp_path / "out.png")
    written = np.asarray(Image.open(tmp_path / "out.png"))
    wanted = filters.apply(pixels, filters.sharpen()).clip(0, 255)
    np.testing.assert_array_equal(written, wanted.astype(np.uint8))


def test_filters_shows_edges_by_strength_or_sign(tmp_path, capsys):
    pixels = np.zeros((12, 12), np.uint8)
    pixels[:, 4:8] = 255  # brightness rises once and falls once
    Image.fromarray(pixels).save(tmp_path / "bar.png")
    for show, left, right, flat in (("strength", 255, 255, 0), ("sign", 255, 0, 127)):
        out = tmp_path / f"{show}.png"
        done(capsys, "filters", "sobel_x", tmp_path / "bar.png", out, "--gray", "--show", show)
        row = np.asarray(Image.open(out))[6]
        assert (row[3], row[7], row[0]) == (left, right, flat)
    out = tmp_path / "turned.png"
    arguments = ["--gray", "--show", "sign", "--convolution"]
    done(capsys, "filters", "sobel_x", tmp_path / "bar.png", out, *arguments)
    assert np.asarray(Image.open(out))[6, 3] == 0  # a half-turn changes the sign


def test_filters_lists_all_of_them(capsys):
    names = [line.split()[0] for line in done(capsys, "filters", "--list").splitlines()]
    assert names == list(filters.FILTERS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sobel", "in.png", "out.png"], "unknown filter 'sobel'; did you mean 'sobel_"),
        (["sobel_x", "none.png", "out.png"], "none.png: No such file or directory"),
        (["sobel_x", "in.png"], "FILTER, INPUT and OUTPUT must be given, or --list"),
        (["sobel_x", "in.png", "out.xyz"], "out.xyz"),
        (["sobel_x", "in.png", "no/out.png"], "OUTPUT no/out.png: the folder no does not exist"),
    ],
)
def test_filters_refuses_wrong_arguments(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_scene(tmp_path / "in.png")
    assert message in refused(capsys, "filters", *arguments)


# summary ------------------------------------------------------------------------------------------


def test_summary_of_a_file(trained, capsys):
    printed = done(capsys, "summary", trained / "m.keras")
    assert "(None, 8, 8, 16)" in printed and "Total params" in printed
    described = json.loads(done(capsys, "summary", trained / "m.keras", "--json"))
    model = models.load_model(trained / "m.keras")
    assert described["parameters"] == model.count_params()
    assert [layer["output_shape"] for layer in described["layers"]] == [
        list(layer.output_shape[1:]) for layer in model.layers
    ]
