"""What `model.save`, `save_weights`, `load_weights` and `load_model` do: choose the format.

Files are written in the format of their suffix, and read in that of their content: Keras 2 models
are called `.h5`, `.hdf5`, `.hdf` or anything.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, BinaryIO

from fastconv.errors import FormatError
from fastconv.regular_file import open_regular
from fastconv.saving import legacy_file, model_file, tensor_weights, weights_file
from fastconv.saving.atomic import replacing

_KERAS, _LEGACY, _WEIGHTS, _TENSORS = ".keras", ".h5", ".weights.h5", ".safetensors"


def save_model(model: Any, filepath: str | os.PathLike, overwrite: bool = True) -> None:
    """Write layers, weights, and what `compile` was given with the state of training, to a file
    that `load_model` here and in Keras reads.

    Args:
        model: the model.
        filepath: ends in ".keras", or ".h5" for Keras's older format.
        overwrite: whether the file may exist.

    The file is replaced in one go: at any moment there is the old one or the new one.

    Raises:
        ValueError: another suffix.
        FileExistsError: the file exists and `overwrite` is False.
        OSError: it cannot be written; an old file is still there.
    """
    path, suffix = _checked(filepath, _KERAS, _LEGACY)
    _refuse_existing(path, overwrite)
    with replacing(path) as file:
        if suffix == _KERAS:
            model_file.write(model, file, path.parent)
        else:
            legacy_file.write(model, file)


def load_model(
    filepath: str | os.PathLike,
    custom_objects: dict[str, type] | None = None,
    compile: bool = True,
    safe_mode: bool = True,
) -> Any:
    """Read a model from a file that `save_model` or Keras has written.

    Args:
        filepath: a `.keras` file, or an HDF5 file (`.h5`, `.hdf5`) as Keras 1.2 to 3 wrote them;
            the content tells which.
        custom_objects: classes of your own that the file may name, by their names; so may it name
            those that `fastconv.saving.register_keras_serializable` has registered. No other
            class than these and those of fastconv is ever made.
        compile: also restore optimizer, loss and metrics, so that training can go on.
        safe_mode: must be True; code in files is never run.

    Raises:
        FormatError: the file is damaged, hostile, of a newer format, no regular file, or describes
            something that fastconv does not have.
        ValueError: `safe_mode` is False.
        TypeError: `custom_objects` are not classes by their names.
        MemoryError: the model is larger than the memory.
        OSError: it cannot be read.

    Errors in code of your own classes come as they are.
    """
    from fastconv.serialization import custom_classes

    if not safe_mode:
        raise ValueError(f"`safe_mode` must be True, received {safe_mode!r}")
    path = Path(os.fspath(filepath))
    with custom_classes(custom_objects), open_regular(path) as file:
        reader = model_file if _format(file, path) == _KERAS else legacy_file
        return reader.load(file, path, compile)


def save_weights(model: Any, filepath: str | os.PathLike, overwrite: bool = True) -> None:
    """Write the weights of `model` to a file, in one go (`fastconv.saving.atomic`).

    Args:
        model: the model, which must be built.
        filepath: ends in ".weights.h5", which also holds the state of the optimizer, or in
            ".safetensors", which holds the weights alone, by paths made of the names of layers
            (`dense/kernel`, `encoder/conv2d_1/bias`) that do not depend on what else the process
            has made.
        overwrite: whether the file may exist.

    Raises:
        ValueError: another suffix, or the model is not built.
        FileExistsError: the file exists and `overwrite` is False.
        OSError: it cannot be written; an old file is still there.
    """
    path, suffix = _checked(filepath, _WEIGHTS, _TENSORS)
    _refuse_existing(path, overwrite)
    if not model.built:
        raise ValueError(f"{model.name!r} has no weights to save before it is built")
    with replacing(path) as file:
        if suffix == _WEIGHTS:
            weights_file.write(model, file)
        else:
            tensor_weights.write(model, file)


def load_weights(
    model: Any,
    filepath: str | os.PathLike,
    skip_mismatch: bool = False,
    by_name: bool = False,
) -> None:
    """Read the weights of `model` from a file of a model with the same layers; the state of the
    optimizer too, if both have one.

    Layers have the order of the file, unless names that somebody typed tell another one; what was
    frozen does not matter. Weights that a file may have exchanged unnoticed are refused.

    Args:
        model: the model, which must be built.
        filepath: a file as `save_weights` or `save` writes them, or of Keras's older format
            (`.h5`, `.hdf5`); the content tells which.
        skip_mismatch: leave layers that do not fit as they are, with a warning.
        by_name: find layers by their names and not by their order; only for the older format.
            Names that nobody typed are those of the same rank among the layers of their class.
            Layers without a counterpart stay as they are, but one there must be.

    Raises:
        FormatError: the file is damaged, no regular file or does not fit the model, which is
            unchanged then.
        ValueError: the model is not built, or `by_name` is for another format.
        OSError: it cannot be read.
    """
    path = Path(os.fspath(filepath))
    if not model.built:
        raise ValueError(f"{model.name!r} must be built before weights can be loaded into it")
    with open_regular(path) as file:
        form = _format(file, path)
        if by_name and form != _LEGACY:
            raise ValueError(f"`by_name` is for {_LEGACY!r} files, received {str(path)!r}")
        if form == _LEGACY:
            legacy_file.load_weights(model, file, path, skip_mismatch, by_name)
        elif form == _TENSORS:
            tensor_weights.read(model, file, path, skip_mismatch)
        elif form == _KERAS:
            weights = model_file.weights_of(file, path)
            weights_file.read(model, weights, path, skip_mismatch=skip_mismatch)
        else:
            weights_file.read(model, file, path, skip_mismatch=skip_mismatch)


def _format(file: BinaryIO, path: Path) -> str:
    """The format of an open file, as its usual suffix.

    The suffix decides where the first bytes do not, as in a file that is damaged there: whoever
    reads that format says what is wrong.
    """
    begin = file.read(9)
    file.seek(0)
    if begin.startswith(b"PK\x03\x04"):
        return _KERAS
    if begin.startswith(b"\x89HDF\r\n\x1a\n"):
        return _LEGACY if legacy_file.is_one(file, path) else _WEIGHTS
    if begin[8:] == b"{":
        return _TENSORS
    for suffix in (_KERAS, _TENSORS, _WEIGHTS, _LEGACY):
        if path.name.endswith(suffix):
            return suffix
    raise FormatError(
        f"{path}: must be a .keras file, an HDF5 file or a safetensors file, and begins as none"
    )


def _checked(filepath: str | os.PathLike, *suffixes: str) -> tuple[Path, str]:
    """`filepath` as a path, and which of `suffixes` it ends in; ValueError if none."""
    path = Path(os.fspath(filepath))
    found = [suffix for suffix in (_WEIGHTS, *suffixes) if path.name.endswith(suffix)]
    if not found or found[0] not in suffixes:
        raise ValueError(f"`filepath` must end in one of {suffixes}, received {str(path)!r}")
    return path, found[0]


def _refuse_existing(path: Path, overwrite: bool) -> None:
    if not overwrite and path.exists():
        raise FileExistsError(f"{path} exists and `overwrite` is False")
