"""Saves a state (`fastconv.state`) to a file: the backup of a training run.

It is a safetensors file. Its arrays are those of the state, numbered; its metadata contain the rest
as JSON, in which {"__array__": 3} stands for an array, and the SHA-256 of everything. JSON
represents integers and floats exactly, including NaN and infinities.
"""

from __future__ import annotations

import json
import os
import reprlib
from typing import Any

import numpy as np

from fastconv.common.parsing import parsing
from fastconv.common.regular_file import open_regular
from fastconv.errors import FormatError
from fastconv.saving import safetensors_file
from fastconv.saving.atomic import replacing

_FORMAT_OF_ANY_VERSION = "fastconv-state-"
_FORMAT = f"{_FORMAT_OF_ANY_VERSION}1"  # the first version, so any other is newer
_ARRAY = "__array__"


def save_state(state: Any, path: str | os.PathLike[str]) -> None:
    """Write `state` to `path`, atomically (`fastconv.saving.atomic`); OSError if that fails."""
    arrays: dict[str, np.ndarray] = {}
    text = json.dumps(_without_arrays(state, arrays))
    metadata = {"format": _FORMAT, "state": text, "sha256": safetensors_file.checksum(text, arrays)}
    with replacing(path) as file:
        safetensors_file.write(file, arrays, metadata)


def load_state(path: str | os.PathLike[str]) -> Any:
    """Return the state that `save_state` wrote to `path`.

    Raises FormatError if the file is damaged or has another content, OSError if it cannot be read.
    """
    with open_regular(path) as file:
        reader = safetensors_file.Reader(file, path)
        received = reader.metadata.get("format", "")
        if received != _FORMAT:
            newer = received.startswith(_FORMAT_OF_ANY_VERSION)
            raise FormatError(
                f"{path}: `format` must be {_FORMAT!r}, received {received!r}"
                + ("; it is newer: upgrade fastconv" if newer else "")
            )
        arrays = {name: reader.read(name) for name in reader.entries}
    text = reader.metadata.get("state", "")
    if safetensors_file.checksum(text, arrays) != reader.metadata.get("sha256"):
        raise FormatError(f"{path}: the checksum is wrong, so the file is damaged")
    with parsing(f"{path}: not a readable state"):
        return _with_arrays(json.loads(text), arrays)


def _without_arrays(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    """Return `value` in its JSON form; its arrays are added to `arrays`."""
    if isinstance(value, dict):
        wrong = [key for key in value if not isinstance(key, str) or key == _ARRAY]
        if wrong:
            raise TypeError(f"the keys of a state must be strings, received {wrong}")
        return {key: _without_arrays(each, arrays) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_arrays(each, arrays) for each in value]
    if isinstance(value, np.ndarray):
        name = str(len(arrays))
        arrays[name] = value
        return {_ARRAY: name}
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    raise TypeError(f"a state must be made of numbers, strings and arrays, received {value!r}")


def _with_arrays(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    if isinstance(value, dict):
        if _ARRAY in value:
            name = value[_ARRAY]
            if len(value) > 1 or not isinstance(name, str) or name not in arrays:
                raise ValueError(f"no array is called {reprlib.repr(name)}")
            return arrays[name]
        return {key: _with_arrays(each, arrays) for key, each in value.items()}
    if isinstance(value, list):
        return [_with_arrays(each, arrays) for each in value]
    return value
