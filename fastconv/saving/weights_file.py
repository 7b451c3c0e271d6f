"""The numbers of a model as HDF5, in Keras's layout.

    /layers/conv2d/vars/0        kernel         one group per layer, named by its class and counted
    /layers/conv2d/vars/1        bias           in the order of the layers, whatever their names
    /layers/max_pooling2d/vars                  empty, for layers without weights
    /layers/sequential/layers/dense/vars/0      a model inside of the model
    /optimizer/vars/0            iteration
    /optimizer/vars/1            learning rate
    /optimizer/vars/2 ...        slots, if training has begun
    /vars                                       empty, for the model itself

Every `vars` has an attribute `name`. Weights are little-endian float32.

Reading (`fastconv.saving.hdf5`) looks only at what the model at hand needs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from fastconv.naming import numbered, snake_case
from fastconv.saving.assigning import assign, checked_optimizer, optimizer_shapes, skipping
from fastconv.saving.hdf5 import (
    Dataset,
    Mismatch,
    child,
    dataset_at,
    group_at,
    opened,
    write_dataset,
)
from fastconv.serialization import class_name

if TYPE_CHECKING:
    import h5py

    from fastconv.models import Model
    from fastconv.parameters import Variable


def write(model: Model, file: BinaryIO) -> None:
    """Write the HDF5 file of `model` into the open `file`."""
    import h5py

    with h5py.File(file, "w") as h5:
        for path, name, arrays in _groups(model):
            group = h5.create_group(f"{path}/vars" if path else "vars")
            group.attrs["name"] = name
            for index, array in enumerate(arrays):
                write_dataset(group, str(index), np.asarray(array))


def read(
    model: Model,
    file: BinaryIO,
    path: Path,
    *,
    skip_mismatch: bool = False,
    new_model: bool = False,
) -> None:
    """Fill the weights of `model`, and its optimizer if it is compiled, from an open HDF5 file.

    Everything is checked and read before the first weight is changed; FormatError otherwise. For a
    `new_model`, which nobody will see after an error, one weight is read after the other, so that
    at no moment the weights are in memory twice.

    With `skip_mismatch`, layers that do not fit are left as they are, with a warning.
    """
    with opened(file, path) as h5:
        sources, targets = [], []
        for layer_path, variables, name in _layer_paths(model):
            shapes = [variable.shape for variable in variables]
            with skipping(skip_mismatch, name):
                sources += _datasets(h5, layer_path, shapes, path)
                targets += variables
        restore = None
        with skipping(skip_mismatch, "the optimizer"):
            restore = _optimizer(model, h5, path)
        assign(model, targets, sources, new_model)
        if restore is not None:
            restore()


def _groups(model: Model) -> Iterator[tuple[str, str, list[np.ndarray]]]:
    """(path, attribute "name", arrays) of every group of variables."""
    yield "", model.name, []
    for path, variables, name in _layer_paths(model):
        yield path, name, [variable._live for variable in variables]
    if model.compiled:
        yield (
            "optimizer",
            model.optimizer.name,
            [array for _, array in model.optimizer._live_variables()],
        )


def _layer_paths(model: Model) -> Iterator[tuple[str, list[Variable], str]]:
    """(path, weights, name) of all layers; a layer that occurs again is passed over."""
    seen: set[Any] = set()

    def walk(model: Any, prefix: str) -> Iterator[tuple[str, list[Variable], str]]:
        counter: Counter[str] = Counter()
        for layer in model.layers:
            path = f"{prefix}layers/{numbered(snake_case(class_name(layer)), counter)}"
            if layer in seen:
                continue
            seen.add(layer)
            inner = hasattr(layer, "layers")
            yield path, [] if inner else layer.weights, layer.name
            if inner:
                yield from walk(layer, f"{path}/")

    return walk(model, "")


def _optimizer(model: Model, h5: h5py.File, path: Path) -> Callable[[], None] | None:
    """What restores the optimizer, if the model is compiled and the file has its state."""
    if not model.compiled or child(h5, "optimizer", path) is None:
        return None
    count = len(_variables(h5, "optimizer", path))
    if count == 0:
        return None
    shapes = optimizer_shapes(model, count)
    return checked_optimizer(model, _datasets(h5, "optimizer", shapes, path), path)


def _variables(h5: h5py.File, group_path: str, path: Path) -> h5py.Group:
    return group_at(h5, f"{group_path}/vars", path)


def _datasets(
    h5: h5py.File, group_path: str, shapes: list[tuple[int, ...]], path: Path
) -> list[Dataset]:
    """The datasets 0, 1, ... of a group of variables; there must be one for each of `shapes`."""
    group = _variables(h5, group_path, path)
    if len(group) != len(shapes):
        raise Mismatch(
            f"{path}: /{group_path} must hold {len(shapes)} variables, received {len(group)}"
        )
    return [dataset_at(group, str(index), shape, path) for index, shape in enumerate(shapes)]
