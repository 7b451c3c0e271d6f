"""The weights of a model as a safetensors file, by paths that do not depend on the process.

    first/kernel                   a layer with an explicit name
    dense_1/kernel                 the second of the dense layers with automatic names, in the order
                                   of the layers, independent of its name
    encoder/conv2d/bias            a layer inside a model

Older files have the names of the layers in the writing process; automatic names then match by rank
(`fastconv.saving.matching`).
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from fastconv.common.naming import numbered
from fastconv.common.regular_file import ReadableFile
from fastconv.errors import FormatError
from fastconv.saving import safetensors_file
from fastconv.saving.assigning import assign, skipping
from fastconv.saving.hdf5 import Mismatch
from fastconv.saving.matching import counterparts, distinct_names, is_counted, leaves, prefix_of

if TYPE_CHECKING:
    from fastconv.layers.base import Layer
    from fastconv.parameters import Variable

_FORMAT_OF_ANY_VERSION = "fastconv-weights-"
_FORMAT, _FIRST_FORMAT, _CHECKSUM = f"{_FORMAT_OF_ANY_VERSION}2", "fastconv", "sha256"


def write(model: Any, file: BinaryIO) -> None:
    """Write the weights of `model` to the open `file`."""
    arrays = {path: variable._live for path, variable in weight_paths(model).items()}
    metadata = {"format": _FORMAT, _CHECKSUM: safetensors_file.checksum(_FORMAT, arrays)}
    safetensors_file.write(file, arrays, metadata)


def weight_paths(model: Any) -> dict[str, Variable]:
    """Return the weights of `model` by paths that are the same whenever the same code builds it.

    >>> from fastconv import layers, models
    >>> layers.Dense(2).name != layers.Dense(2).name
    True
    >>> inner = models.Sequential([layers.Input((2,)), layers.Dense(2)], name="inner")
    >>> model = models.Sequential([layers.Input((2,)), layers.Dense(2), inner, layers.Dense(2)])
    >>> [path for path in weight_paths(model) if path.endswith("kernel")]
    ['dense/kernel', 'inner/dense/kernel', 'dense_1/kernel']
    """
    paths: dict[str, Variable] = {}
    seen: set[Layer] = set()

    def walk(model: Any, above: str) -> None:
        own = distinct_names(model.own_weights)
        paths.update({f"{above}{name}": variable for name, variable in own.items()})
        layers = dict.fromkeys(model.layers)
        typed = {layer.name for layer in layers if not is_counted(layer.name, prefix_of(layer))}
        counter: Counter[str] = Counter()
        for layer in layers:
            name = layer.name
            if name not in typed:
                name = numbered(prefix_of(layer), counter)
                while name in typed:  # equals the name of a layer of another class
                    name = numbered(prefix_of(layer), counter)
            if layer in seen:
                continue
            seen.add(layer)
            if hasattr(layer, "layers"):
                walk(layer, f"{above}{name}/")
            else:
                own = distinct_names(layer.weights)
                paths.update({f"{above}{name}/{k}": variable for k, variable in own.items()})

    walk(model, "")
    return paths


def read(model: Any, file: ReadableFile, path: Path, skip_mismatch: bool) -> None:
    """Load the weights of `model`; FormatError, without changing anything, if the file is damaged
    or does not contain exactly these weights."""
    reader = safetensors_file.Reader(file, path)
    written_as = reader.metadata.get("format", "")
    if written_as.startswith(_FORMAT_OF_ANY_VERSION) and written_as != _FORMAT:
        raise FormatError(f"{path}: `format` {written_as!r} is newer than known; upgrade fastconv")
    targets = _targets(model, reader, written_as)
    chosen = []
    with skipping(skip_mismatch, "weights that only one side has"):
        if targets.keys() != reader.entries.keys():
            missing, extra = targets.keys() - reader.entries, reader.entries.keys() - targets
            raise Mismatch(
                f"{path}: must hold the weights of {model.name!r}; "
                f"missing are {sorted(missing)[:10]}, too many are {sorted(extra)[:10]}"
            )
    for name in targets.keys() & reader.entries.keys():
        wanted, entry = targets[name].shape, reader.entries[name]
        with skipping(skip_mismatch, name):
            if entry.shape != wanted:
                raise Mismatch(f"{path}: {name} must have shape {wanted}, received {entry.shape}")
            if entry.dtype.kind not in "iuf":
                raise FormatError(f"{path}: {name} must hold numbers, received {entry.dtype}")
            chosen.append(name)
    arrays = {name: reader.read(name) for name in reader.entries}
    stored = reader.metadata.get(_CHECKSUM)
    if (stored is not None or written_as in (_FORMAT, _FIRST_FORMAT)) and (
        stored != safetensors_file.checksum(written_as or _FIRST_FORMAT, arrays)
    ):
        raise FormatError(f"{path}: the checksum is wrong, so the file is damaged")
    assign(model, [targets[name] for name in chosen], [arrays[name] for name in chosen], False)


def _targets(model: Any, reader: safetensors_file.Reader, written_as: str) -> dict[str, Variable]:
    """Return the weights of `model` by their actual or expected names in the file."""
    current = weight_paths(model)
    if written_as == _FORMAT:
        return current
    with_names = _by_names_in(model, list(reader.entries))
    # Files of other writers use the names of these files, or those of this model.
    known = [with_names] if written_as == _FIRST_FORMAT else [current, with_names]
    return max(known, key=lambda targets: len(targets.keys() & reader.entries.keys()))


def _by_names_in(model: Any, names: list[str]) -> dict[str, Variable]:
    """Return the weights of `model` by their layers' names, or those of equal rank in `names`."""
    paths = leaves(model)
    owners = list(dict.fromkeys(name.rpartition("/")[0] for name in names))
    order = counterparts([path[-1:] for path in paths.values()], [(owner,) for owner in owners])
    result = {}
    for place, leaf in enumerate(paths):
        owner = leaf.name if order is None else owners[order[place]]
        result |= {f"{owner}/{variable.name}": variable for variable in leaf.weights}
    return result
