"""One thing, a list or a dict of things: the forms in which models take and give several.

Everything inside works on flat lists; the form that a user chose is kept beside them, as an example
of itself. The order of a dict is that of its sorted keys, as in Keras, so a list can stand for a
dict only if that was written in this order (`Names`).

>>> like = {"b": 0, "a": 0}
>>> flatten({"b": 1, "a": 2})
[2, 1]
>>> pack(like, [2, 1])
{'b': 1, 'a': 2}
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
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


class Names(tuple):
    """The names of several things, in the order of flat lists.

    `written` are the names in the order in which the user gave them.
    """

    written: tuple[str, ...]

    def __new__(cls, names: Iterable[str], written: Iterable[str] | None = None) -> Names:
        self = super().__new__(cls, names)
        self.written = tuple(self if written is None else written)
        return self

    def __getnewargs__(self) -> tuple[Any, ...]:
        return tuple(self), self.written

    @classmethod
    def of_keys(cls, form: dict[str, Any]) -> Names:
        """The keys of `form`."""
        return cls(sorted(form), form)

    def check_list(self, what: str) -> None:
        """ValueError, which calls the argument `what`, if the order of a list is ambiguous."""
        if self != self.written:
            raise ValueError(
                f"`{what}` must be a dict with the keys {list(self.written)}, received a list; a "
                "list goes by the sorted names, and the model was given these in another order"
            )


def arrange(value: Any, names: Names, what: str) -> list[Any]:
    """`value` as a flat list, one thing per name: a dict with these keys, a list in their order,
    or, if there is one name, the thing itself, which may well be a list.

    Raises ValueError, which calls the argument `what`, if number or keys differ, or the order of a
    list is ambiguous.
    """
    if isinstance(value, dict):
        check_keys(value, names, what)
        return [value[name] for name in names]
    if len(names) == 1:
        return [value]
    several = isinstance(value, (list, tuple))
    if several:
        names.check_list(what)
    if not several or len(value) != len(names):
        received = f"{len(value)} of them" if several else type(value)
        raise ValueError(
            f"`{what}` must be a list of {len(names)}, for {list(names)}, or a dict; "
            f"received {received}"
        )
    return list(value)


def check_keys(value: dict[str, Any], names: Names, what: str, optional: bool = False) -> None:
    """ValueError if the keys of `value` are not these names, all of them unless `optional`."""
    missing = [] if optional else [name for name in names.written if name not in value]
    extra = [key for key in value if key not in names]
    if missing or extra:
        problems = {"missing": missing, "extra": extra}
        must = "must have keys among" if optional else "must have the keys"
        raise ValueError(
            f"`{what}` {must} {list(names.written)}, received {list(value)}: "
            + ", ".join(f"{keys} {how}" for how, keys in problems.items() if keys)
        )


def mapped(function: Callable[[Any], Any], value: Any) -> Any:
    """`value` with `function` of every thing in lists and dicts of any depth; None stays None.

    A dict with a "class_name" is a thing: an object as files describe it.
    """
    if isinstance(value, (list, tuple)):
        return [mapped(function, each) for each in value]
    if isinstance(value, dict) and "class_name" not in value:
        return {key: mapped(function, each) for key, each in value.items()}
    return None if value is None else function(value)
