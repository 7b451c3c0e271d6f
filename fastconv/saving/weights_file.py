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

Reading looks only at what the model at hand needs: each dataset must be there by a hard link, lie
whole and uncompressed inside the file, and have exactly the shape of the weight. So nothing that a
file declares can make the reader allocate more than the model has.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from fastconv.errors import FormatError
from fastconv.naming import numbered, snake_case
from fastconv.saving.atomic import replacing
from fastconv.serialization import class_name

if TYPE_CHECKING:
    import h5py

    from fastconv.models import Model
    from fastconv.parameters import Variable

SUFFIX = ".weights.h5"


def save_weights(model: Model, filepath: str | os.PathLike, overwrite: bool = True) -> None:
    """Write the weights of `model`, and the state of its optimizer, to a `.weights.h5` file.

    The file is replaced in one go (`fastconv.saving.atomic`).

    Raises:
        ValueError: another suffix, or the model is not built.
        FileExistsError: the file exists and `overwrite` is False.
        OSError: it cannot be written; an old file is still there.
    """
    path = checked_path(filepath, SUFFIX)
    refuse_existing(path, overwrite)
    if not model.built:
        raise ValueError(f"{model.name!r} has no weights to save before it is built")
    with replacing(path) as file:
        write(model, file)


def load_weights(model: Model, filepath: str | os.PathLike) -> None:
    """Read the weights of `model` from a `.weights.h5` or `.keras` file of a model with the same
    layers; the state of the optimizer too, if both have one.

    Raises:
        FormatError: the file is damaged or does not fit the model, which is unchanged then.
        ValueError: another suffix, or the model is not built.
        OSError: it cannot be read.
    """
    path = Path(os.fspath(filepath))
    if not model.built:
        raise ValueError(f"{model.name!r} must be built before weights can be loaded into it")
    if path.suffix == ".keras":
        from fastconv.saving.model_file import weights_of

        with path.open("rb") as archive:
            read(model, weights_of(archive, path), path)
        return
    with checked_path(path, SUFFIX).open("rb") as file:
        read(model, file, path)


def write(model: Model, file: BinaryIO) -> None:
    """Write the HDF5 file of `model` into the open `file`."""
    import h5py

    with h5py.File(file, "w") as h5:
        for path, name, arrays in _groups(model):
            group = h5.create_group(f"{path}/vars" if path else "vars")
            group.attrs["name"] = name
            for index, array in enumerate(arrays):
                group.create_dataset(str(index), data=array)


def read(model: Model, file: BinaryIO, path: Path) -> None:
    """Fill the weights of `model`, and its optimizer if it is compiled, from an open HDF5 file.

    Everything is read and checked before the first weight is changed; FormatError otherwise.
    """
    with _opened(file, path) as h5:
        sources, targets = [], []
        for layer_path, variables, _ in _layer_paths(model):
            shapes = [variable.shape for variable in variables]
            sources += _datasets(h5, layer_path, shapes, path)
            targets += variables
        arrays = [source[()] for source in sources]
        restored = _read_optimizer(model, h5, path)
    if model.built:
        model.parameters  # noqa: B018  (the weights get their place before their values)
    for variable, array in zip(targets, arrays, strict=True):
        variable.assign(array)
    if restored is not None:
        model.optimizer.load_variables(restored, model.parameters if model.built else None)


