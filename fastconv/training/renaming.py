"""Renames outputs in restored states.

An unnamed output has the name of its layer (`dense_3`), which contains a counter of the process; so
do its losses and metrics (`dense_3_mae`) and the states of callbacks.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

_NUMBER = re.compile(r"_(\d+)(?=_|$)")


def renamings(stored: Sequence[Any], wanted: Sequence[str]) -> dict[str, str]:
    """Return new names for `stored` ones that differ from `wanted` only by their numbers and count
    up in the same order; otherwise, or if the names are equal, an empty dict.

    >>> renamings(["loss", "dense_8_mae", "dense_9_mae"], ["loss", "dense_mae", "dense_1_mae"])
    {'dense_8_mae': 'dense_mae', 'dense_9_mae': 'dense_1_mae'}
    >>> renamings(["a_1_loss", "a_2_loss"], ["a_2_loss", "a_1_loss"])
    {}
    """
    if not all(isinstance(name, str) for name in stored) or set(stored) == set(wanted):
        return {}
    if len(set(stored)) != len(stored) or _ranks(stored) != _ranks(wanted):
        return {}
    return {old: new for old, new in zip(stored, wanted, strict=True) if old != new}


def _ranks(names: Sequence[str]) -> list[tuple[str, int]]:
    """Return each name without numbers, and its rank by number among equal names."""
    keys = [(_NUMBER.sub("", name), tuple(map(int, _NUMBER.findall(name)))) for name in names]
    place = {key: sum(o < key for o in keys if o[0] == key[0]) for key in keys}
    return [(key[0], place[key]) for key in keys]


def renamed(value: Any, names: dict[str, str]) -> Any:
    """Return the state `value` with new `names` for old ones, also those of validation values."""
    both = names | {f"val_{old}": f"val_{new}" for old, new in names.items()}

    def of_today(value: Any) -> Any:
        if isinstance(value, dict):
            return {both.get(key, key): of_today(each) for key, each in value.items()}
        if isinstance(value, (list, tuple)):
            return [of_today(each) for each in value]
        return both.get(value, value) if isinstance(value, str) else value

    return of_today(value)
