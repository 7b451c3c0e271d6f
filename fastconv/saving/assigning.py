"""From what a file holds into the weights of a model: what all formats share."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fastconv.errors import FormatError
from fastconv.parsing import parsing
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
    """Give `targets` the values of `sources`, which have the right shapes and may still have to be
    read; nothing is changed if reading fails, unless it is a `new_model`."""
    if not new_model:
        pairs = zip(targets, sources, strict=True)
        sources = [as_float32(source, variable.path) for variable, source in pairs]
    if model.built:
        model.parameters  # noqa: B018  (the weights get their place before their values)
    for variable, source in zip(targets, sources, strict=True):
        variable.assign(as_float32(source, variable.path))


def as_float32(source: Any, what: str) -> np.ndarray:
    """`source`, which may still have to be read, as float32; FormatError if a finite number of
    `what` becomes infinite by that."""
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
    """Put what was `found` for the weights of a layer to `sources`.

    Mismatch, and nothing is put there, if a weight has other values there already: the model has
    one layer where the file has several.
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
    """The shapes of the variables of the optimizer of `model`, if a file has `count` of them: with
    slots or, if training has not begun, without."""
    shapes = model.optimizer.stored_shapes(None)
    if count > len(shapes) and model.built:
        shapes = model.optimizer.stored_shapes(model.parameters)
    return shapes


def write_trained(model: Any, stored: Sequence[Variable], group: h5py.Group) -> None:
    """Note at the `group` of an optimizer's state, if it has slots, which weights they belong to.

    `stored` are the weights of the model in the order of the file. Keras does not look at this.
    """
    if model.built and model.optimizer.built:
        trained = np.array(_trained(model, stored), np.int32)
        if trained.nbytes <= LARGEST_ATTRIBUTE:
            group.attrs[_TRAINED] = trained


def check_trained(
    model: Any, count: int, stored: Sequence[Variable], group: h5py.Group, path: Path
) -> None:
    """Mismatch if the `count` arrays of an optimizer's state belong to other weights than here.

    They do if layers stand in another order in the file, or others of them were frozen; the latter
    is known for files of fastconv alone. `stored` are the weights in the order of the file.
    """
    if count <= len(model.optimizer.stored_shapes(None)):  # there are no slots
        return
    here = _trained(model, stored)
    there = numbers_attribute(group, _TRAINED, path)
    if here != (sorted(here) if there is None else there) or -1 in here:
        raise Mismatch(
            f"{path}: the state of the optimizer must belong to the weights that are trained in "
            f"{model.name!r}, in their order; freeze the same layers, or compile after loading"
        )


def _trained(model: Any, stored: Sequence[Variable]) -> list[int]:
    """Where the weights that train are among those `stored`; -1 for nowhere."""
    places = {variable: place for place, variable in enumerate(stored)}
    return [places.get(v, -1) for v in model.parameters.variables if v.trainable]


def checked_optimizer(model: Any, sources: Sequence[Any], path: Path) -> Callable[[], None]:
    """A function that gives the optimizer of `model` the values of `sources`.

    They are read and checked now; FormatError if that fails.
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
    """Turns a Mismatch inside of the block into a warning that `what` was skipped, if wanted."""
    try:
        yield
    except Mismatch as error:
        if not skip_mismatch:
            raise
        warnings.warn(f"skipped {what}, which does not fit: {error}", stacklevel=5)
