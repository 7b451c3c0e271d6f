"""Which weights of a file belong to which layers of a model, if both have names.

A name that somebody typed says which layer it is. Names that nobody typed (`dense`, `dense_1`)
count up in each process, so that a network that is built again has other ones; what stays is their
rank among those with the same beginning. Where names say nothing, order decides, as in Keras, but
never against names.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from fastconv.naming import numbered, snake_case
from fastconv.saving.hdf5 import Mismatch
from fastconv.serialization import class_name

if TYPE_CHECKING:
    from fastconv.layers.base import Layer
    from fastconv.parameters import Variable

Path = tuple[str, ...]  # names of models inside of each other, and of a layer in the last one


def prefix_of(layer: Layer) -> str:
    """What the names that nobody typed begin with for objects of the class of `layer`."""
    return snake_case(class_name(layer))


def is_counted(name: str, prefix: str) -> bool:
    """Whether `name` looks like one that nobody typed for an object of the class with `prefix`.

    >>> [is_counted(name, "dense") for name in ("dense", "dense_12", "dense_head", "conv2d")]
    [True, True, False, False]
    """
    return re.fullmatch(rf"{re.escape(prefix)}(_\d+)?", name) is not None


def by_rank(names: Iterable[str]) -> dict[str, tuple[str, int]]:
    """For each name its beginning, without a number at the end, and its rank among those alike.

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
    """For each layer of a model, by its path, which of as many stored ones is named like it.

    Names are the same on both sides, or have the same rank. None if that does not give each layer
    one counterpart.

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
    """Paths with ranks (`by_rank`) among the names beside them instead of names."""
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
    """For each layer of a model, which of as many stored layers in a file is its counterpart.

    Args:
        wanted: (name, prefix of the names that nobody typed) of each layer.
        stored: the names in a file, None for unknown ones.
        where: what an error begins with.

    It is the one at the same place, unless typed names say that the same layers stand in another
    order. Mismatch if names contradict the order and are not the same on both sides.

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
    """The layers with weights that are `layer` or inside of it, each where it occurs first, with
    their paths below it."""
    if not hasattr(layer, "layers"):
        return {layer: path or (layer.name,)} if layer.weights else {}
    found: dict[Layer, Path] = {}
    for each in layer.layers:
        for leaf, below in leaves(each, (*path, each.name)).items():
            found.setdefault(leaf, below)
    return found


def own_names(layer: Layer) -> dict[str, Variable]:
    """The weights of a layer that is no model by names that differ."""
    counter: Counter[str] = Counter()
    return {numbered(variable.name, counter): variable for variable in layer.weights}
