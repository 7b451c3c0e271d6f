"""Compares Keras's public names and their arguments with fastconv's.

    python -m tests.long.keras_names            # counts per module, and all that is missing

The names of Keras are those in `tests/golden/keras_names.json`. `docs/keras.md` explains every one
that is missing; `tests/test_keras_names.py` holds both lists to each other.
"""

from __future__ import annotations

import fnmatch
import inspect
import json
import re
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import fastconv

CHECKOUT = Path(__file__).resolve().parents[2]
KERAS = json.loads((CHECKOUT / "tests/golden/keras_names.json").read_text())
EXPLANATIONS = CHECKOUT / "docs/keras.md"
SECOND_NAMES = ("ops.linalg", "ops.nn", "ops.numpy")  # of functions of `ops`
HEADING = "## Names that fastconv does not have"


def found(path: str) -> Any | None:
    """The module or class of fastconv for a module of Keras, or a class with "()"; None without."""
    if path.endswith("()"):
        return getattr(fastconv, path[:-2])
    name = f"fastconv.{path}" if path else "fastconv"
    parents = name.split(".")
    for end in range(1, len(parents) + 1):
        if find_spec(".".join(parents[:end])) is None:
            return None
    return import_module(name)


def sample(path: str) -> Any:
    """An object of a class, whose name ends in "()", with the attributes that `__init__` sets."""
    model = fastconv.models.Sequential([fastconv.layers.Input((2,)), fastconv.layers.Dense(1)])
    (layer,) = model.layers
    samples = {
        "Layer()": layer,
        "Loss()": fastconv.losses.MeanSquaredError(),
        "Metric()": fastconv.metrics.Mean(),
        "Model()": fastconv.models.Model(model.inputs, model.outputs),
        "Optimizer()": fastconv.optimizers.SGD(),
        "Sequential()": model,
        "Variable()": layer.weights[0],
    }
    return samples[path]


def missing_names(path: str) -> list[str]:
    """The names of one module or class of Keras that fastconv does not have."""
    thing = sample(path) if path.endswith("()") else found(path)
    start = f"{path}." if path else ""
    names = [name for name in KERAS[path] if thing is None or not hasattr(thing, name)]
    if path in SECOND_NAMES:  # what `ops` does not have is counted there
        names = [name for name in names if hasattr(fastconv.ops, name)]
    return [f"{start}{name}" for name in names]


def missing_arguments(path: str) -> list[str]:
    """The arguments, as "name(argument)", that fastconv's functions of this module do not take.

    Arguments of layers are left to `tests/test_layer_arguments.py`.
    """
    thing, missing = found(path), []
    if thing is None or path == "layers":
        return []
    for name, arguments in KERAS[path].items():
        own = getattr(thing, name, None)
        if not arguments or not callable(own):
            continue
        try:
            parameters = inspect.signature(own).parameters
        except (TypeError, ValueError):
            continue
        if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
            continue
        start = f"{path}." if path else ""
        missing += [f"{start}{name}({each})" for each in arguments if each not in parameters]
    return missing


def explained() -> list[str]:
    """The names and patterns in code style in the tables of `docs/keras.md` below the heading."""
    text = EXPLANATIONS.read_text(encoding="utf-8")
    section = re.split(r"^## ", text.split(HEADING, 1)[1], flags=re.MULTILINE)[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")]
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row.split(" | ")[0])]


def is_explained(name: str, patterns: list[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def main() -> None:
    patterns = explained()
    for path, names in KERAS.items():
        names_missing, arguments_missing = missing_names(path), missing_arguments(path)
        print(f"{path or 'keras'}: {len(names) - len(names_missing)} of {len(names)} names")
        for name in [*names_missing, *arguments_missing]:
            print(f"    {name}{'' if is_explained(name, patterns) else '   NOT EXPLAINED'}")


if __name__ == "__main__":
    main()
