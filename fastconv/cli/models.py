"""What a model's name on the command line means: a `.keras` or `.onnx` file, or a network of the
zoo."""

from __future__ import annotations

import argparse
import contextlib
import inspect
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastconv.cli.errors import InputError, check_at_least, checked_input, suggestion
from fastconv.common.suggestions import did_you_mean

if TYPE_CHECKING:
    from fastconv.models import Model

SMALLEST = 32  # pixels: what networks made for large pictures are given at least


def is_file(name: str) -> bool:
    """Whether `name` can only be meant as a file."""
    return name.endswith((".keras", ".h5", ".onnx")) or os.sep in name or Path(name).is_file()


def zoo_networks() -> dict[str, Any]:
    """The functions of the zoo that make networks, by name."""
    from fastconv import zoo

    named = {name: getattr(zoo, name) for name in zoo.__all__}
    return {
        name: value
        for name, value in named.items()
        if inspect.isfunction(value) and "input_shape" in inspect.signature(value).parameters
    }


def load(path: str) -> Model:
    """The model in a file; InputError if there is none."""
    from fastconv import models

    if not Path(path).is_file():
        raise InputError(f"{path}: {_not_a_model(Path(path))}")
    with checked_input(path):
        if path.endswith(".onnx"):
            from fastconv import onnx

            return onnx.load(path)
        return models.load_model(path)


def _not_a_model(path: Path) -> str:
    """Return why a path is not a model."""
    if path.is_dir():
        return "is a folder; a model is a .keras file"
    if str(path) in zoo_networks():
        return f"has no trained weights; see fastconv train --model {path} --save {path}.keras"
    files = [file.name for file in path.parent.glob("*.keras")] if path.parent.is_dir() else []
    return f"no such file; a model is a .keras file{did_you_mean(path.name, files)}"


def network(name: str) -> Any:
    """The function of the zoo called `name`; InputError that suggests one if there is none."""
    networks = zoo_networks()
    if name not in networks:
        raise InputError(
            f"a model must be a .keras file or a network of the zoo, received {name!r}; "
            + suggestion(name, networks)
        )
    return networks[name]


def usual_shape(name: str) -> tuple[int, int, int]:
    """The input shape that a network of the zoo was published with."""
    return inspect.signature(network(name)).parameters["input_shape"].default


def build(name: str, shape: tuple[int, int, int] | None, classes: int | None) -> Model:
    """Return a network of the zoo with new weights; None for the published shape or classes."""
    given = {"input_shape": shape, "classes": classes}
    arguments = {key: value for key, value in given.items() if value is not None}
    function = network(name)
    with checked_input(f"{name} of {'x'.join(map(str, shape or usual_shape(name)))} pixels"):
        return function(**arguments)


def shape_for(name: str, pictures: tuple[int, int, int], size: int | None) -> tuple[int, int, int]:
    """The input shape for pictures of the shape `pictures`, whose channels it keeps.

    By default the usual size of the network, or less for smaller pictures.
    """
    height, width, channels = pictures
    if size is None:
        size = min(usual_shape(name)[0], max(SMALLEST, height, width))
    elif size < 1:
        raise InputError(f"--size must be at least 1, received {size}")
    return size, size, channels


def add_model(parser: argparse.ArgumentParser, *, optional: bool = False) -> None:
    """A model to look at, by `chosen`."""
    parser.add_argument(
        "model",
        metavar="MODEL",
        nargs="?" if optional else None,
        help="a .keras or .onnx file, or a network of the zoo",
    )
    parser.add_argument("--size", type=int, metavar="PIXELS", help="of the input, with the zoo")
    parser.add_argument("--channels", type=int, metavar="N", help="of the input, with the zoo")
    parser.add_argument("--classes", type=int, metavar="N", help="with the zoo")


def chosen(options: argparse.Namespace, drawn: bool = True) -> Model:
    """Return the model of the arguments of `add_model`.

    Without `drawn`, the weights of a network of the zoo remain zero, in memory that is not touched.
    """
    check_at_least(options, "size", "channels", "classes")
    asked = (options.size, options.channels, options.classes)
    if is_file(options.model):
        if any(value is not None for value in asked):
            raise InputError("--size, --channels and --classes are for networks of the zoo")
        return load(options.model)
    shape = None
    if options.size is not None or options.channels is not None:
        height, width, channels = usual_shape(options.model)
        shape = (options.size or height, options.size or width, options.channels or channels)
    from fastconv.parameters import undrawn_weights

    with contextlib.nullcontext() if drawn else undrawn_weights():
        return build(options.model, shape, options.classes)
