"""Networks of the zoo by name on the command line."""

from __future__ import annotations

import json

import pytest

from fastconv import models, zoo
from fastconv.cli import models as named
from tests.support.command_line import digit_model, done, refused, write_scene


def test_every_function_of_the_zoo_is_offered():
    assert set(named.zoo_networks()) == {name for name in zoo.__all__ if name.islower()}


@pytest.mark.parametrize(
    ("name", "pictures", "size", "shape"),
    [
        ("mnist_cnn", (8, 8, 1), None, (28, 28, 1)),
        ("lenet5", (28, 28, 1), None, (32, 32, 1)),
        ("lenet5", (8, 8, 1), None, (32, 32, 1)),
        ("vgg16", (32, 32, 3), None, (32, 32, 3)),
        ("vgg16", (150, 200, 3), None, (200, 200, 3)),
        ("vgg16", (600, 800, 3), None, (224, 224, 3)),
        ("vgg16", (600, 800, 3), 96, (96, 96, 3)),
    ],
)
def test_inputs_are_as_large_as_the_pictures_need(name, pictures, size, shape):
    assert named.shape_for(name, pictures, size) == shape


def test_the_default_trains_at_once(tmp_path, capsys):
    saved = tmp_path / "digits.keras"
    printed = done(
        capsys, "train", "--epochs", "2", "--limit", "640", "--seed", "1", "--save", saved
    )
    assert "mnist_cnn: 93,322 parameters, input 28x28x1" in printed
    assert "digits: 10 classes, pictures 8x8x1" in printed
    result = json.loads(done(capsys, "evaluate", saved, "--json"))
    assert result["accuracy"] > 0.5
    # Training goes on where it ended, with the optimizer of the file.
    more = json.loads(
        done(capsys, "train", "--model", saved, "--epochs", "1", "--limit", "640", "--json")
    )
    assert more["history"]["accuracy"][0] > 0.7
    assert models.load_model(saved).optimizer.iterations == 2 * 9  # 576 pictures in lots of 64


def test_lenet5_on_framed_mnist(tmp_path, capsys):
    result = json.loads(
        done(
            capsys, "train", "--model", "lenet5", "--data", "mnist", "--limit", "1500",
            "--epochs", "3", "--batch-size", "32", "--seed", "1", "--json",
        )
    )  # fmt: skip
    assert result["parameters"] == 61_706
    assert result["test"]["accuracy"] > 0.75


def test_classes_are_those_of_the_folder(tmp_path, capsys):
    for name in ("bright", "dark"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(4):
            write_scene(tmp_path / "photos" / name / f"{number}.png", 20 + number)
    result = json.loads(
        done(
            capsys, "train", "--data", tmp_path / "photos", "--model", "cifar_cnn", "--epochs", "1",
            "--validation-split", "0.25", "--save", tmp_path / "photos.keras", "--json",
        )
    )  # fmt: skip
    assert result["classes"] == ["bright", "dark"]
    assert (tmp_path / "photos.classes.txt").read_text() == "bright\ndark\n"
    model = models.load_model(tmp_path / "photos.keras")
    assert model.input_shape == (None, 32, 32, 3)
    assert model.output_shape == (None, 2)
    picture = tmp_path / "photos" / "dark" / "0.png"
    printed = done(capsys, "predict", tmp_path / "photos.keras", picture)
    assert "bright" in printed and "dark" in printed


def test_summary_of_a_published_network(capsys):
    printed = done(capsys, "summary", "mnist_cnn")
    assert "93,322" in printed
    described = json.loads(
        done(
            capsys,
            "summary",
            "lenet5",
            "--size",
            "64",
            "--channels",
            "3",
            "--classes",
            "5",
            "--json",
        )
    )
    assert described["input_shape"] == [64, 64, 3]
    assert described["output_shape"] == [5]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["summary", "lenet6"], "received 'lenet6'; did you mean 'lenet5'?"),
        (["summary", "xyz"], "received 'xyz'; there are alexnet, "),
        (["summary", "lenet5", "--size", "10"], "lenet5 of 10x10x1 pixels: "),
        (["summary", "lenet5", "--classes", "0"], "--classes must be"),
        (["train", "--model", "vgg-16"], "did you mean 'vgg16'?"),
        (["train", "--model", "alexnet"], "alexnet of 32x32x1 pixels: "),
        (["train", "--size", "0"], "--size must be at least 1, received 0"),
    ],
)
def test_wrong_arguments_are_refused_in_one_sentence(arguments, message, capsys):
    assert message in refused(capsys, *arguments)


def test_a_file_has_its_own_size(tmp_path, capsys):
    digit_model().save(tmp_path / "m.keras")
    assert "--size, --channels and --classes are for networks of the zoo" in refused(
        capsys, "summary", tmp_path / "m.keras", "--size", "9"
    )


def test_explain_shows_the_formulas(tmp_path, capsys):
    printed = done(capsys, "explain", "mnist_cnn", "--picture", tmp_path / "costs.png")
    assert "93,322" in printed and "41.3 %" in printed
    assert (tmp_path / "costs.png").read_bytes().startswith(b"\x89PNG")
    told = json.loads(done(capsys, "explain", "vgg16", "--batch-size", "4", "--json"))
    assert told["parameters"] == 138_357_544
    digit_model().save(tmp_path / "m.keras")
    measured = json.loads(
        done(capsys, "explain", tmp_path / "m.keras", "--measure", "--threads", "1", "--json")
    )
    working = [layer for layer in measured["layers"] if layer["multiply_adds"]]
    assert len(working) == 3
    assert all(layer["timings"]["forward"]["seconds"] > 0 for layer in working)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lenet6"], "did you mean 'lenet5'?"),
        (["lenet5", "--batch-size", "0"], "--batch-size must be"),
        (["lenet5", "--picture", "no/such.png"], "no/such.png"),
        (["none.keras"], "none.keras: no such file"),
    ],
)
def test_explain_refuses_wrong_arguments(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert message in refused(capsys, "explain", *arguments)
