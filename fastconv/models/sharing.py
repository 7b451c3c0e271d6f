"""Describes shared layers, and restores the sharing when a description is read.

Each model lists all of its layers, so a layer of several models, or one that occurs several times
in a chain, is described several times. Such descriptions of one object have two more entries:

    "shared_object_id": 1    the same number in all of them, as in Keras's files
    "calls_before": 2        number of calls of the layer before those of this model, if
                             descriptions are read in order and a repeated one creates no layer

Keras's reader numbers the calls of a layer over all models, but its writer within each model, so
Keras cannot read its own files of shared layers. Files of fastconv number calls from `calls_before`
on, which Keras's reader interprets correctly; without that entry, from 0.

Keras's writer also loses the number of an object's first description if the model that contains it
is complete before the second description. `Reading` restores it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from fastconv.layers.base import Layer
from fastconv.serialization import SHARING_ENTRIES

_ID, _BEFORE = SHARING_ENTRIES


class Writing:
    """The entries on sharing in the descriptions of the layers of `model`, at any depth.

    `continued`: whether calls are numbered from `calls_before` on.
    """

    def __init__(self, model: Any, continued: bool):
        self._continued = continued
        self._ids: dict[Layer, int] = {}
        self._before: dict[tuple[Any, Layer], int] = {}
        self._made: Counter[Layer] = Counter()
        if not model.is_traced:
            self._visit(model, {model})

    def _visit(self, model: Any, seen: set[Layer]) -> None:
        entries = model.entries
        for place, layer in enumerate(entries):
            if layer in seen:
                self._ids.setdefault(layer, len(self._ids) + 1)
            else:
                seen.add(layer)
                if layer.is_model and not layer.is_traced:
                    self._visit(layer, seen)
            if model.is_chain:
                self._before.setdefault((model, layer), self._made[layer])
                if model.built:  # Keras calls all layers again for every layer added
                    self._made.update(entries[1 : place + 1])
        if not model.is_chain:
            self._count_calls(model, entries)

    def _count_calls(self, model: Any, entries: list[Layer]) -> None:
        for layer in entries:
            self._before[model, layer] = self._made[layer]
            self._made[layer] += sum(bool(call.inputs) for call in model.network.calls_of(layer))

    def first_number(self, model: Any, layer: Layer) -> int:
        """Return the number of the first call of `layer` by `model`."""
        return self._before[model, layer] if self._continued else 0

    def entries(self, model: Any, layer: Layer) -> dict[str, int]:
        """Return the entries on sharing for `layer` within `model`; empty if it is not shared."""
        if layer not in self._ids:
            return {}
        return {_ID: self._ids[layer], _BEFORE: self.first_number(model, layer)}


class Reading:
    """The shared layers created so far while a model is created from its `config`."""

    def __init__(self, config: Any):
        self._layers: dict[int | str, tuple[Any, Layer]] = {}
        self._lost = _lost_ids(config)

    def find(self, description: Any) -> Layer | None:
        """Return the layer of another description of the same object; None without one.

        ValueError if the two descriptions differ.
        """
        key = self._key(description)
        if key is None or key not in self._layers:
            return None
        first, layer = self._layers[key]
        if _essence(first) != _essence(description):
            raise ValueError(
                f"descriptions of one shared layer must be equal, those with {_ID} {key!r} differ: "
                f"{str(first)[:200]} and {str(description)[:200]}"
            )
        return layer

    def add(self, description: Any, layer: Layer) -> None:
        """Record the layer of `description` for other descriptions of the same object."""
        key = self._key(description)
        if key is not None:
            self._layers[key] = description, layer

    def _key(self, description: Any) -> int | str | None:
        key = _id_of(description)
        return self._lost.get(id(description)) if key is None else key


def first_number(description: dict[str, Any]) -> int:
    """Return the number of the first call of a layer in the model of this description."""
    before = description.get(_BEFORE, 0)
    if type(before) is not int or before < 0:
        raise ValueError(f"`{_BEFORE}` must be an integer of at least 0, received {before!r}")
    return before


def _id_of(description: Any) -> int | str | None:
    key = description.get(_ID) if isinstance(description, dict) else None
    if key is not None and type(key) not in (int, str):
        raise ValueError(f"`{_ID}` must be an integer or a string, received {str(key)[:100]}")
    return key


def _essence(description: dict[str, Any]) -> Any:
    """Return a description without its entries on sharing."""

    def bare(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: bare(v) for k, v in value.items() if k not in (_ID, _BEFORE)}
        return [bare(each) for each in value] if isinstance(value, (list, tuple)) else value

    return description.get("class_name"), bare(description.get("config"))


def _lost_ids(config: Any) -> dict[int, int | str]:
    """Return the lost ids: those of descriptions without an id whose object has one elsewhere, by
    the `id()` of the description.

    Keras loses the id of a first description if the enclosing model is complete before the second
    description is written; the second one is then the first with the id.
    """
    listed: list[tuple[dict[str, Any], tuple[int, ...]]] = []  # with the ids of the models around

    def walk(config: Any, around: tuple[int, ...]) -> None:
        entries = config.get("layers") if isinstance(config, dict) else None
        for entry in entries if isinstance(entries, list) else []:
            if isinstance(entry, dict):
                listed.append((entry, around))
                walk(entry.get("config"), (*around, id(entry)))

    walk(config, ())
    places: dict[int | str, list[int]] = {}
    for place, (entry, _) in enumerate(listed):
        key = _id_of(entry)
        if key is not None:
            places.setdefault(key, []).append(place)
    lost: dict[int, int | str] = {}
    for key, (place, *others) in places.items():
        entry, around = listed[place]
        # The second description causes the id of the first, if it was written early enough.
        if _BEFORE in entry or (others and listed[others[0]][1][: len(around)] == around):
            continue
        essence = _essence(entry)
        equal = [
            id(other)
            for other, _ in listed[:place]
            if _id_of(other) is None and _essence(other) == essence
        ]
        if len(equal) > 1:
            name = str(entry.get("config", {}).get("name"))[:100]
            raise ValueError(
                f"the shared layer {name!r} may be any of {len(equal)} layers before it that are "
                "described like it"
            )
        lost.update(dict.fromkeys(equal, key))
    return lost


_writing: ContextVar[Writing | None] = ContextVar("_writing", default=None)
_reading: ContextVar[Reading | None] = ContextVar("_reading", default=None)


@contextmanager
def writing(model: Any, continued: bool = True) -> Iterator[Writing]:
    """Provide the sharing entries while `model` is described, alone or within another model."""
    if (outer := _writing.get()) is not None:
        yield outer
        return
    made = Writing(model, continued)
    token = _writing.set(made)
    try:
        yield made
    finally:
        _writing.reset(token)


@contextmanager
def apart() -> Iterator[None]:
    """In this block, described or created models share no layers with models outside: for the
    contents of a layer that is not a model."""
    tokens = _writing.set(None), _reading.set(None)
    try:
        yield
    finally:
        _writing.reset(tokens[0])
        _reading.reset(tokens[1])


@contextmanager
def reading(config: Any) -> Iterator[Reading]:
    """Provide the shared layers while a model is created from `config`, alone or within another."""
    if (outer := _reading.get()) is not None:
        yield outer
        return
    made = Reading(config)
    token = _reading.set(made)
    try:
        yield made
    finally:
        _reading.reset(token)
