"""The weights of a model as HDF5, in Keras's layout.

    /layers/conv2d/vars/0        kernel         one group per layer, named by its class and numbered
    /layers/conv2d/vars/1        bias           in the order of the layers, whatever their names
    /layers/max_pooling2d/vars                  empty, for layers without weights
    /layers/sequential/layers/dense/vars/0      a model inside the model
    /optimizer/vars/0            iteration
    /optimizer/vars/1            learning rate
    /optimizer/vars/2 ...        slots, if training has begun; attribute `trained`: their weights
    /vars                                       empty, for the model itself

    /layers/dense/scales/0       of a quantized kernel, which is int8: one scale per output channel

Every `vars` has an attribute `name`. Kernels of a model in bfloat16, and other weights of it whose
values are bfloat16, are 2 opaque bytes with the attribute `dtype` "bfloat16". All other
weights are little-endian float32. A layer that occurs several times is numbered each time; its
weights are stored at the first occurrence.

Reading (`fastconv.saving.hdf5`) ignores everything that the model does not need. Layers match by
position, except where their names give another order in the file (`fastconv.saving.matching`).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np

from fastconv.common.naming import numbered
from fastconv.common.regular_file import ReadableFile
from fastconv.errors import FormatError
from fastconv.plan.quantization import quantized_kernel
from fastconv.saving import global_heap
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
    Scaled,
    child,
    dataset_at,
    group_at,
    opened,
    shape_at,
    text_attribute,
    write_bfloat16,
    write_dataset,
)
from fastconv.saving.matching import order_of, prefix_of

if TYPE_CHECKING:
    import h5py

    from fastconv.layers.base import Layer
    from fastconv.parameters import Variable


def write(model: Any, file: BinaryIO, include_optimizer: bool = True) -> None:
    """Write the HDF5 file of `model` to the open `file`."""
    import h5py

    with_training = model.compiled and include_optimizer
    with h5py.File(file, "w") as h5:
        for path, name, arrays in _groups(model, with_training):
            group = h5.create_group(f"{path}/vars" if path else "vars")
            group.attrs["name"] = name
            for index, array in enumerate(arrays):
                if isinstance(array, _Integers):
                    write_dataset(group, str(index), array.values)
                    scales = h5.require_group(f"{path}/scales")
                    write_dataset(scales, str(index), array.scale)
                elif isinstance(array, _Halves):
                    write_bfloat16(group, str(index), array.values)
                else:
                    write_dataset(group, str(index), np.asarray(array))
        if with_training:
            stored = [
                v for place in _places(model, list) if not place.again for v in place.variables
            ]
            write_trained(model, stored, h5.require_group("optimizer/vars"))


def read(
    model: Any,
    file: ReadableFile,
    path: Path,
    *,
    skip_mismatch: bool = False,
    new_model: bool = False,
) -> None:
    """Load the weights of `model`, and its optimizer if it is compiled, from an open HDF5 file.

    Everything is checked and read before the first weight is changed; FormatError otherwise. In a
    `new_model`, which is discarded after an error, weights are read one at a time, so that they are
    never in memory twice.

    With `skip_mismatch`, layers that do not match are left unchanged, with a warning.
    """
    global_heap.check(file, path)
    with opened(file, path) as h5:
        sources: dict[Variable, Dataset] = {}
        for place in _places(model, lambda level: _in_order_of(h5, level, path)):
            shapes = [variable.shape for variable in place.variables]
            with skipping(skip_mismatch, place.name):
                if place.again and not _has_variables(h5, place.weights_path, path):
                    continue
                found = _datasets(h5, place.weights_path, shapes, path) if shapes else []
                add_sources(sources, list(zip(place.variables, found, strict=True)), path)
        restore = None
        with skipping(skip_mismatch, "the optimizer"):
            restore = _optimizer(model, h5, list(sources), path)
        assign(model, list(sources), list(sources.values()), new_model)
        if restore is not None:
            restore()


class _Integers(NamedTuple):
    """A kernel of a quantized model: int8, and a float32 scale per element of its last axis."""

    values: np.ndarray
    scale: np.ndarray


class _Halves(NamedTuple):
    """A weight of a model in bfloat16 whose values are all bfloat16."""

    values: np.ndarray


def _groups(model: Any, with_training: bool) -> Iterator[tuple[str, str, list[Any]]]:
    """Yield (path, attribute "name", arrays) of every group of variables."""
    quantization = getattr(model, "quantization", None) or {}

    in_bfloat16 = getattr(model, "compute_dtype", "float32") == "bfloat16"

    def stored(variable: Variable) -> Any:
        if variable.path not in quantization:
            values = variable._live
            exact = in_bfloat16 and values.ndim and not (values.view(np.uint32) & 0xFFFF).any()
            return _Halves(values) if exact else values
        return _Integers(*quantized_kernel(variable._live, quantization[variable.path].filters))

    if not model.is_traced:
        yield "", model.name, []
    for place in _places(model, list):
        if not place.again:
            if place.path != place.weights_path:
                yield place.path, place.name, []
            yield place.weights_path, place.name, [stored(v) for v in place.variables]
    if with_training:
        yield (
            "optimizer",
            model.optimizer.name,
            [array for _, array in model.optimizer._live_variables()],
        )


class _Place(NamedTuple):
    """A layer and the position of its weights; `again` if the layer has an earlier position."""

    path: str
    layer: Layer
    again: bool

    @property
    def name(self) -> str:
        return self.layer.name

    @property
    def weights_path(self) -> str:
        """The group of the weights: Keras keeps those of a recurrent layer in its cell."""
        return f"{self.path}/{self.layer.weights_group}".rstrip("/")

    @property
    def variables(self) -> list[Variable]:
        """The weights stored at this position: others are stored at the layers inside."""
        return self.layer.own_weights


def _places(model: Any, arranged: Callable[[list[_Place]], list[_Place]]) -> Iterator[_Place]:
    """Yield the positions of all layers, in the order of the file; `arranged` may permute the
    layers of one model."""
    seen: set[Layer] = set()

    def walk(layer: Any, prefix: str, again: bool) -> Iterator[_Place]:
        level = [
            _Place(f"{prefix}{path}", each, again or each in seen) for path, each in _inside(layer)
        ]
        for place in level if layer.is_traced else arranged(level):
            place = place._replace(again=place.again or place.layer in seen)
            seen.add(place.layer)
            yield place
            yield from walk(place.layer, f"{place.path}/", place.again)

    if model.is_traced:
        yield _Place("", model, False)
    yield from walk(model, "", False)


def _inside(layer: Any) -> list[tuple[str, Any]]:
    """Return the layers inside a layer, each with its path: those in the attributes of a traced
    one, in alphabetical order, private ones last. Models have the attribute `layers`."""
    counter: Counter[str] = Counter()
    found = [
        (f"layers/{numbered(prefix_of(each), counter)}", each)
        for each in getattr(layer, "layers", ())
    ]
    if not layer.is_traced:
        return found
    attributes = [*layer.sublayers.items(), *found]
    return sorted(attributes, key=lambda item: (item[0][0] == "_", item[0].split("/")[0]))


def _in_order_of(h5: h5py.File, level: list[_Place], path: Path) -> list[_Place]:
    """Return the positions of one model in a file, with the layers that its names denote."""
    heavy = [place for place in level if place.layer.weights and not place.again]
    stored = [_stored_name(h5, place.path, path) for place in heavy]
    wanted = [(place.name, prefix_of(place.layer)) for place in heavy]
    order = order_of(wanted, stored, path)
    moved = {
        heavy[k]: heavy[k]._replace(layer=place.layer)
        for place, k in zip(heavy, order, strict=True)
    }
    return [moved.get(place, place) for place in level]


def _stored_name(h5: h5py.File, group_path: str, path: Path) -> str | None:
    try:
        return text_attribute(_variables(h5, group_path, path), "name", path)
    except Mismatch:  # the group is missing, which reading it reports
        return None


def _has_variables(h5: h5py.File, group_path: str, path: Path) -> bool:
    try:
        return len(_variables(h5, group_path, path)) > 0
    except Mismatch:
        return False


def _optimizer(
    model: Any, h5: h5py.File, stored: list[Variable], path: Path
) -> Callable[[], None] | None:
    """Return a function that restores the optimizer, if the model is compiled and the file has its
    state.

    `stored` are the weights in the order of the file.
    """
    if not model.compiled or child(h5, "optimizer", path) is None:
        return None
    count = len(_variables(h5, "optimizer", path))
    if count == 0:
        return None
    shapes = optimizer_shapes(model, count)
    check_trained(model, len(shapes), stored, _variables(h5, "optimizer", path), path)
    return checked_optimizer(model, _datasets(h5, "optimizer", shapes, path), path)


def _variables(h5: h5py.File, group_path: str, path: Path) -> h5py.Group:
    return group_at(h5, f"{group_path}/vars".lstrip("/"), path)


def _datasets(
    h5: h5py.File, group_path: str, shapes: list[tuple[int, ...]], path: Path
) -> list[Dataset]:
    """Return the datasets 0, 1, ... of a group of variables; one for each of `shapes`."""
    group = _variables(h5, group_path, path)
    if len(group) != len(shapes):
        raise Mismatch(
            f"{path}: /{group_path} must hold {len(shapes)} variables, received {len(group)}"
        )
    scales = child(h5, f"{group_path}/scales".lstrip("/"), path) if group_path else None
    found: list[Any] = []
    for index, shape in enumerate(shapes):
        dataset = dataset_at(group, str(index), shape, path)
        if scales is not None and str(index) in scales:
            dataset = _scaled(h5, f"{group_path}/scales/{index}".lstrip("/"), dataset, path)
        found.append(dataset)
    return found


def _scaled(h5: h5py.File, name: str, integers: Dataset, path: Path) -> Scaled:
    """Return the kernel of `integers` times the scales in dataset `name`, which repeat."""
    (count,) = shape = shape_at(h5, name, path)[:1] or (0,)
    if count < 1 or math.prod(integers.shape) % count:
        raise FormatError(f"{path}: /{name} must have one scale per output channel")
    return Scaled(integers, dataset_at(h5, name, shape, path))
