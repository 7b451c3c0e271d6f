"""Assigns the contents of a file to the weights of a model, for all formats."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fastconv.common.parsing import parsing
from fastconv.errors import FormatError
from fastconv.saving.hdf5 import (
    LARGEST_ATTRIBUTE,
    Dataset,
    Mismatch,
    numbers_attribute,
    same_elements,
)

if TYPE_CHECKING:
    import h5py

    from fastconv.parameters import Variable

_TRAINED = "trained"


def assign(
    model: Any, targets: Sequence[Variable], sources: Sequence[Any], new_model: bool
) -> None:
    """Assign `sources` to `targets`. Shapes already match; sources may be read lazily. If reading
    fails, nothing is changed, except in a `new_model`."""
    if not new_model:
        pairs = zip(targets, sources, strict=True)
        sources = [as_float32(source, variable.path) for variable, source in pairs]
    if model.built:
        model.renew_parameters()  # allocates the weights before their values
    for variable, source in zip(targets, sources, strict=True):
        variable.assign(as_float32(source, variable.path))


def as_float32(source: Any, what: str) -> np.ndarray:
    """Return `source`, which may be read lazily, as float32; FormatError if the cast makes a finite
    number of `what` infinite."""
    array = np.asarray(source)
    if array.dtype == np.float32:
        return array
    with np.errstate(over="ignore"):
        values = array.astype(np.float32)
    if np.any(np.isinf(values) & np.isfinite(array)):
        raise FormatError(f"{what} must hold numbers that float32 has")
    return values


def add_sources(
    sources: dict[Variable, Dataset], found: Sequence[tuple[Variable, Dataset]], path: Path
) -> None:
    """Add the sources `found` for the weights of a layer to `sources`.

    Raises Mismatch, and adds nothing, if a weight already has a source with other values: the model
    has one layer where the file has several.
    """
    for variable, dataset in found:
        if variable in sources and not same_elements(sources[variable], dataset):
            raise Mismatch(
                f"{path}: must hold {variable.path} once more, since the model has one layer in "
                f"several places; received other values"
            )
    for variable, dataset in found:
        sources.setdefault(variable, dataset)


def optimizer_shapes(model: Any, count: int) -> list[tuple[int, ...]]:
    """Return the shapes of the variables of the optimizer of `model` if a file has `count` of them:
    with slots, or without slots if the file was written before the first training step."""
    shapes = model.optimizer.stored_shapes(None)
    if count > len(shapes) and model.built:
        shapes = model.optimizer.stored_shapes(model.parameters)
    return shapes


def write_trained(model: Any, stored: Sequence[Variable], group: h5py.Group) -> None:
    """Store at the `group` of an optimizer's state the weights that its slots belong to, if any.

    `stored` are the weights of the model in the order of the file. Keras ignores this attribute.
    """
    if model.built and model.optimizer.built:
        trained = np.array(_trained(model, stored), np.int32)
        if trained.nbytes <= LARGEST_ATTRIBUTE:
            group.attrs[_TRAINED] = trained


def check_trained(
    model: Any, count: int, stored: Sequence[Variable], group: h5py.Group, path: Path
) -> None:
    """Raise Mismatch if the `count` arrays of an optimizer's state belong to other weights.

    This is the case if the order of layers differs in the file, or other layers were frozen; the
    latter can be detected only in files of fastconv. `stored` are the weights in the order of the
    file.
    """
    if count <= len(model.optimizer.stored_shapes(None)):  # no slots
        return
    here = _trained(model, stored)
    there = numbers_attribute(group, _TRAINED, path)
    if there is None and not _has_traced(model):  # whose attributes are in alphabetical order
        there = sorted(here)
    if (there is not None and here != there) or -1 in here:
        raise Mismatch(
            f"{path}: the state of the optimizer must belong to the weights that are trained in "
            f"{model.name!r}, in their order; freeze the same layers, or compile after loading"
        )


def _has_traced(layer: Any) -> bool:
    return layer.is_traced or any(map(_has_traced, getattr(layer, "layers", ())))


def _trained(model: Any, stored: Sequence[Variable]) -> list[int]:
    """Return the indices in `stored` of the trainable weights; -1 if absent."""
    places = {variable: place for place, variable in enumerate(stored)}
    return [places.get(v, -1) for v in model.parameters.variables if v.trainable]


def checked_optimizer(model: Any, sources: Sequence[Any], path: Path) -> Callable[[], None]:
    """Return a function that assigns `sources` to the optimizer of `model`.

    Reads and checks them immediately; FormatError if that fails.
    """
    optimizer, values = model.optimizer, [np.asarray(source) for source in sources]
    iteration, rate = values[0], 0.0 if optimizer.scheduled else values[1]
    if not 0 <= float(iteration) < np.inf or not 0 <= float(rate) < np.inf:
        raise FormatError(
            f"{path}: iteration and learning rate must not be negative, "
            f"received {iteration} and {rate}"
        )
    with parsing(f"{path}: the state of the optimizer"):
        optimizer.checked_step(values)
    head = 1 if optimizer.scheduled else 2
    slots = [as_float32(value, f"{path}: a slot of the optimizer") for value in values[head:]]
    values = values[:head] + slots
    return lambda: optimizer.load_variables(values, model.parameters if model.built else None)


@contextmanager
def skipping(skip_mismatch: bool, what: str) -> Iterator[None]:
    """Turn a Mismatch in the block into a warning that `what` was skipped, if `skip_mismatch`."""
    try:
        yield
    except Mismatch as error:
        if not skip_mismatch:
            raise
        warnings.warn(f"skipped {what}, which does not fit: {error}", stacklevel=5)
