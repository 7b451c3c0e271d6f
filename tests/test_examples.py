"""The example programs run as a user runs them, on a few hundred images."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

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
