"""The weights of a model as a safetensors file: arrays by the paths of the weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO

from fastconv.errors import FormatError
from fastconv.saving import safetensors_file
from fastconv.saving.assigning import assign, skipping
from fastconv.saving.hdf5 import Mismatch

_FORMAT, _CHECKSUM = "fastconv", "sha256"


def write(model: Any, file: BinaryIO) -> None:
    """Write the weights of `model` into the open `file`; ValueError if two have one path."""
    arrays = {variable.path: variable._live for variable in model.weights}
    if len(arrays) != len(model.weights):
        raise ValueError(f"weights must have different paths, received {sorted(arrays)}")
    metadata = {"format": _FORMAT, _CHECKSUM: safetensors_file.checksum(_FORMAT, arrays)}
    safetensors_file.write(file, arrays, metadata)


def read(model: Any, file: BinaryIO, path: Path, skip_mismatch: bool) -> None:
    """Fill the weights of `model`; FormatError, and nothing is changed, if the file does not hold
    exactly them, or is damaged."""
    reader = safetensors_file.Reader(file, path)
    targets = {variable.path: variable for variable in model.weights}
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
    if (stored is not None or reader.metadata.get("format") == _FORMAT) and (
        stored != safetensors_file.checksum(_FORMAT, arrays)
    ):
        raise FormatError(f"{path}: the checksum is wrong, so the file is damaged")
    assign(model, [targets[name] for name in chosen], [arrays[name] for name in chosen], False)
