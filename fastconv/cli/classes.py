"""The names of a model's classes: a text file beside the model's, one name per line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fastconv.cli.errors import InputError, checked_input

if TYPE_CHECKING:
    from fastconv.cli.data import Data
    from fastconv.models import Model


def names_file(model_path: str) -> Path:
    """`digits.keras` -> `digits.classes.txt`"""
    return Path(model_path).with_suffix(".classes.txt")


def write_names(model_path: str, names: tuple[str, ...]) -> None:
    from fastconv.saving.atomic import replacing

    with replacing(names_file(model_path)) as file:
        file.write("".join(f"{name}\n" for name in names).encode())


def read_names(model_path: str, given: str | None, count: int) -> list[str]:
    """The names of `count` classes: from the file `given`, or beside the model, or numbers."""
    path = Path(given) if given else names_file(model_path)
    if not given and not path.is_file():
        return [str(index) for index in range(count)]
    with checked_input(str(path)):
        names = path.read_text(encoding="utf-8").splitlines()
    if len(names) != count:
        raise InputError(f"{path}: must name the model's {count} classes, names {len(names)}")
    return names


def class_count(model: Model, name: str) -> int:
    """Return the number of classes of a model; InputError if its output is not a row of scores."""
    shape = model.output_shape[1:]
    if len(shape) != 1:
        raise InputError(f"{name}: must give one row of class scores, gives shape {shape}")
    return shape[0]


def check_classes(model: Model, name: str, data: Data) -> None:
    """InputError unless the model has a class for every label of the data."""
    count = class_count(model, name)
    if count < len(data.class_names):
        raise InputError(
            f"{data.name} has {len(data.class_names)} classes, {name} tells only {count} apart"
        )
