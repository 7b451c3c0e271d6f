"""Keras's older format for a whole model: one HDF5 file with suffix `.h5`, `.hdf5` or `.hdf`.

attribute model_config        the layers, as JSON; class names without their modules; Keras 2 has
                              its own format (`fastconv.saving.keras2`); calls of shared layers are
                              numbered within each model, because Keras creates a layer from each
                              description here (`fastconv.models.sharing`)
attribute training_config     the arguments of `compile`
attribute keras_version       version of the writer
/model_weights                attribute layer_names
    /conv2d                   attribute weight_names: paths below this group
        /conv2d/kernel        see `fastconv.saving.legacy_names`
/optimizer_weights            attribute weight_names, in the order of `optimizer.variables`, or
                              in that of Keras 2 (`fastconv.saving.keras2_optimizer`)
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from fastconv.common.parsing import parsing
from fastconv.common.regular_file import ReadableFile
from fastconv.common.user_warnings import warn_user
from fastconv.errors import FormatError
from fastconv.saving import global_heap, keras2, keras2_optimizer, model_file
from fastconv.saving.assigning import (
    add_sources,
    assign,
    check_trained,
    checked_optimizer,
    optimizer_shapes,
    skipping,
    write_trained,
)
from fastconv.saving.hdf5 import (
    Dataset,
    Mismatch,
    child,
    dataset_at,
    group_at,
    list_attribute,
    opened,
    shape_at,
    text_attribute,
    write_dataset,
)
from fastconv.saving.legacy_names import named, names_of
from fastconv.saving.matching import by_rank, is_counted, namesakes, order_of, prefix_of
from fastconv.serialization import SHARING_ENTRIES, named_objects, plain

if TYPE_CHECKING:
    import h5py

    from fastconv.parameters import Variable

_WEIGHTS, _OPTIMIZER = "model_weights", "optimizer_weights"
_WRITER = "fastconv"
# Entries of the description of a layer in this format.
_KEPT = ("class_name", "config", "name", "inbound_nodes", *SHARING_ENTRIES)


def write(model: Any, file: BinaryIO, include_optimizer: bool) -> None:
    """Write `model` to the open `file`; ValueError for a class that defines `call`."""
    import h5py

    if model.is_traced:
        raise ValueError(
            f"the class {type(model).__name__} of {model.name!r} defines `call`, which `.h5` files "
            "cannot describe; save it to a `.keras` file"
        )

    with_training = model.compiled and include_optimizer

    with named_objects():
        described = json.loads(
            json.dumps(
                model.description(continued=False, compiled=include_optimizer), default=plain
            )
        )
    layers = list(dict.fromkeys(model.layers))
    with h5py.File(file, "w") as h5:
        h5.attrs["backend"], h5.attrs["keras_version"] = _WRITER, model_file.KERAS_VERSION
        h5.attrs["model_config"] = json.dumps(_without_modules(described))
        if with_training:
            training = dict(described["compile_config"])
            training["optimizer_config"] = _without_modules(training.pop("optimizer"))
            h5.attrs["training_config"] = json.dumps(_with_names(training))
        weights = h5.create_group(_WEIGHTS)
        weights.attrs["backend"], weights.attrs["keras_version"] = _WRITER, "3"
        weights.attrs["layer_names"] = _names(layer.name for layer in layers)
        for layer in layers:
            arrays = {name: variable._live for variable, name in names_of(layer).items()}
            _write_group(weights.create_group(layer.name), arrays)
        _write_group(weights.create_group("top_level_model_weights"), {})
        if with_training:
            name = model.optimizer.name
            arrays = {f"{name}/{each}": value for each, value in model.optimizer._live_variables()}
            group = h5.create_group(_OPTIMIZER)
            _write_group(group, arrays)
            stored = dict.fromkeys(variable for layer in layers for variable in names_of(layer))
            write_trained(model, list(stored), group)


def is_one(file: ReadableFile, path: Path) -> bool:
    """Return whether an open HDF5 file is in this format, with a model or only weights."""
    with opened(file, path) as h5:
        marks = ("model_config", "layer_names", "layer_names0")
        return _WEIGHTS in h5 or any(mark in h5.attrs for mark in marks)


def load(file: ReadableFile, path: Path, compile: bool) -> Any:
    """Return the model in an open `.h5` file; FormatError if it is damaged or unsupported."""
    global_heap.check(file, path)
    with opened(file, path) as h5:
        version = _checked_version(h5, path)
        config = text_attribute(h5, "model_config", path)
        if config is None:
            raise FormatError(f"{path}: holds no model, only weights; use load_weights")
        training = text_attribute(h5, "training_config", path) if compile else None
        with parsing(f"{path}: cannot make this model"):
            description = keras2.upgraded_model(
                model_file.parsed(config, path, "model_config"), version
            )
            if training is not None:
                description["compile_config"] = keras2.upgraded_training(
                    model_file.parsed(training, path, "training_config"),
                    keras2.output_names(description),
                )
        with model_file.made(description, path, compile) as model:
            _read(model, h5, path, new_model=True)
        if text_attribute(h5, "backend", path) != _WRITER:
            _warn_of_copies(model, path)
    return model


def _warn_of_copies(model: Any, path: Path) -> None:
    """Warn about layers that may have been one: Keras writes a layer shared by several models once
    per model, without marking it."""
    copies = {
        layer.name
        for layer, other in namesakes(model)
        if len(layer.weights) == len(other.weights)
        and all(
            np.array_equal(a._live, b._live, equal_nan=True)
            for a, b in zip(layer.weights, other.weights, strict=True)
        )
    }
    if copies:
        warn_user(
            f"{path}: {sorted(copies)} occur several times with equal weights; if they were one "
            "shared layer, they are separate ones now, since this format does not tell. `.keras` "
            "files do"
        )


def load_weights(
    model: Any, file: ReadableFile, path: Path, skip_mismatch: bool, by_name: bool
) -> None:
    """Load the weights of `model` from an open `.h5` file, of a model or of weights only."""
    global_heap.check(file, path)
    with opened(file, path) as h5:
        _checked_version(h5, path)
        _read(model, h5, path, skip_mismatch=skip_mismatch, by_name=by_name)


def _checked_version(h5: h5py.File, path: Path) -> str | None:
    """Return the version of Keras that wrote the file, None if absent as in the first versions.

    FormatError for an unsupported newer version.
    """
    version = text_attribute(h5, "keras_version", path)
    if version is not None:
        model_file.check_version(version, path, oldest=1)
    return version


def _read(
    model: Any,
    h5: h5py.File,
    path: Path,
    *,
    new_model: bool = False,
    skip_mismatch: bool = False,
    by_name: bool = False,
) -> None:
    group = group_at(h5, _WEIGHTS, path) if child(h5, _WEIGHTS, path) is not None else h5
    names = list_attribute(group, "layer_names", path)
    weighted = [
        name for name in names if list_attribute(group_at(group, name, path), "weight_names", path)
    ]
    layers = [layer for layer in dict.fromkeys(model.layers) if layer.weights]
    stored = {keras2.without_slash(name): name for name in weighted}
    if by_name:
        pairs = _pairs_by_name(layers, stored, path)
    elif new_model and set(stored) == {layer.name for layer in layers}:
        pairs = [(layer, stored[layer.name]) for layer in layers]
    elif len(layers) == len(weighted):
        wanted = [(layer.name, prefix_of(layer)) for layer in layers]
        order = order_of(wanted, list(map(keras2.without_slash, weighted)), path)
        pairs = [(layer, weighted[k]) for layer, k in zip(layers, order, strict=True)]
    else:
        raise FormatError(
            f"{path}: must hold {len(layers)} layers with weights, received {len(weighted)}"
        )
    pairs.sort(key=lambda pair: weighted.index(pair[1]))  # in the order of the file
    sources: dict[Variable, Dataset] = {}
    stored_names: dict[Variable, str] = {}
    for layer, name in pairs:
        with skipping(skip_mismatch, layer.name):
            layer_group = group_at(group, name, path)
            weight_names = list_attribute(layer_group, "weight_names", path)
            where = f"{path}: {layer_group.name}"
            meant = [
                (variable, weight_names[place])
                for variable, place in named(layer, weight_names, where, copies=new_model)
            ]
            found = [(v, dataset_at(layer_group, each, v.shape, path)) for v, each in meant]
            add_sources(sources, found, path)
            stored_names |= meant
    restore = None
    if model.compiled and not by_name and child(h5, _OPTIMIZER, path) is not None:
        with skipping(skip_mismatch, "the optimizer"):
            restore = _optimizer(model, h5, list(sources), stored_names, path)
    assign(model, list(sources), list(sources.values()), new_model)
    if restore is not None:
        restore()


def _pairs_by_name(layers: list[Any], stored: dict[str, str], path: Path) -> list[tuple[Any, str]]:
    """Return the layers that are also in the file, with the names of their groups; `stored` maps
    names of layers to those.

    Automatic names contain a counter of the process: they match those of the same rank among the
    layers of their class. Mismatch if no layer matches.
    """
    typed = {layer.name for layer in layers if not layer.name_is_counted}
    pairs = [(layer, stored[layer.name]) for layer in layers if layer.name in typed & stored.keys()]
    counted: dict[str, list[Any]] = {}
    for layer in layers:
        if layer.name_is_counted:
            counted.setdefault(prefix_of(layer), []).append(layer)
    for prefix, alike in counted.items():
        mine = by_rank(layer.name for layer in alike)
        there = by_rank(name for name in stored if name not in typed and is_counted(name, prefix))
        named_so = {rank: stored[name] for name, rank in there.items()}
        ranks = [mine[layer.name] for layer in alike]
        pairs += [
            (layer, named_so[rank])
            for layer, rank in zip(alike, ranks, strict=True)
            if rank in named_so
        ]
    if layers and not pairs:
        raise Mismatch(
            f"{path}: must hold some of the layers {[layer.name for layer in layers][:20]}, "
            f"received {list(stored)[:20]}"
        )
    return pairs


def _optimizer(
    model: Any,
    h5: h5py.File,
    stored: list[Variable],
    stored_names: dict[Variable, str],
    path: Path,
) -> Callable[[], None] | None:
    """Return a function that restores the optimizer's state; None if there is no state.

    `stored` are the weights in the order of the file, `stored_names` their names there.
    """
    group = group_at(h5, _OPTIMIZER, path)
    names = list_attribute(group, "weight_names", path)
    if not names:
        return None
    version = _checked_version(h5, path) or "1."
    # Since Keras 3, the learning rate is the second number.
    second = [shape_at(group, name, path) for name in names[1:2]]
    if version.startswith(("1.", "2.")) and model.built and second != [()]:
        by_name = version.startswith(("1.", "2.0."))
        state = _keras2_state(model, group, names, stored_names if by_name else {}, path)
        return None if state is None else checked_optimizer(model, state, path)
    shapes = optimizer_shapes(model, len(names))
    check_trained(model, len(shapes), stored, group, path)
    return checked_optimizer(model, _group_datasets(group, shapes, path), path)


def _keras2_state(
    model: Any, group: h5py.Group, names: list[str], stored_names: dict[Variable, str], path: Path
) -> list[Any] | None:
    """Return the state of the optimizer in a file of Keras 2, in the order of
    `optimizer.variables`.

    None, with a warning, if it belongs to another optimizer, as in Keras 2.
    """
    possible = keras2_optimizer.possible_shapes(model)
    shapes = [shape_at(group, name, path) for name in names]
    unknown = sorted(set(shapes) - possible)
    sources = [
        np.asarray(dataset_at(group, name, shape, path))
        for name, shape in zip(names, [] if unknown else shapes, strict=not unknown)
    ]
    try:
        if unknown:
            raise ValueError(f"it has arrays of shapes {unknown}")
        return keras2_optimizer.reordered(model, names, sources, stored_names)
    except ValueError as error:
        warn_user(
            f"{path}: the state of the optimizer is not that of {model.optimizer.name!r}, which "
            f"begins anew: {error}"
        )
        return None


def _group_datasets(group: h5py.Group, shapes: list[tuple[int, ...]], path: Path) -> list[Dataset]:
    names = list_attribute(group, "weight_names", path)
    if len(names) != len(shapes):
        raise Mismatch(
            f"{path}: {group.name} must hold {len(shapes)} weights, received {len(names)}"
        )
    return [dataset_at(group, name, shape, path) for name, shape in zip(names, shapes, strict=True)]


def _write_group(group: h5py.Group, arrays: dict[str, np.ndarray]) -> None:
    group.attrs["weight_names"] = _names(arrays)
    for name, array in arrays.items():
        write_dataset(group, name, np.asarray(array))


def _names(names: Any) -> np.ndarray:
    return np.array([name.encode() for name in names], dtype="S")


def _without_modules(description: Any) -> dict[str, Any]:
    """Return the description of a layer, model or optimizer in this format."""
    short = {k: v for k, v in description.items() if k in _KEPT}
    if ">" in (description.get("registered_name") or ""):  # a package and a name
        short["class_name"] = description["registered_name"]
    config = description["config"]
    if isinstance(config.get("layers"), list):
        layers = [_without_modules(layer) for layer in config["layers"]]
        short["config"] = config | {"layers": layers}
    return short


def _with_names(training: Any) -> Any:
    """Return the arguments of `compile`, with functions by name only."""
    if isinstance(training, list):
        return [_with_names(each) for each in training]
    if not isinstance(training, dict):
        return training
    if training.get("class_name") == "function":
        return training["config"]
    return {key: _with_names(value) for key, value in training.items()}
