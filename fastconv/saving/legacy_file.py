"""Keras's older format for a whole model: one HDF5 file that ends in `.h5`.

attribute model_config        the layers, as JSON; class names without their modules
attribute training_config     what `compile` was given
attribute keras_version       who has written it
/model_weights                attribute layer_names
    /conv2d                   attribute weight_names: paths below this group
        /conv2d/kernel        trainable weights first
/optimizer_weights            attribute weight_names, in the order of `optimizer.variables`
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from fastconv.errors import FormatError
from fastconv.saving import global_heap, model_file
from fastconv.saving.assigning import assign, checked_optimizer, optimizer_shapes, skipping
from fastconv.saving.hdf5 import (
    Dataset,
    Mismatch,
    child,
    dataset_at,
    group_at,
    list_attribute,
    opened,
    text_attribute,
    write_dataset,
)

if TYPE_CHECKING:
    import h5py

    from fastconv.parameters import Variable

_WEIGHTS, _OPTIMIZER = "model_weights", "optimizer_weights"
_MODELS = ("Sequential", "Functional", "Model")


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


def load(file: BinaryIO, path: Path, compile: bool) -> Any:
    """The model in an open `.h5` file; FormatError if it is damaged or unsupported."""
    global_heap.check(file, path)
    with opened(file, path) as h5:
        _check_version(h5, path)
        config = text_attribute(h5, "model_config", path)
        if config is None:
            raise FormatError(f"{path}: holds no model, only weights; use load_weights")
        description = _with_modules(model_file.parsed(config, path, "model_config"), "layers")
        training = text_attribute(h5, "training_config", path) if compile else None
        if training is not None:
            arguments = model_file.parsed(training, path, "training_config")
            arguments["optimizer"] = _with_module(
                arguments.pop("optimizer_config", None), "optimizers"
            )
            for name, kind in {"loss": "losses", "metrics": "metrics"}.items():
                arguments[name] = _with_module(arguments.get(name), kind)
            description["compile_config"] = arguments
        with model_file.made(description, path, compile) as model:
            _read(model, h5, path, new_model=True)
    return model


def load_weights(
    model: Any, file: BinaryIO, path: Path, skip_mismatch: bool, by_name: bool
) -> None:
    """Fill the weights of `model` from an open `.h5` file, of a model or of weights alone."""
    global_heap.check(file, path)
    with opened(file, path) as h5:
        _check_version(h5, path)
        _read(model, h5, path, skip_mismatch=skip_mismatch, by_name=by_name)


def _check_version(h5: h5py.File, path: Path) -> None:
    """FormatError if a newer Keras has written the file; the first ones left no version."""
    version = text_attribute(h5, "keras_version", path)
    if version is not None:
        model_file.check_version(version, path, oldest=1)


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
    if by_name:
        by = {layer.name: layer for layer in layers}
        pairs = [(by[name], name) for name in weighted if name in by]
    elif len(layers) == len(weighted):
        pairs = list(zip(layers, weighted, strict=True))
    else:
        raise FormatError(
            f"{path}: must hold {len(layers)} layers with weights, received {len(weighted)}"
        )
    targets: list[Variable] = []
    sources: list[Dataset] = []
    for layer, name in pairs:
        variables = _legacy_order(layer)
        with skipping(skip_mismatch, layer.name):
            shapes = [variable.shape for variable in variables]
            sources += _group_datasets(group_at(group, name, path), shapes, path)
            targets += variables
    restore = None
    if model.compiled and not by_name and child(h5, _OPTIMIZER, path) is not None:
        with skipping(skip_mismatch, "the optimizer"):
            restore = _optimizer(model, group_at(h5, _OPTIMIZER, path), path)
    assign(model, targets, sources, new_model)
    if restore is not None:
        restore()


def _optimizer(model: Any, group: h5py.Group, path: Path) -> Callable[[], None] | None:
    """What puts the state of the optimizer in place; None if there is nothing."""
    names = list_attribute(group, "weight_names", path)
    if not names:
        return None
    return checked_optimizer(
        model, _group_datasets(group, optimizer_shapes(model, len(names)), path), path
    )


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


def _with_modules(description: Any, kind: str) -> Any:
    """The description of a layer or model as `.keras` files have it."""
    if not isinstance(description, dict) or "module" in description:
        return description
    config = description.get("config")
    if description.get("class_name") in _MODELS and isinstance(config, dict):
        layers = config.get("layers")
        if isinstance(layers, list):
            config = config | {"layers": [_with_modules(layer, "layers") for layer in layers]}
        return description | {"module": "keras", "registered_name": None, "config": config}
    return _with_module(description, kind)


def _with_module(description: Any, kind: str) -> Any:
    """Descriptions of `kind` with their module, also within lists and dicts of them."""
    if isinstance(description, list):
        return [_with_module(each, kind) for each in description]
    if isinstance(description, dict) and "class_name" in description:
        return {"module": f"keras.{kind}", "registered_name": None} | description
    return description
