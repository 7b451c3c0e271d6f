"""Matches the names of weights in Keras's older `.h5` files to weights of layers.

The weights of a layer, or of an inner model, are stored in one list: first the trainable ones, then
the others. The order depends on the layers that were frozen when the file was written, and names
identify the weights:

    dense_3/kernel                      written here, and by Keras
    sequential_1/dense_3/kernel         by Keras, if the model was built without an Input
    dense_3/kernel:0                    by Keras 2
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from fastconv.saving.hdf5 import Mismatch
from fastconv.saving.matching import Path, counterparts, distinct_names, leaves

if TYPE_CHECKING:
    from fastconv.layers.base import Layer
    from fastconv.parameters import Variable


def in_file_order(layer: Layer) -> list[Variable]:
    """Return the weights of a layer or model in the order in which they are written."""
    return [*layer.trainable_weights, *layer.non_trainable_weights]


def names_of(layer: Layer) -> dict[Variable, str]:
    """Return the names of the weights of a layer or model in the file, in the order of the file."""
    paths = leaves(layer)
    short = {leaf: path[-1:] for leaf, path in paths.items()}
    used = short if len(set(short.values())) == len(short) else paths
    names = {
        variable: "/".join((*used[leaf], name))
        for leaf in paths
        for name, variable in distinct_names(leaf.weights).items()
    }
    return {variable: names[variable] for variable in in_file_order(layer)}


def named(
    layer: Layer, names: list[str], where: str, copies: bool = False
) -> list[tuple[Variable, int]]:
    """Return the weights of `layer`, each with its index in `names`, in the order of `names`.

    With `copies`, layers of the same name may have the same weights in the file: the model was
    created from that file, and Keras wrote a layer once that several models inside `layer` share.

    Raises Mismatch, whose message begins with `where`, if counts or names do not match, or names do
    not distinguish weights of the same shape.
    """
    owners: dict[Path, dict[str, int]] = {}  # paths of layers, and the positions of their weights
    for place, name in enumerate(names):
        *path, own = re.sub(r":\d+$", "", name).split("/")
        owners.setdefault(tuple(path), {})[own] = place
    if sum(map(len, owners.values())) != len(names):
        raise Mismatch(f"{where} must hold weights of different names, received {names[:20]}")
    targets, stored = leaves(layer), list(owners.values())
    order = _counterparts(list(targets.values()), list(owners))
    if len(names) != len(layer.weights):
        order = _of_one_name(list(targets.values()), list(owners)) if copies else None
        if order is None:
            raise Mismatch(f"{where} must hold {len(layer.weights)} weights, received {len(names)}")
    elif order is None:
        _check_kinds_differ(list(targets), list(owners), where)
        order = list(range(len(targets)))
    found = []
    for leaf, number in zip(targets, order, strict=True):
        found += _of_one_layer(leaf, stored[number], where)
    return sorted(found, key=lambda pair: pair[1])


def _counterparts(wanted: list[Path], stored: list[Path]) -> list[int] | None:
    if len(wanted) == len(stored) == 1:  # of one layer with any name
        return [0]
    order = counterparts(*([path[-1:] for path in paths] for paths in (wanted, stored)))
    return counterparts(wanted, stored) if order is None else order


def _of_one_name(wanted: list[Path], stored: list[Path]) -> list[int] | None:
    """Return the counterparts of layers some of which share a name and a counterpart."""
    names = list(dict.fromkeys(path[-1:] for path in wanted))
    order = counterparts(names, [path[-1:] for path in stored])
    if order is None or len(names) == len(wanted):
        return None
    return [order[names.index(path[-1:])] for path in wanted]


def _check_kinds_differ(targets: list[Layer], owners: list[Path], where: str) -> None:
    """Raise Mismatch if layers with other names than in the file could be exchanged undetected."""
    kinds = [
        sorted((name, variable.shape) for name, variable in distinct_names(leaf.weights).items())
        for leaf in targets
    ]
    if len(targets) != len(owners) or any(kinds.count(kind) > 1 for kind in kinds):
        raise Mismatch(
            f"{where} has layers of other names than the model, some of which are alike, so that "
            f"nothing tells which is which; expected {[leaf.name for leaf in targets][:20]}, "
            f"received {['/'.join(path) for path in owners][:20]}"
        )


def _of_one_layer(leaf: Layer, stored: dict[str, int], where: str) -> list[tuple[Variable, int]]:
    """Return the weights of a layer that is not a model, each with its position in the file."""
    mine = distinct_names(leaf.weights)
    if mine.keys() == stored.keys():
        return [(variable, stored[name]) for name, variable in mine.items()]
    # Older versions of Keras had other names for some; unchanged names must be at their positions.
    names = {variable: name for name, variable in mine.items()}
    ordered = {names[variable]: variable for variable in in_file_order(leaf)}
    if len(ordered) != len(stored) or any(
        a != b and (a in stored or b in ordered) for a, b in zip(ordered, stored, strict=True)
    ):
        raise Mismatch(
            f"{where} must hold {list(ordered)} of layer {leaf.name!r}, received {list(stored)}"
        )
    return list(zip(ordered.values(), stored.values(), strict=True))
