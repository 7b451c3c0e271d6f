"""Write the public names of real Keras, with the arguments of functions and classes, into
`keras_names.json`.

Run by hand, never by the tests, in an environment that holds Keras 3.15 and TensorFlow::

    python -m tests.golden.make_keras_names
"""

from __future__ import annotations

import inspect
import json
import os
import types

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras

from tests.golden.golden_file import HERE


def arguments(thing: object) -> list[str] | None:
    """The names of the arguments; None for what cannot be called."""
    if not callable(thing):
        return None
    function = thing.__init__ if inspect.isclass(thing) else thing
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return []
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [p.name for p in parameters if p.kind not in kinds and p.name != "self"]


def collect(module: types.ModuleType, path: str, found: dict) -> None:
    names = {}
    for name, value in vars(module).items():
        if name.startswith("_"):
            continue
        if isinstance(value, types.ModuleType):
            if value.__name__.startswith("keras.") and name not in ("src", "_tf_keras"):
                collect(value, f"{path}.{name}" if path else name, found)
        else:
            names[name] = arguments(value)
    found[path] = dict(sorted(names.items()))


def main() -> None:
    found: dict[str, dict] = {}
    collect(keras, "", found)
    for methods_of in ("Model", "Sequential", "Layer", "Optimizer", "Metric", "Loss", "Variable"):
        cls = getattr(keras, methods_of)
        found[f"{methods_of}()"] = {
            name: arguments(getattr(cls, name)) if callable(getattr(cls, name)) else None
            for name in sorted(dir(cls))
            if not name.startswith("_")
        }
    lines = []
    for path, names in sorted(found.items()):
        rows = [f"  {json.dumps(name)}: {json.dumps(values)}" for name, values in names.items()]
        lines.append(f"{json.dumps(path)}: {{\n" + ",\n".join(rows) + "\n}")
    (HERE / "keras_names.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
