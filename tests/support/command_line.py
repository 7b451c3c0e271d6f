"""Running commands in this process, and real pictures for them: the embedded digits as PNG files.

A test picture in colour is computed: a disc, a bar and a ramp, which have edges of all directions.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from fastconv import cli, layers, models
from fastconv.datasets import digits


def refused(capsys, *arguments: str, code: int = 2) -> str:
    """The one line on standard error with which a command ends."""
    try:
        ended = cli.main([str(argument) for argument in arguments])
    except SystemExit as error:  # argparse
        ended = error.code
    printed = capsys.readouterr()
    assert ended == code, printed.err
    assert printed.err.count("\n") == 1 and printed.err.endswith("\n"), printed.err
    assert "Traceback" not in printed.err
    return printed.err


def done(capsys, *arguments: str) -> str:
    """What a command prints that ends well."""
    code = cli.main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    assert code == 0, printed.err
    assert "\x1b" not in printed.out
    return printed.out


def digit_model(size: int = 8, channels: int = 1, classes: int = 10) -> models.Sequential:
    """A network so small that a test can train it."""
    return models.Sequential(
        [
            layers.Input((size, size, channels)),
            layers.Conv2D(16, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(16, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(classes, activation="softmax"),
        ]
    )


def write_digits(folder: Path, per_class: int = 2) -> list[tuple[Path, int]]:
    """`folder`/<digit>/<number>.png from the test digits, 8x8 grey; (path, digit) of each."""
    (_, _), (images, labels) = digits.load_data()
    written = []
    for digit in range(10):
        (folder / str(digit)).mkdir(parents=True)
        for number, row in enumerate(np.flatnonzero(labels == digit)[:per_class]):
            path = folder / str(digit) / f"{number}.png"
            # 16 is full ink; 255/16 is not a whole number, so pixels differ by less than one shade.
            Image.fromarray(np.rint(images[row] * (255 / 16)).astype(np.uint8)).save(path)
            written.append((path, digit))
    return written


def write_scene(path: Path, size: int = 48) -> np.ndarray:
    """A computed picture in colour: a disc, a bar, a ramp; its pixels (size, size, 3), uint8."""
    y, x = np.mgrid[:size, :size] / (size - 1)
    scene = np.stack([x, y, 0.5 * np.ones_like(x)], axis=-1)
    scene[(x - 0.35) ** 2 + (y - 0.4) ** 2 < 0.05] = (1.0, 0.9, 0.2)
    scene[(x > 0.7) & (x < 0.8)] = (0.1, 0.1, 0.3)
    pixels = np.rint(255 * scene).astype(np.uint8)
    Image.fromarray(pixels).save(path)
    return pixels
