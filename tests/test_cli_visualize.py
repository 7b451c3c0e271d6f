"""`fastconv visualize` draws what fits the model, and refuses what cannot be drawn."""

from __future__ import annotations

import pytest
from PIL import Image

from fastconv import layers, models
from tests.support.command_line import digit_model, done, refused, write_digits

pytest.importorskip("matplotlib")

OF_THE_MODEL = {"model_graph", "costs", "filters", "receptive_field"}
OF_A_PICTURE = {"feature_maps", "activations", "grad_cam", "occlusion"}
OF_DATA = {"confusion_matrix", "worst_mistakes"}


def drawn(printed: str, folder) -> set[str]:
    """The names of the drawings, each of which is a picture of some size."""
    paths = [folder / line.rsplit("/", 1)[1] for line in printed.splitlines()]
    for path in paths:
        with Image.open(path) as image:
            assert min(image.size) > 80
    return {path.stem for path in paths}


def test_a_network_of_the_zoo(tmp_path, capsys):
    printed = done(capsys, "visualize", "lenet5", "--out", tmp_path / "out")
    assert drawn(printed, tmp_path / "out") == OF_THE_MODEL


def test_a_model_with_a_picture_and_data(tmp_path, capsys):
    digit_model().save(tmp_path / "m.keras")
    (picture, _), *_ = write_digits(tmp_path / "png", per_class=1)
    for data in ("digits", tmp_path / "png"):
        printed = done(
            capsys, "visualize", tmp_path / "m.keras", "--picture", picture, "--data", data,
            "--out", tmp_path / "out",
        )  # fmt: skip
        assert drawn(printed, tmp_path / "out") == OF_THE_MODEL | OF_A_PICTURE | OF_DATA


def test_what_does_not_fit_is_left_out(tmp_path, capsys):
    from fastconv import cli

    model = models.Sequential([layers.Input((8, 8, 1)), layers.Flatten(), layers.Dense(10)])
    model.save(tmp_path / "dense.keras")
    assert cli.main(["visualize", f"{tmp_path}/dense.keras", "--out", f"{tmp_path}/out"]) == 0
    printed = capsys.readouterr()
    assert {"model_graph", "costs"} <= drawn(printed.out, tmp_path / "out")
    assert "no filters: `layer` must have filters" in printed.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lenet5"], "--out must be given"),
        (["lenet5", "--out", "o", "--picture", "none.png"], "none.png: no such file"),
        (["lenet5", "--out", "o", "--data", "nothing"], "received 'nothing'"),
        (["lenet5", "--out", "file/o"], "file"),
        (["none.keras", "--out", "o"], "none.keras: no such file"),
    ],
)
def test_what_cannot_be_drawn_is_refused(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("a file, not a folder")
    assert message in refused(capsys, "visualize", *arguments)
