"""One thing, a list or a dict of things: the forms in which models take and give several.

Everything inside works on flat lists; the form that a user chose is kept beside them, as an example
of itself. The order of a dict is that of its sorted keys, as in Keras.

>>> like = {"b": 0, "a": 0}
>>> flatten({"b": 1, "a": 2})
[2, 1]
>>> pack(like, [2, 1])
{'b': 1, 'a': 2}
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def is_several(value: Any) -> bool:
    """Whether `value` is a container and not a thing itself."""
    return isinstance(value, (list, tuple, dict))


def flatten(value: Any) -> list[Any]:
    """The things in `value`, in order."""
    if isinstance(value, dict):
        return [value[key] for key in sorted(value)]
    return list(value) if isinstance(value, (list, tuple)) else [value]


def pack(like: Any, flat: Sequence[Any]) -> Any:
    """`flat` in the form of `like`; a tuple becomes a list."""
    if isinstance(like, dict):
        by_key = dict(zip(sorted(like), flat, strict=True))
        return {key: by_key[key] for key in like}
    if isinstance(like, (list, tuple)):
        return list(flat)
    (thing,) = flat
    return thing
