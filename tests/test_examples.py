"""The example programs run as a user runs them, on little data or for a short time."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest

CHECKOUT = Path(__file__).resolve().parents[1]


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
        timeout=300,
    )


def train(folder: Path, *arguments: str) -> str:
    result = run(folder, str(CHECKOUT / "examples/mnist_cnn.py"), "--limit", "640", *arguments)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> tuple[Path, str]:
    """A folder in which the example has trained for two epochs, and what it printed."""
    folder = tmp_path_factory.mktemp("mnist")
    return folder, train(folder, "--epochs", "2")


def losses(said: str) -> list[float]:
    return [float(loss) for loss in re.findall(r"^epoch \d+: loss (\S+),", said, re.MULTILINE)]


def test_mnist_cnn_shows_the_summary_and_learns(trained):
    _, said = trained
    assert "93,322" in said
    for output_shape in ("(None, 26, 26, 32)", "(None, 3, 3, 64)", "(None, 576)", "(None, 10)"):
        assert output_shape in said
    assert len(losses(said)) == 2
    assert losses(said)[1] < losses(said)[0]
    accuracy = float(re.search(r"^640 test images: .* accuracy (\S+)$", said, re.MULTILINE)[1])
    assert accuracy > 0.5  # ten times 64 images teach little, but far more than guessing


def test_mnist_cnn_ends_with_a_line_that_loads_and_uses_the_model(trained):
    folder, said = trained
    assert (folder / "mnist.keras").is_file()
    result = run(folder, "-c", said.splitlines()[-1])
    assert result.returncode == 0, result.stderr
    assert re.fullmatch(r"[0-9]", result.stdout.splitlines()[-1])


def test_mnist_cnn_repeats_itself_with_the_same_seed(tmp_path):
    first, again, other = (
        train(tmp_path, "--epochs", "1", "--seed", seed, "--save", f"{name}.keras")
        for name, seed in (("first", "5"), ("again", "5"), ("other", "6"))
    )
    assert losses(first) == losses(again)
    assert losses(first) != losses(other)


# The others run in this process, from a folder of their own ---------------------------------------


@pytest.fixture
def example(tmp_path, monkeypatch):
    """Imports an example by name; what it writes goes to `tmp_path`."""
    monkeypatch.chdir(tmp_path)

    def load(name: str):
        spec = spec_from_file_location(name, CHECKOUT / "examples" / f"{name}.py")
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


def test_every_example_is_tested():
    names = {path.stem for path in (CHECKOUT / "examples").glob("*.py")}
    said = Path(__file__).read_text()
    assert all(f'example("{name}")' in said for name in names - {"mnist_cnn"})


def test_lenet5_learns(example, capsys):
    lenet5 = example("lenet5")
    assert lenet5.main(["--epochs", "3"]) > 0.7
    assert "61,706" in capsys.readouterr().out


def test_lenet5_frames_mnist(example):
    (x_train, y_train), (x_test, _) = example("lenet5").framed_mnist()
    assert (x_train.shape, x_test.shape) == ((60000, 32, 32, 1), (10000, 32, 32, 1))
    assert not x_train[:, :2].any() and not x_train[:, :, -2:].any()
    assert len(y_train) == 60000 and x_train.max() == 1


def test_edges_follow_the_disc(example, capsys):
    edges = example("edges")
    found = edges.edges(edges.disc_on_a_ramp(101))
    assert found.max() == pytest.approx(255)
    assert found[50, 50] == 0  # inside of the disc
    assert found[50, 80] > 100 and found[20, 50] > 100  # its border, 0.3 from the middle
    edges.main(["--output", "disc.png"])
    assert Path("disc.png").is_file()
    edges.main(["disc.png"])  # a picture from a file
    assert Path("edges.png").is_file()


def test_sunspots_beat_the_simple_forecasts(example):
    sunspots = example("sunspots")
    years, spots = sunspots.load_series()
    assert (years[0], years[-1], len(years)) == (1700, 2008, 309)
    assert spots[years == 1957] == 190.2  # the highest of all
    assert spots.argmax() == 257
    errors = sunspots.main(["--epochs", "40"])
    assert errors["network"] < 0.8 * errors["as last year"]
    assert errors["network"] < 0.8 * errors["as eleven years ago"]


def test_a_window_of_sunspots_is_followed_by_its_year(example):
    sunspots = example("sunspots")
    x, y = sunspots.windows(np.arange(30.0))
    assert (x.shape, y.shape) == ((6, 24, 1), (6, 1))
    assert x[2, :, 0].tolist() == list(range(2, 26)) and y[2, 0] == 26


def test_transfer_learning_keeps_what_is_frozen(example, capsys):
    found = example("transfer_learning").main(["--epochs", "10"])
    assert found["0 to 6, all images"] > 0.85
    assert found["7 to 9, frozen features"] > 0.6  # three classes; guessing gives a third
    # 288 features, 3 classes: all that is left to train.
    assert "frozen: 867 of 10,435 parameters are trained" in capsys.readouterr().out


def test_custom_layer_is_checked_and_learns(example):
    assert example("custom_layer").main(["--epochs", "4"]) > 0.7


def test_embedded_loop_gets_better(example):
    accuracies = example("embedded_loop").main(["--lots", "300"])
    assert len(accuracies) == 3
    assert accuracies[0] < accuracies[-1] and accuracies[-1] > 0.85


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux")
def test_the_prediction_of_memory_is_near_the_measurement(example, capsys):
    example("does_it_fit").main(["cifar_cnn", "--batch", "64"])
    said = capsys.readouterr().out
    predicted, measured = (float(number) for number in re.findall(r"([\d.]+) MB", said))
    assert predicted == pytest.approx(measured, rel=0.1)
