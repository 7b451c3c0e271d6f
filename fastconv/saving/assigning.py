"""From what a file holds into the weights of a model: what all formats share."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fastconv.errors import FormatError
from fastconv.saving.hdf5 import Dataset, Mismatch, same_elements

if TYPE_CHECKING:
    from fastconv.parameters import Variable


def assign(
    model: Any, targets: Sequence[Variable], sources: Sequence[Any], new_model: bool
) -> None:
    """Give `targets` the values of `sources`, which have the right shapes and may still have to be
    read; nothing is changed if reading fails, unless it is a `new_model`."""
    if not new_model:
        sources = [np.asarray(source) for source in sources]
    if model.built:
        model.parameters  # noqa: B018  (the weights get their place before their values)
    for variable, source in zip(targets, sources, strict=True):
        variable.assign(source)


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


def checked_optimizer(model: Any, sources: Sequence[Any], path: Path) -> Callable[[], None]:
    """A function that gives the optimizer of `model` the values of `sources`.

    They are read and checked now; FormatError if that fails.
    """
    optimizer, values = model.optimizer, [np.asarray(source) for source in sources]
    iteration, rate = values[0], 0.0 if optimizer.scheduled else values[1]
    if int(iteration) < 0 or not 0 <= float(rate) < np.inf:
        raise FormatError(
            f"{path}: iteration and learning rate must not be negative, "
            f"received {iteration} and {rate}"
        )
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
