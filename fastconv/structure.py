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

from collections.abc import Callable, Sequence
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


def arrange(value: Any, keys: Sequence[str], what: str) -> list[Any]:
    """`value` as a flat list, one thing per key: a dict with these keys, a list in their order, or,
    if there is one key, the thing itself, which may well be a list.

    Raises ValueError, which calls the argument `what`, if number or keys differ.
    """
    if isinstance(value, dict):
        if set(value) != set(keys):
            raise ValueError(
                f"`{what}` must have the keys {sorted(keys)}, received {sorted(map(str, value))}"
            )
        return [value[key] for key in keys]
    if len(keys) == 1:
        return [value]
    if not isinstance(value, (list, tuple)) or len(value) != len(keys):
        received = f"{len(value)} of them" if isinstance(value, (list, tuple)) else type(value)
        raise ValueError(
            f"`{what}` must be a list of {len(keys)}, for {list(keys)}, or a dict; "
            f"received {received}"
        )
    return list(value)


def mapped(function: Callable[[Any], Any], value: Any) -> Any:
    """`value` with `function` of every thing in lists and dicts of any depth; None stays None.

    A dict with a "class_name" is a thing: an object as files describe it.
    """
    if isinstance(value, (list, tuple)):
        return [mapped(function, each) for each in value]
    if isinstance(value, dict) and "class_name" not in value:
        return {key: mapped(function, each) for key, each in value.items()}
    return None if value is None else function(value)
