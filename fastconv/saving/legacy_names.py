"""Names of weights in Keras's older `.h5` files: what they are, and whose.

The weights of a layer stand in one list, those of a model inside of the model too: first what
trains, then what does not. So the order depends on what was frozen when the file was written, and
names tell what is what:

    dense_3/kernel                      written here, and by Keras
    sequential_1/dense_3/kernel         by Keras, if the model was built without an Input
    dense_3/kernel:0                    by Keras 2
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from fastconv.saving.hdf5 import Mismatch
from fastconv.saving.matching import Path, counterparts, leaves, own_names

if TYPE_CHECKING:
    from fastconv.layers.base import Layer
    from fastconv.parameters import Variable


def in_file_order(layer: Layer) -> list[Variable]:
    """The weights of a layer or model as they are written."""
    return [*layer.trainable_weights, *layer.non_trainable_weights]


def names_of(layer: Layer) -> dict[Variable, str]:
    """The names to write the weights of a layer or model under, in the order of the file."""
    paths = leaves(layer)
    short = {leaf: path[-1:] for leaf, path in paths.items()}
    used = short if len(set(short.values())) == len(short) else paths
    names = {
        variable: "/".join((*used[leaf], name))
        for leaf in paths
        for name, variable in own_names(leaf).items()
    }
    return {variable: names[variable] for variable in in_file_order(layer)}


def named(
    layer: Layer, names: list[str], where: str, copies: bool = False
) -> list[tuple[Variable, int]]:
    """The weights of `layer` and which of `names` in a file means them, in the order of `names`.

    With `copies`, layers of one name may have the same weights in the file: then the model is made
    from that file, and Keras wrote a layer once that several models inside of `layer` share.

    Mismatch, which begins with `where`, if number or names do not fit, or names do not tell which
    of several alike is which.
    """
    owners: dict[Path, dict[str, int]] = {}  # paths of layers, and where their weights stand
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
        _check_places_tell(list(targets), list(owners), where)
        order = list(range(len(targets)))
    found = []
    for leaf, number in zip(targets, order, strict=True):
        found += _of_one_layer(leaf, stored[number], where)
    return sorted(found, key=lambda pair: pair[1])


def _counterparts(wanted: list[Path], stored: list[Path]) -> list[int] | None:
    if len(wanted) == len(stored) == 1:  # of one layer, whatever it is called
        return [0]
    order = counterparts(*([path[-1:] for path in paths] for paths in (wanted, stored)))
    return counterparts(wanted, stored) if order is None else order


def _of_one_name(wanted: list[Path], stored: list[Path]) -> list[int] | None:
    """The counterparts of layers some of which have one name, and one counterpart."""
    names = list(dict.fromkeys(path[-1:] for path in wanted))
    order = counterparts(names, [path[-1:] for path in stored])
    if order is None or len(names) == len(wanted):
        return None
    return [order[names.index(path[-1:])] for path in wanted]


def _check_places_tell(targets: list[Layer], owners: list[Path], where: str) -> None:
    """Mismatch if layers of other names than in the file could be exchanged unnoticed."""
    kinds = [
        sorted((name, variable.shape) for name, variable in own_names(leaf).items())
        for leaf in targets
    ]
    if len(targets) != len(owners) or any(kinds.count(kind) > 1 for kind in kinds):
        raise Mismatch(
            f"{where} has layers of other names than the model, some of which are alike, so that "
            f"nothing tells which is which; expected {[leaf.name for leaf in targets][:20]}, "
            f"received {['/'.join(path) for path in owners][:20]}"
        )


def _of_one_layer(leaf: Layer, stored: dict[str, int], where: str) -> list[tuple[Variable, int]]:
    """The weights of a layer that is no model, each with its place in the file."""
    mine = own_names(leaf)
    if mine.keys() == stored.keys():
        return [(variable, stored[name]) for name, variable in mine.items()]
    # Older versions of Keras had other names for some; those that stayed must be in their places.
    names = {variable: name for name, variable in mine.items()}
    ordered = {names[variable]: variable for variable in in_file_order(leaf)}
    if len(ordered) != len(stored) or any(
        a != b and (a in stored or b in ordered) for a, b in zip(ordered, stored, strict=True)
    ):
        raise Mismatch(
            f"{where} must hold {list(ordered)} of layer {leaf.name!r}, received {list(stored)}"
        )
    return list(zip(ordered.values(), stored.values(), strict=True))
