"""The `.keras` archive: a whole model in one file."""

from __future__ import annotations

import datetime
import io
import json
import os
import shutil
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import Any, BinaryIO

from fastconv.errors import FormatError
from fastconv.models import Model
from fastconv.models.configuration import CLASSES, model_class
from fastconv.parameters import undrawn_weights
from fastconv.saving import weights_file
from fastconv.saving.atomic import replacing
from fastconv.saving.weights_file import checked_path, refuse_existing

SUFFIX = ".keras"
# The version of Keras whose format is written here; a reader refuses a later major version.
KERAS_VERSION = "3.15.1"
_METADATA, _CONFIG, _WEIGHTS = MEMBERS = ("metadata.json", "config.json", "model.weights.h5")
_ENCRYPTED = 0x1  # a bit of a ZIP member's flags


def save_model(model: Model, filepath: str | os.PathLike, overwrite: bool = True) -> None:
    """Write layers, weights, and what `compile` was given with the state of training, to a
    `.keras` file that `load_model` here and in Keras reads.

    The file is replaced in one go: at any moment there is the old one or the new one.

    Raises:
        ValueError: another suffix.
        FileExistsError: the file exists and `overwrite` is False.
        OSError: it cannot be written; an old file is still there.
    """
    path = checked_path(filepath, SUFFIX)
    refuse_existing(path, overwrite)
    description = model.description()
    now = datetime.datetime.now()
    metadata = {
        "keras_version": KERAS_VERSION,
        "date_saved": now.strftime("%Y-%m-%d@%H:%M:%S"),
    }
    with replacing(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(_METADATA, json.dumps(metadata))
        archive.writestr(_CONFIG, json.dumps(description))
        # HDF5 jumps back and forth while it writes, which a member of an archive cannot.
        with tempfile.TemporaryFile(dir=path.parent) as weights:
            weights_file.write(model, weights)
            weights.seek(0)
            with archive.open(_WEIGHTS, "w", force_zip64=True) as member:
                shutil.copyfileobj(weights, member, 1 << 20)


def load_model(
    filepath: str | os.PathLike, custom_objects: None = None, compile: bool = True
) -> Model:
    """Read a model from a `.keras` file that `save_model` or Keras has written.

    Args:
        filepath: ends in ".keras".
        custom_objects: must be None; only the classes of fastconv are ever made.
        compile: also restore optimizer, loss and metrics, so that training can go on.

    Raises:
        FormatError: the file is damaged, hostile, of a newer format, or describes something that
            fastconv does not have.
        ValueError: another suffix, or `custom_objects` are given.
        OSError: it cannot be read.
    """
    path = checked_path(filepath, SUFFIX)
    if custom_objects:
        raise ValueError(f"`custom_objects` are not supported, received {custom_objects!r}")
    with path.open("rb") as file:
        members = _members(file, path)
        _check_version(_json(members[_METADATA], path, _METADATA), path)
        description = _json(members[_CONFIG], path, _CONFIG)
        with undrawn_weights():
            model = _model(description, path, compile)
            weights_file.read(model, io.BytesIO(members[_WEIGHTS]), path)
    return model


def weights_of(file: BinaryIO, path: Path) -> BinaryIO:
    """The HDF5 member of an open `.keras` file."""
    return io.BytesIO(_members(file, path)[_WEIGHTS])


def _members(file: BinaryIO, path: Path) -> dict[str, bytes]:
    """The three members, verified against their checksums.

    Members are stored, not compressed, so none can be larger than the file: there is nothing to
    inflate.
    """
    size = os.fstat(file.fileno()).st_size
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
            if sorted(entry.filename for entry in entries) != sorted(MEMBERS):
                names = [entry.filename for entry in entries][:10]
                raise FormatError(f"{path}: must hold {list(MEMBERS)}, received {names}")
            for entry in entries:
                if entry.flag_bits & _ENCRYPTED:
                    raise FormatError(f"{path}: {entry.filename} must not be encrypted")
                if entry.compress_type != zipfile.ZIP_STORED:
                    raise FormatError(f"{path}: {entry.filename} must not be compressed")
                if entry.file_size != entry.compress_size or entry.file_size > size:
                    raise FormatError(
                        f"{path}: {entry.filename} claims {entry.file_size} bytes "
                        f"in a file of {size}"
                    )
            return {entry.filename: archive.read(entry) for entry in entries}
    except FormatError:
        raise
    except (
        zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, RuntimeError,
        ValueError, OverflowError,
    ) as error:  # fmt: skip
        raise FormatError(f"{path}: not a readable .keras file: {error}") from error


def _json(data: bytes, path: Path, member: str) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path}: {member} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise FormatError(f"{path}: {member} must hold an object, received {type(value).__name__}")
    return value


def _check_version(metadata: dict[str, Any], path: Path) -> None:
    version = metadata.get("keras_version")
    major = version.split(".")[0] if isinstance(version, str) else ""
    if not major.isdecimal() or int(major) < 3:
        raise FormatError(f"{path}: `keras_version` must be 3 or later, received {version!r}")
    if int(major) > int(KERAS_VERSION.split(".")[0]):
        raise FormatError(
            f"{path}: written by Keras {version}, which is newer than {KERAS_VERSION}; "
            "upgrade fastconv"
        )


def _model(description: dict[str, Any], path: Path, compile: bool) -> Model:
    """The model that a configuration describes; its weights have shapes, but no memory yet."""
    cls = model_class(description)
    if cls is None:
        raise FormatError(
            f"{path}: must describe a model of one of the classes {sorted(CLASSES)}, "
            f"received {description.get('module')}.{description.get('class_name')}"
        )
    try:
        model = cls.from_config(description.get("config"))
        compile_config = description.get("compile_config")
        if compile and compile_config:
            model.compile_from_config(compile_config)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise FormatError(f"{path}: cannot make this model: {error}") from error
    return model
