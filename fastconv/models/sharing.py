"""One layer in several places of a description, and one layer again when it is read.

Each model lists all of its layers, so that a layer that several models have, or that a chain has
several times, is described several times. Such descriptions of one object carry two more entries:

    "shared_object_id": 1    the same number in all of them, as in Keras's files
    "calls_before": 2        how often the layer has been called when this model begins to call it,
                             if descriptions are read in order, and a second one makes nothing

Keras's reader numbers the calls of a layer over all models, but its writer within each model, so
that it cannot read its own files of shared layers. Files of fastconv number calls from
`calls_before` on, which Keras's reader takes as they are meant; without that entry, from 0.

Keras's writer also loses the number of an object's first description if the model that has it is
complete before the second one comes. `Reading` finds those again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from fastconv.layers.base import Layer
from fastconv.models.model import Model

if TYPE_CHECKING:
    from fastconv.models.sequential import Sequential

ENTRIES = _ID, _BEFORE = "shared_object_id", "calls_before"


class Writing:
    """What the descriptions of the layers of `model`, however deep, say about sharing.

    `continued` tells whether calls are numbered from `calls_before` on.
    """

    def __init__(self, model: Model, continued: bool):
        self._continued = continued
        self._ids: dict[Layer, int] = {}
        self._before: dict[tuple[Model, Layer], int] = {}
        self._made: Counter[Layer] = Counter()
        self._visit(model, {model})

    def _visit(self, model: Model, seen: set[Layer]) -> None:
        entries = described_layers(model)
        is_chain = isinstance(model, _sequential())
        for place, layer in enumerate(entries):
            if layer in seen:
                self._ids.setdefault(layer, len(self._ids) + 1)
            else:
                seen.add(layer)
                if isinstance(layer, Model):
                    self._visit(layer, seen)
            if is_chain:
                self._before.setdefault((model, layer), self._made[layer])
                if model.built:  # Keras calls all of it anew with every layer that is added
                    self._made.update(entries[1 : place + 1])
        if not is_chain:
            self._count_calls(model, entries)

    def _count_calls(self, model: Model, entries: list[Layer]) -> None:
        for layer in entries:
            self._before[model, layer] = self._made[layer]
            self._made[layer] += sum(bool(call.inputs) for call in model.network.calls_of(layer))

    def first_number(self, model: Model, layer: Layer) -> int:
        """The number of the first call of `layer` by `model`."""
        return self._before[model, layer] if self._continued else 0

    def entries(self, model: Model, layer: Layer) -> dict[str, int]:
        """What the description of `layer` within `model` needs if it is shared, else nothing."""
        if layer not in self._ids:
            return {}
        return {_ID: self._ids[layer], _BEFORE: self.first_number(model, layer)}


def described_layers(model: Model) -> list[Layer]:
    """The layers that the description of `model` lists, inputs included, one perhaps repeatedly."""
    if isinstance(model, _sequential()):
        return model.entries
    return model.layers


def _sequential() -> type[Sequential]:
    from fastconv.models.sequential import Sequential

    return Sequential


class Reading:
    """The shared layers that have been made, while a model is made from its `config`."""

    def __init__(self, config: Any):
        self._layers: dict[int | str, tuple[Any, Layer]] = {}
        self._lost = _lost_ids(config)

    def known(self, description: Any) -> Layer | None:
        """The layer that was made from another description of the same object, if there is one.

        ValueError if the two descriptions say different things.
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

    def remember(self, description: Any, layer: Layer) -> None:
        """Keep the layer that was made from `description` for other descriptions of it."""
        key = self._key(description)
        if key is not None:
            self._layers[key] = description, layer

    def _key(self, description: Any) -> int | str | None:
        key = _id_of(description)
        return self._lost.get(id(description)) if key is None else key


def first_number(description: dict[str, Any]) -> int:
    """The number that the first call of a layer has in the model that describes it so."""
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
    """What a description says, but for who shares what."""

    def bare(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: bare(v) for k, v in value.items() if k not in (_ID, _BEFORE)}
        return [bare(each) for each in value] if isinstance(value, (list, tuple)) else value

    return description.get("class_name"), bare(description.get("config"))


def _lost_ids(config: Any) -> dict[int, int | str]:
    """The ids of descriptions that have none, but are about an object that has one elsewhere, by
    the `id()` of the description.

    Keras loses the id of a first description if the model around it is complete before the second
    description is written; then the second one is the first that has the id.
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
        # The second description is the reason for the id of the first, if it came early enough.
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


def namesakes(model: Model) -> list[tuple[Layer, Layer]]:
    """Pairs of layers with weights that are described alike, by one name, but are two objects.

    A description of Keras that has no ids may mean one shared layer by them.
    """
    first: dict[str, Layer] = {}
    pairs = []
    for layer in model.leaf_layers():
        other = first.setdefault(layer.name, layer)
        if layer is not other and layer.weights and layer.get_config() == other.get_config():
            pairs.append((other, layer))
    return pairs


_writing: ContextVar[Writing | None] = ContextVar("_writing", default=None)
_reading: ContextVar[Reading | None] = ContextVar("_reading", default=None)


@contextmanager
def writing(model: Model, continued: bool = True) -> Iterator[Writing]:
    """What is known about sharing while `model` is described, by itself or within another model."""
    if (outer := _writing.get()) is not None:
        yield outer
        return
    token = _writing.set(Writing(model, continued))
    try:
        yield _writing.get()
    finally:
        _writing.reset(token)


@contextmanager
def apart() -> Iterator[None]:
    """Inside of the block, models are described and made that share nothing with those outside:
    whatever a layer has that is no model itself."""
    tokens = _writing.set(None), _reading.set(None)
    try:
        yield
    finally:
        _writing.reset(tokens[0])
        _reading.reset(tokens[1])


@contextmanager
def reading(config: Any) -> Iterator[Reading]:
    """The shared layers while a model is made from `config`, by itself or within another model."""
    if (outer := _reading.get()) is not None:
        yield outer
        return
    token = _reading.set(Reading(config))
    try:
        yield _reading.get()
    finally:
        _reading.reset(token)
