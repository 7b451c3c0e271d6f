"""Wrong states, made from a right one by changing one place of its structure at a time."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np


def deep(levels: int) -> list:
    """A list in a list in a list ..."""
    value: list = []
    for _ in range(levels):
        value = [value]
    return value


WRONG = {
    "None": None,
    "True": True,
    "-1": -1,
    "0.5": 0.5,
    "2**63": 2**63,
    "2**64": 2**64,
    "10**400": 10**400,
    "1e300": 1e300,
    "nan": float("nan"),
    "inf": float("inf"),
    "text": "text",
    "surrogate": "\ud800",
    "[]": [],
    "{}": {},
    "deep": deep(200),
    "mixed": [1, {"a": None}],
    "ints": np.arange(3),
    "scalar": np.float32(1).reshape(()),
    "float64": np.zeros((2, 2)),
    "empty": np.zeros((0, 4), np.float32),
}


def places(value: Any, path: tuple = ()) -> Iterator[tuple]:
    """The paths of everything in `value`."""
    if path:
        yield path
    if isinstance(value, dict):
        for key in value:
            yield from places(value[key], (*path, key))
    elif isinstance(value, list):
        for index in range(len(value)):
            yield from places(value[index], (*path, index))


def mutations(state: Any) -> Iterator[tuple[str, Any]]:
    """(description, a copy of `state` with one thing changed)."""
    for path in places(state):
        where = "/".join(map(str, path))
        for name, wrong in WRONG.items():
            yield f"{where} = {name}", _with(state, path, lambda old, wrong=wrong: wrong)
        yield f"without {where}", _without(state, path)
        yield f"{where} is repeated", _with(state, path, lambda old: [old, old])
        yield f"{where} has a key more", _with(state, path, _with_a_key_more)
        yield f"{where} is changed", _with(state, path, _changed)


def _with(state: Any, path: tuple, change: Any) -> Any:
    state = copy.deepcopy(state)
    parent = state
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = change(parent[path[-1]])
    return state


def _without(state: Any, path: tuple) -> Any:
    state = copy.deepcopy(state)
    parent = state
    for key in path[:-1]:
        parent = parent[key]
    del parent[path[-1]]
    return state


def _with_a_key_more(value: Any) -> Any:
    return {**value, "more": 1} if isinstance(value, dict) else {"more": value}


def _changed(value: Any) -> Any:
    """Something of the same type."""
    if isinstance(value, np.ndarray):
        return np.zeros((*value.shape, 1), value.dtype)
    if isinstance(value, dict):
        return {f"{key}_": each for key, each in value.items()}
    if isinstance(value, list):
        return value[:-1]
    if isinstance(value, bool):
        return not value
    if isinstance(value, str):
        return f"{value}_"
    return 10**12 if value is None else -value - 1
