"""Matches the layers of a file to those of a model by names and order.

An explicit name identifies a layer. Automatic names (`dense`, `dense_1`) contain a counter of the
process, so a rebuilt network has other ones; their rank among names with the same prefix stays the
same. Where names do not decide, the order does, as in Keras, but never in contradiction to names.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from fastconv.common.naming import numbered, snake_case
from fastconv.saving.hdf5 import Mismatch
from fastconv.serialization import class_name

if TYPE_CHECKING:
    from fastconv.layers.base import Layer
    from fastconv.parameters import Variable

Path = tuple[str, ...]  # names of nested models, and of a layer in the innermost one


def prefix_of(layer: Layer) -> str:
    """Return the prefix of automatic names for objects of the class of `layer`."""
    return snake_case(class_name(layer))


def is_counted(name: str, prefix: str) -> bool:
    """Return whether `name` looks like an automatic name for the class with `prefix`.

    >>> [is_counted(name, "dense") for name in ("dense", "dense_12", "dense_head", "conv2d")]
    [True, True, False, False]
    """
    return re.fullmatch(rf"{re.escape(prefix)}(_\d+)?", name) is not None


def by_rank(names: Iterable[str]) -> dict[str, tuple[str, int]]:
    """Return for each name its prefix without a final number, and its rank among equal prefixes.

    >>> by_rank(["dense_10", "first", "dense_9"])
    {'first': ('first', 0), 'dense_9': ('dense', 0), 'dense_10': ('dense', 1)}
    """
    counter: Counter[str] = Counter()
    ranks = {}
    for name in sorted(set(names), key=lambda name: (len(name), name)):
        beginning = re.sub(r"_\d+$", "", name)
        ranks[name] = beginning, counter[beginning]
        counter[beginning] += 1
    return ranks


def counterparts(wanted: Sequence[Path], stored: Sequence[Path]) -> list[int] | None:
    """Return, for each path of a layer of a model, the index of the stored layer with this name.

    Names are equal on both sides, or have the same rank. None if that does not give each layer one
    counterpart. Both sides have the same length.

    >>> counterparts([("dense_4",), ("a",), ("dense_3",)], [("a",), ("dense",), ("dense_1",)])
    [2, 0, 1]
    """
    if len(set(wanted)) != len(wanted) or len(set(stored)) != len(stored):
        return None
    for keys in (lambda paths: {path: path for path in paths}, _ranked_paths):
        mine, theirs = keys(wanted), keys(stored)
        places = {theirs[path]: place for place, path in enumerate(stored)}
        if set(mine.values()) == places.keys():
            return [places[mine[path]] for path in wanted]
    return None


def _ranked_paths(paths: Sequence[Path]) -> dict[Path, tuple[Any, ...]]:
    """Return paths of ranks (`by_rank`) among sibling names instead of names."""
    beside: dict[Path, set[str]] = {}
    for path in paths:
        for depth, name in enumerate(path):
            beside.setdefault(path[:depth], set()).add(name)
    ranks = {above: by_rank(names) for above, names in beside.items()}
    return {
        path: tuple(ranks[path[:depth]][name] for depth, name in enumerate(path)) for path in paths
    }


def order_of(
    wanted: Sequence[tuple[str, str]], stored: Sequence[str | None], where: object
) -> list[int]:
    """Return for each layer of a model the index of its counterpart among the stored layers.

    Args:
        wanted: (name, prefix of automatic names) of each layer.
        stored: the names in a file, None for unknown ones.
        where: start of the error message.

    Layers match by position, unless explicit names give the same layers in another order. Raises
    Mismatch if names contradict the order and are not the same on both sides.

    >>> order_of([("a", "dense"), ("b", "dense")], ["b", "a"], "file")
    [1, 0]
    >>> order_of([("a", "dense"), ("b", "dense")], ["x", "dense_7"], "file")
    [0, 1]
    """
    typed, found = {}, {}
    for place, ((name, prefix), other) in enumerate(zip(wanted, stored, strict=True)):
        if not is_counted(name, prefix):
            typed[name] = place
        if other is not None and not is_counted(other, prefix):
            found[other] = place
    order = list(range(len(wanted)))
    elsewhere = sorted(name for name in typed.keys() & found if typed[name] != found[name])
    if not elsewhere:
        return order
    if typed.keys() != found.keys() or sorted(typed.values()) != sorted(found.values()):
        raise Mismatch(
            f"{where}: the layers {elsewhere[:10]} stand in another order than in the model, which "
            f"has {[name for name, _ in wanted][:20]}, received {list(stored)[:20]}"
        )
    for name, place in typed.items():
        order[place] = found[name]
    return order


def leaves(layer: Layer, path: Path = ()) -> dict[Layer, Path]:
    """Return the layers with weights that are `layer` or inside it, each at its first occurrence,
    with their paths below it."""
    inner = None if layer.is_traced else getattr(layer, "layers", None)
    if inner is None:
        return {layer: path or (layer.name,)} if layer.weights else {}
    found: dict[Layer, Path] = {}
    for each in inner:
        for leaf, below in leaves(each, (*path, each.name)).items():
            found.setdefault(leaf, below)
    return found


def distinct_names(weights: Iterable[Variable]) -> dict[str, Variable]:
    """Return the weights of a layer that is not a model of tensors by distinct names."""
    counter: Counter[str] = Counter()
    return {numbered(variable.name, counter): variable for variable in weights}


def namesakes(model: Any) -> list[tuple[Layer, Layer]]:
    """Return pairs of distinct layers with weights, the same name and equal descriptions.

    A Keras description without ids may mean one shared layer by them.
    """
    first: dict[str, Layer] = {}
    pairs = []
    for layer in model.leaf_layers():
        other = first.setdefault(layer.name, layer)
        if layer is not other and layer.weights and layer.get_config() == other.get_config():
            pairs.append((other, layer))
    return pairs
