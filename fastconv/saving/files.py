"""`save_model`, `load_model`, `save_weights` and `load_weights`: choose the format.

A file is written in the format of its suffix, and read in that of its content: Keras 2 models may
have the suffix `.h5`, `.hdf5`, `.hdf` or any other.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from fastconv.common.regular_file import ReadableFile, open_regular
from fastconv.errors import FormatError
from fastconv.saving import legacy_file, model_file, tensor_weights, weights_file
from fastconv.saving.atomic import replacing
from fastconv.serialization import custom_classes

_KERAS, _LEGACY, _WEIGHTS, _TENSORS = ".keras", ".h5", ".weights.h5", ".safetensors"


def save_model(
    model: Any,
    filepath: str | os.PathLike[str],
    overwrite: bool = True,
    zipped: bool | None = None,
    include_optimizer: bool = True,
) -> None:
    """Save layers, weights, the arguments of `compile` and the state of training to a file that
    `load_model` here and in Keras reads.

    Args:
        model: the model.
        filepath: path that ends in ".keras", or ".h5" for Keras's older format.
        overwrite: whether an existing file may be replaced.
        zipped: None or True: a `.keras` file is one archive, not a folder.
        include_optimizer: whether to save the arguments of `compile` and the state of training.

    The file is replaced atomically.

    Raises:
        ValueError: an unsupported suffix, or `zipped=False`.
        FileExistsError: the file exists and `overwrite` is False.
        OSError: the file cannot be written; an old file remains.
    """
    if zipped not in (None, True):
        raise ValueError(f"`zipped` must be None or True, received {zipped!r}")
    path, suffix = _checked(filepath, _KERAS, _LEGACY)
    _refuse_existing(path, overwrite)
    for layer in model.leaf_layers():
        if reason := layer.why_not_in_files():
            raise ValueError(f"{path}: {reason}, or save the weights alone by `save_weights`")
    with replacing(path) as file:
        if suffix == _KERAS:
            model_file.write(model, file, path.parent, include_optimizer)
        else:
            legacy_file.write(model, file, include_optimizer)


def load_model(
    filepath: str | os.PathLike[str],
    custom_objects: dict[str, type] | None = None,
    compile: bool = True,
    safe_mode: bool = True,
) -> Any:
    """Load a model from a file that `save_model` or Keras has written.

    Args:
        filepath: a `.keras` file, or an HDF5 file (`.h5`, `.hdf5`) of Keras 1.2 to 3; the content
            determines the format.
        custom_objects: dict of custom classes by the names that the file may use, in addition to
            those registered by `fastconv.saving.register_keras_serializable`. Only these classes
            and those of fastconv are instantiated.
        compile: whether to restore optimizer, loss and metrics, so that training can continue.
        safe_mode: must be True; code in files is never run.

    Raises:
        FormatError: the file is damaged, hostile, of a newer format, not a regular file, or
            describes something that fastconv does not have.
        ValueError: `safe_mode` is False.
        TypeError: `custom_objects` is not a dict of classes by name.
        MemoryError: the model is larger than the memory.
        OSError: the file cannot be read.

    Exceptions of custom classes are not wrapped.
    """
    if not safe_mode:
        raise ValueError(f"`safe_mode` must be True, received {safe_mode!r}")
    path = Path(os.fspath(filepath))
    with custom_classes(custom_objects), open_regular(path) as file:
        reader = model_file if _format(file, path) == _KERAS else legacy_file
        return reader.load(file, path, compile)


def save_weights(model: Any, filepath: str | os.PathLike[str], overwrite: bool = True) -> None:
    """Save the weights of `model` to a file, atomically (`fastconv.saving.atomic`).

    Args:
        model: the model, which must be built.
        filepath: path that ends in ".weights.h5", which also contains the state of the optimizer,
            or in ".safetensors", which contains only the weights, by paths composed of the names of
            layers (`dense/kernel`, `encoder/conv2d_1/bias`), which are independent of other objects
            of the process.
        overwrite: whether an existing file may be replaced.

    Raises:
        ValueError: an unsupported suffix, or the model is not built.
        FileExistsError: the file exists and `overwrite` is False.
        OSError: the file cannot be written; an old file remains.
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
    filepath: str | os.PathLike[str],
    skip_mismatch: bool = False,
    by_name: bool = False,
) -> None:
    """Load the weights of `model` from a file of a model with the same layers; also the state of
    the optimizer, if both have one.

    Layers are matched in the order of the file, unless explicit names define another order; frozen
    layers do not matter. Weights that may be exchanged undetected are refused.

    Args:
        model: the model, which must be built.
        filepath: a file of `save_weights` or `save`, or of Keras's older format (`.h5`, `.hdf5`);
            the content determines the format.
        skip_mismatch: whether to leave layers that do not match unchanged, with a warning.
        by_name: whether to match layers by name instead of by order; only for the older format.
            Automatic names match those of the same rank among the layers of their class. Layers
            without a counterpart remain unchanged; at least one must have one.

    Raises:
        FormatError: the file is damaged, is not a regular file or does not match the model, which
            is unchanged then.
        ValueError: the model is not built, or `by_name` is given for another format.
        OSError: the file cannot be read.
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


def _format(file: ReadableFile, path: Path) -> str:
    """Return the format of an open file, as its usual suffix.

    If the first bytes match no format, as in a damaged file, the suffix decides: the reader
    of that format reports the damage.
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


def _checked(filepath: str | os.PathLike[str], *suffixes: str) -> tuple[Path, str]:
    """Return `filepath` as a path, and its suffix among `suffixes`; ValueError if it has none."""
    path = Path(os.fspath(filepath))
    found = [suffix for suffix in (_WEIGHTS, *suffixes) if path.name.endswith(suffix)]
    if not found or found[0] not in suffixes:
        raise ValueError(f"`filepath` must end in one of {suffixes}, received {str(path)!r}")
    return path, found[0]


def _refuse_existing(path: Path, overwrite: bool) -> None:
    if not overwrite and path.exists():
        raise FileExistsError(f"{path} exists and `overwrite` is False")