def _groups(model: Model) -> Iterator[tuple[str, str, list[np.ndarray]]]:
    """(path, attribute "name", arrays) of every group of variables."""
    yield "", model.name, []
    for path, variables, name in _layer_paths(model):
        yield path, name, [variable.numpy() for variable in variables]
    if model.compiled:
        yield (
            "optimizer",
            model.optimizer.name,
            [array for _, array in model.optimizer.variables],
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


def _read_optimizer(model: Model, h5: h5py.File, path: Path) -> list[np.ndarray] | None:
    """The optimizer's variables, if the model is compiled and the file has them."""
    if not model.compiled or _child(h5, "optimizer", path) is None:
        return None
    optimizer, count = model.optimizer, len(_variables(h5, "optimizer", path))
    if count == 0:
        return None
    shapes = optimizer.stored_shapes(None)
    if count > len(shapes) and model.built:
        shapes = optimizer.stored_shapes(model.parameters)
    values = [dataset[()] for dataset in _datasets(h5, "optimizer", shapes, path)]
    iteration, rate = values[0], 0.0 if optimizer.scheduled else values[1]
    if int(iteration) < 0 or not 0 <= float(rate) < np.inf:
        raise FormatError(
            f"{path}: iteration and learning rate must not be negative, "
            f"received {iteration} and {rate}"
        )
    return values


# ------------------------------------------------------------------------- reading without trust


@contextmanager
def _opened(file: BinaryIO, path: Path) -> Iterator[h5py.File]:
    """An open HDF5 file; whatever the library finds wrong with it is a FormatError."""
    import h5py

    try:
        with h5py.File(file, "r") as h5:
            yield h5
    except FormatError:
        raise
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        raise FormatError(f"{path}: not a readable HDF5 file: {error}") from error


def _child(group: h5py.Group, name: str, path: Path) -> Any | None:
    """The member `name` of `group`, None if there is none; links to elsewhere are refused."""
    import h5py

    link = group.get(name, getlink=True)
    if link is None:
        return None
    if not isinstance(link, h5py.HardLink):
        raise FormatError(f"{path}: {group.name}/{name} must not be a link to elsewhere")
    return group[name]


def _variables(h5: h5py.File, group_path: str, path: Path) -> h5py.Group:
    import h5py

    group = h5
    for name in (*group_path.split("/"), "vars"):
        group = _child(group, name, path)
        if not isinstance(group, h5py.Group):
            raise FormatError(f"{path}: there must be a group /{group_path}/vars")
    return group


def _datasets(
    h5: h5py.File, group_path: str, shapes: list[tuple[int, ...]], path: Path
) -> list[h5py.Dataset]:
    """The datasets 0, 1, ... of a group of variables; there must be one for each of `shapes`."""
    import h5py

    group = _variables(h5, group_path, path)
    if len(group) != len(shapes):
        raise FormatError(
            f"{path}: /{group_path} must hold {len(shapes)} variables, received {len(group)}"
        )
    datasets = []
    for index, shape in enumerate(shapes):
        dataset = _child(group, str(index), path)
        where = f"{path}: /{group_path}/vars/{index}"
        if not isinstance(dataset, h5py.Dataset):
            raise FormatError(f"{where} must be a dataset")
        if dataset.shape != shape:
            raise FormatError(f"{where} must have shape {shape}, received {dataset.shape}")
        if dataset.dtype.kind not in "iuf" or dataset.dtype.itemsize > 8:
            raise FormatError(f"{where} must hold numbers, received dtype {dataset.dtype}")
        properties = dataset.id.get_create_plist()
        inside = properties.get_layout() in (h5py.h5d.CONTIGUOUS, h5py.h5d.COMPACT)
        if not inside or properties.get_external_count() or properties.get_nfilters():
            raise FormatError(f"{where} must lie in the file as one uncompressed block")
        needed, stored = dataset.size * dataset.dtype.itemsize, dataset.id.get_storage_size()
        if stored != needed:
            raise FormatError(f"{where} must store {needed} bytes, received {stored}")
        datasets.append(dataset)
    return datasets


def checked_path(filepath: str | os.PathLike, suffix: str) -> Path:
    """`filepath` as a path that ends in `suffix`; ValueError otherwise."""
    path = Path(os.fspath(filepath))
    if not path.name.endswith(suffix):
        raise ValueError(f"`filepath` must end in {suffix!r}, received {str(path)!r}")
    return path


def refuse_existing(path: Path, overwrite: bool) -> None:
    if not overwrite and path.exists():
        raise FileExistsError(f"{path} exists and `overwrite` is False")
