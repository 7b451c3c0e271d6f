"""Functions of nested structures: lists, tuples, named tuples and dicts of anything else.

The leaves of a structure are everything that is not one of these containers, None as well. A dict
is read in the order of its sorted keys.

>>> from fastconv import tree
>>> tree.flatten({"b": 1, "a": [2, (3, None)]})
[2, 3, None, 1]
>>> tree.map_structure(lambda x, y: x + y, [1, {"k": 2}], [10, {"k": 20}])
[11, {'k': 22}]
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

MAP_TO_NONE = object()  # a result of the function of `traverse` that stands for None


def is_nested(structure: Any) -> bool:
    """Return whether `structure` is a container and not a leaf."""
    return isinstance(structure, (list, tuple, dict))


def _keys(structure: Any) -> list[Any]:
    if isinstance(structure, dict):
        return sorted(structure)
    return list(range(len(structure)))


def _like(structure: Any, children: Sequence[Any]) -> Any:
    """Return a container of the type of `structure` with `children` in the order of `_keys`."""
    if isinstance(structure, dict):
        by_key = dict(zip(_keys(structure), children, strict=True))
        made = structure.copy()  # in the order of the original, and of its class
        for key in structure:
            made[key] = by_key[key]
        return made
    if hasattr(structure, "_fields"):  # a named tuple
        return type(structure)(*children)
    return type(structure)(children)


def flatten(structure: Any) -> list[Any]:
    """Return the leaves of `structure`."""
    return [leaf for _, leaf in flatten_with_path(structure)]


def flatten_with_path(structure: Any) -> list[tuple[tuple[Any, ...], Any]]:
    """Return (path, leaf) of every leaf; a path consists of indices and keys.

    >>> flatten_with_path({"a": [5, 6]})
    [(('a', 0), 5), (('a', 1), 6)]
    """
    if not is_nested(structure):
        return [((), structure)]
    return [
        ((key, *path), leaf)
        for key in _keys(structure)
        for path, leaf in flatten_with_path(structure[key])
    ]


def map_structure(func: Callable[..., Any], *structures: Any, none_is_leaf: bool = True) -> Any:
    """Return the first of `structures` with `func(leaf, ...)` of all of them instead of its leaves.

    Without `none_is_leaf` None stays as it is.

    Raises TypeError if `func` cannot be called or there is no structure, ValueError if structures
    differ.
    """
    _check_function(func, structures)
    for other in structures[1:]:
        assert_same_structure(structures[0], other)

    def mapped(first: Any, *others: Any) -> Any:
        if first is None and not none_is_leaf:
            return None
        return func(first, *others)

    return map_structure_up_to(structures[0], mapped, *structures)


def map_structure_up_to(shallow_structure: Any, func: Callable[..., Any], *structures: Any) -> Any:
    """Return `shallow_structure` with `func` of the parts of `structures` in place of its leaves.

    Raises TypeError if `func` cannot be called or there is no structure, ValueError if a structure
    is not at least as deep.

    >>> map_structure_up_to([None, None], len, [[1, 1], [2]])
    [2, 1]
    """
    _check_function(func, structures)
    if not is_nested(shallow_structure):
        return func(*structures)
    for structure in structures:
        _check_alike(shallow_structure, structure)
    children = [
        map_structure_up_to(shallow_structure[key], func, *(each[key] for each in structures))
        for key in _keys(shallow_structure)
    ]
    return _like(shallow_structure, children)


def _check_function(func: Any, structures: Sequence[Any]) -> None:
    if not callable(func):
        raise TypeError(f"`func` must be callable, received {func!r}")
    if not structures:
        raise TypeError("`structures` must be at least one structure, received none")


def _check_alike(one: Any, other: Any) -> None:
    """Raise ValueError unless both are containers of one type with the same keys."""
    if type(one) is not type(other) or _keys(one) != _keys(other):
        raise ValueError(f"structures must be the same, received {one!r:.200} and {other!r:.200}")


def assert_same_structure(a: Any, b: Any, check_types: bool = True) -> None:
    """Raise ValueError unless both structures have the same containers with the same keys.

    Without `check_types` a list may stand for a tuple.
    """
    if is_nested(a) != is_nested(b):
        raise ValueError(f"structures must be the same, received {a!r:.200} and {b!r:.200}")
    if not is_nested(a):
        return
    if check_types:
        _check_alike(a, b)
    elif isinstance(a, dict) != isinstance(b, dict) or _keys(a) != _keys(b):
        raise ValueError(f"structures must be the same, received {a!r:.200} and {b!r:.200}")
    for key in _keys(a):
        assert_same_structure(a[key], b[key], check_types)


def assert_same_paths(a: Any, b: Any) -> None:
    """Raise ValueError unless the leaves of both structures have the same paths."""
    mine, theirs = ({path for path, _ in flatten_with_path(each)} for each in (a, b))
    if mine != theirs:
        different = sorted(mine ^ theirs, key=repr)[:20]
        raise ValueError(f"structures must have the same paths, received {different} in one only")


def pack_sequence_as(structure: Any, flat_sequence: Sequence[Any]) -> Any:
    """Return `structure` with the elements of `flat_sequence` in place of its leaves.

    Raises TypeError if `flat_sequence` is not a sequence, ValueError for another number of
    elements.

    >>> pack_sequence_as({"b": 0, "a": (0, 0)}, [1, 2, 3])
    {'b': 3, 'a': (1, 2)}
    """
    if isinstance(flat_sequence, (str, bytes)) or not isinstance(flat_sequence, Sequence):
        raise TypeError(f"`flat_sequence` must be a list or tuple, received {flat_sequence!r:.200}")
    count = len(flatten(structure))
    if count != len(flat_sequence):
        raise ValueError(
            f"`flat_sequence` must have {count} elements, received {len(flat_sequence)}"
        )
    elements = iter(flat_sequence)
    return map_structure_up_to(structure, lambda _: next(elements), structure)


def traverse(func: Callable[[Any], Any], structure: Any, top_down: bool = True) -> Any:
    """Return `structure` with every part for which `func(part)` is not None replaced by that.

    Parts are containers, also the whole, and leaves. `top_down`: containers come before what they
    contain, and the contents of a replaced one are not visited; otherwise they come after it. For a
    part to be None, `func` returns `MAP_TO_NONE`.

    Raises TypeError if `func` cannot be called.

    >>> traverse(lambda part: -part if isinstance(part, int) else None, {"a": [1, 2]})
    {'a': [-1, -2]}
    """
    _check_function(func, (structure,))
    if top_down and (result := func(structure)) is not None:
        return None if result is MAP_TO_NONE else result
    if is_nested(structure):
        children = [traverse(func, structure[key], top_down) for key in _keys(structure)]
        structure = _like(structure, children)
    if not top_down and (result := func(structure)) is not None:
        return None if result is MAP_TO_NONE else result
    return structure


def lists_to_tuples(structure: Any) -> Any:
    """Return `structure` with tuples in place of its lists."""
    return traverse(
        lambda part: tuple(part) if isinstance(part, list) else None, structure, top_down=False
    )


def map_shape_structure(func: Callable[[Any], Any], structure: Any) -> Any:
    """Return `structure` with `func(shape)` in place of every list or tuple of integers and None.

    Raises TypeError if `func` cannot be called.

    >>> map_shape_structure(len, {"a": (None, 3), "b": [(None, 4, 5)]})
    {'a': 2, 'b': [3]}
    """
    _check_function(func, (structure,))
    if isinstance(structure, (list, tuple)) and all(
        size is None or isinstance(size, int) for size in structure
    ):
        return func(tuple(structure))
    if not is_nested(structure):
        raise ValueError(f"expected shapes, received {structure!r:.200}")
    children = [map_shape_structure(func, structure[key]) for key in _keys(structure)]
    return _like(structure, children)
