"""Keras's older format for a whole model: one HDF5 file, which ends in `.h5`, `.hdf5` or `.hdf`.

attribute model_config        the layers, as JSON; class names without their modules; files of
                              Keras 2 have it in their own form (`fastconv.models.keras2`)
attribute training_config     what `compile` was given
attribute keras_version       who has written it
/model_weights                attribute layer_names
    /conv2d                   attribute weight_names: paths below this group
        /conv2d/kernel        trainable weights first
/optimizer_weights            attribute weight_names, in the order of `optimizer.variables`, or
                              in that of Keras 2 (`fastconv.saving.keras2_optimizer`)
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from fastconv.errors import FormatError
from fastconv.models import keras2
from fastconv.parsing import parsing
from fastconv.saving import global_heap, keras2_optimizer, model_file
from fastconv.saving.assigning import assign, checked_optimizer, optimizer_shapes, skipping
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

if TYPE_CHECKING:
    import h5py

    from fastconv.parameters import Variable

_WEIGHTS, _OPTIMIZER = "model_weights", "optimizer_weights"


def write(model: Any, file: BinaryIO) -> None:
    """Write `model` into the open `file`."""
    import h5py

    described = model.description()
    with h5py.File(file, "w") as h5:
        h5.attrs["backend"], h5.attrs["keras_version"] = "fastconv", model_file.KERAS_VERSION
        h5.attrs["model_config"] = json.dumps(_without_modules(described))
        if model.compiled:
            training = dict(described["compile_config"])
            training["optimizer_config"] = _without_modules(training.pop("optimizer"))
            h5.attrs["training_config"] = json.dumps(training)
        weights = h5.create_group(_WEIGHTS)
        weights.attrs["backend"], weights.attrs["keras_version"] = "fastconv", "3"
        weights.attrs["layer_names"] = _names(layer.name for layer in model.layers)
        for layer in model.layers:
            arrays = {v.path: v._live for v in _legacy_order(layer)}
            _write_group(weights.create_group(layer.name), arrays)
        _write_group(weights.create_group("top_level_model_weights"), {})
        if model.compiled:
            name = model.optimizer.name
            arrays = {f"{name}/{each}": value for each, value in model.optimizer._live_variables()}
            _write_group(h5.create_group(_OPTIMIZER), arrays)


def is_one(file: BinaryIO, path: Path) -> bool:
    """Whether an open HDF5 file is in this format, with a model or weights alone."""
    with opened(file, path) as h5:
        marks = ("model_config", "layer_names", "layer_names0")
        return _WEIGHTS in h5 or any(mark in h5.attrs for mark in marks)


def load(file: BinaryIO, path: Path, compile: bool) -> Any:
    """The model in an open `.h5` file; FormatError if it is damaged or unsupported."""
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
    return model


def load_weights(
    model: Any, file: BinaryIO, path: Path, skip_mismatch: bool, by_name: bool
) -> None:
    """Fill the weights of `model` from an open `.h5` file, of a model or of weights alone."""
    global_heap.check(file, path)
    with opened(file, path) as h5:
        _checked_version(h5, path)
        _read(model, h5, path, skip_mismatch=skip_mismatch, by_name=by_name)


def _checked_version(h5: h5py.File, path: Path) -> str | None:
    """The version of Keras that has written the file; the first ones left none.

    FormatError for a newer one than is known here.
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
    layers = [layer for layer in model.layers if layer.weights]
    stored = {keras2.without_slash(name): name for name in weighted}
    if by_name:
        pairs = [(layer, stored[layer.name]) for layer in layers if layer.name in stored]
    elif new_model and set(stored) == {layer.name for layer in layers}:
        pairs = [(layer, stored[layer.name]) for layer in layers]
    elif len(layers) == len(weighted):
        pairs = list(zip(layers, weighted, strict=True))
    else:
        raise FormatError(
            f"{path}: must hold {len(layers)} layers with weights, received {len(weighted)}"
        )
    targets: list[Variable] = []
    sources: list[Dataset] = []
    stored_names: dict[Variable, str] = {}
    for layer, name in pairs:
        variables = _legacy_order(layer)
        with skipping(skip_mismatch, layer.name):
            shapes = [variable.shape for variable in variables]
            layer_group = group_at(group, name, path)
            sources += _group_datasets(layer_group, shapes, path)
            targets += variables
            weight_names = list_attribute(layer_group, "weight_names", path)
            stored_names |= zip(variables, weight_names, strict=True)
    restore = None
    if model.compiled and not by_name and child(h5, _OPTIMIZER, path) is not None:
        with skipping(skip_mismatch, "the optimizer"):
            restore = _optimizer(model, h5, stored_names, path)
    assign(model, targets, sources, new_model)
    if restore is not None:
        restore()


def _optimizer(
    model: Any, h5: h5py.File, stored_names: dict[Variable, str], path: Path
) -> Callable[[], None] | None:
    """What puts the state of the optimizer in place; None if there is nothing.

    `stored_names` are the names of the weights in the file.
    """
    group = group_at(h5, _OPTIMIZER, path)
    names = list_attribute(group, "weight_names", path)
    if not names:
        return None
    version = _checked_version(h5, path) or "1."
    # From Keras 3 on, the learning rate is the second number.
    second = [shape_at(group, name, path) for name in names[1:2]]
    if version.startswith(("1.", "2.")) and model.built and second != [()]:
        by_name = version.startswith(("1.", "2.0."))
        state = _keras2_state(model, group, names, stored_names if by_name else {}, path)
        return None if state is None else checked_optimizer(model, state, path)
    return checked_optimizer(
        model, _group_datasets(group, optimizer_shapes(model, len(names)), path), path
    )


def _keras2_state(
    model: Any, group: h5py.Group, names: list[str], stored_names: dict[Variable, str], path: Path
) -> list[Any] | None:
    """The state of the optimizer in a file of Keras 2, as `optimizer.variables` has it.

    None, with a warning, if it is not that of this optimizer: Keras 2 does the same.
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
        warnings.warn(
            f"{path}: the state of the optimizer is not that of {model.optimizer.name!r}, which "
            f"begins anew: {error}",
            stacklevel=7,
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


def _legacy_order(layer: Any) -> list[Variable]:
    return [*layer.trainable_weights, *layer.non_trainable_weights]


def _without_modules(description: Any) -> dict[str, Any]:
    """The description of a layer, model or optimizer as this format has it."""
    short = {k: v for k, v in description.items() if k in ("class_name", "config", "name")}
    if "inbound_nodes" in description:
        short["inbound_nodes"] = description["inbound_nodes"]
    config = description["config"]
    if isinstance(config.get("layers"), list):
        layers = [_without_modules(layer) for layer in config["layers"]]
        short["config"] = config | {"layers": layers}
    return short
