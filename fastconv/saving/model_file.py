"""The `.keras` archive: a whole model in one file."""

from __future__ import annotations

import datetime
import io
import itertools
import json
import os
import shutil
import struct
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from fastconv.common.parsing import parsing
from fastconv.common.regular_file import ReadableFile
from fastconv.errors import FormatError
from fastconv.parameters import undrawn_weights
from fastconv.saving import weights_file
from fastconv.serialization import class_names, model_class

# Version of Keras whose format is written; readers refuse a later major version.
KERAS_VERSION = "3.15.1"
_METADATA, _CONFIG, _WEIGHTS = MEMBERS = ("metadata.json", "config.json", "model.weights.h5")
_HINT = "; or load the model with compile=False, without what `compile` was given"
_ENCRYPTED = 0x1  # a bit of a ZIP member's flags
_LENGTHS_AT = 26  # offset in a member's local header of the lengths of its name and its extra field


def write(model: Any, file: BinaryIO, directory: Path, include_optimizer: bool) -> None:
    """Write `model` to the open `file`, with a temporary file in `directory`."""
    config = model.as_json(compiled=include_optimizer)
    now = datetime.datetime.now()
    metadata = {
        "keras_version": KERAS_VERSION,
        "date_saved": now.strftime("%Y-%m-%d@%H:%M:%S"),
    }
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(_METADATA, json.dumps(metadata))
        archive.writestr(_CONFIG, config)
        # HDF5 seeks while it writes, which a member of an archive does not support.
        with tempfile.TemporaryFile(dir=directory) as weights:
            weights_file.write(model, weights, include_optimizer)
            weights.seek(0)
            with archive.open(_WEIGHTS, "w", force_zip64=True) as member:
                shutil.copyfileobj(weights, member, 1 << 20)


def load(file: ReadableFile, path: Path, compile: bool) -> Any:
    """Return the model in an open `.keras` file; FormatError if it is damaged or unsupported."""
    sections = _sections(file, path)
    check_version(parsed(sections[_METADATA].read(), path, _METADATA).get("keras_version"), path)
    description = parsed(sections[_CONFIG].read(), path, _CONFIG)
    with made(description, path, compile) as model:
        if "quantization" in description:
            with parsing(f"{path}: cannot read the quantization"):
                model.restore_quantization(description["quantization"])
        if "compute_dtype" in description:
            with parsing(f"{path}: cannot read the type of the computation"):
                model.restore_compute_dtype(description["compute_dtype"])
        weights_file.read(model, sections[_WEIGHTS], path, new_model=True)
    return model


def weights_of(file: ReadableFile, path: Path) -> ReadableFile:
    """Return the HDF5 member of an open `.keras` file."""
    return _sections(file, path)[_WEIGHTS]


class _Section(io.RawIOBase):
    """A part of an open file as a separate file, so that a member is not copied to memory."""

    def __init__(self, file: ReadableFile, start: int, size: int):
        self._file, self._start, self._size, self._at = file, start, size, 0

    @property
    def begin(self) -> int:
        """Offset of the first byte in the whole file."""
        return self._start

    @property
    def end(self) -> int:
        """Offset after the last byte in the whole file."""
        return self._start + self._size

    def fileno(self) -> int:
        """Return the descriptor of the whole file."""
        return self._file.fileno()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        view = view[: max(0, min(len(view), self._size - self._at))]
        self._file.seek(self._start + self._at)
        count = self._file.readinto(view) or 0
        self._at += count
        return count


def _sections(file: ReadableFile, path: Path) -> dict[str, _Section]:
    """Return the three members, after verifying their checksums.

    Members are stored uncompressed, so none can be larger than the file.
    """
    size = os.fstat(file.fileno()).st_size
    with parsing(f"{path}: not a readable .keras file"), zipfile.ZipFile(file) as archive:
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
                    f"{path}: {entry.filename} claims {entry.file_size} bytes in a file of {size}"
                )
        _check_places(entries, path)
        return {entry.filename: _verified(archive, entry, file) for entry in entries}


def _check_places(entries: list[zipfile.ZipInfo], path: Path) -> None:
    """Raise FormatError if members overlap: CPython 3.14 only warns where two begin together."""
    ordered = sorted(entries, key=lambda entry: entry.header_offset)
    for entry, following in itertools.pairwise(ordered):
        if entry.header_offset + _LENGTHS_AT + 4 + entry.file_size > following.header_offset:
            raise FormatError(
                f"{path}: not a readable .keras file: {following.filename} begins within "
                f"{entry.filename}"
            )


def _verified(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, file: ReadableFile) -> _Section:
    with archive.open(entry) as member:
        while member.read(1 << 20):  # the checksum is compared at its end
            pass
    file.seek(entry.header_offset + _LENGTHS_AT)
    name, extra = struct.unpack("<HH", file.read(4))
    return _Section(file, entry.header_offset + _LENGTHS_AT + 4 + name + extra, entry.file_size)


def parsed(data: bytes | str, path: Path, what: str) -> dict[str, Any]:
    """Return the JSON object in `data`; FormatError naming `what` if it is not one."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path}: {what} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise FormatError(f"{path}: {what} must hold an object, received {type(value).__name__}")
    return value


def check_version(version: Any, path: Path, oldest: int = 3) -> None:
    """Raise FormatError if `version` is not one of Keras's, older than `oldest` or too new."""
    major = version.split(".")[0] if isinstance(version, str) else ""
    if not (major.isascii() and major.isdecimal()) or len(major) > 9 or int(major) < oldest:
        raise FormatError(
            f"{path}: `keras_version` must be {oldest} or later, received {str(version)[:50]!r}"
        )
    if int(major) > int(KERAS_VERSION.split(".")[0]):
        raise FormatError(
            f"{path}: written by Keras {version[:50]}, which is newer than {KERAS_VERSION}; "
            "upgrade fastconv"
        )


@contextmanager
def made(description: dict[str, Any], path: Path, compile: bool) -> Iterator[Any]:
    """Yield the model of `description`; the block must load its weights."""
    with undrawn_weights():
        yield _model(description, path, compile)


def _own_class_hint(description: dict[str, Any]) -> str:
    name = description.get("registered_name")
    if not isinstance(name, str) or name in class_names("models"):
        return ""
    return f"; give the class in `custom_objects`, {{{name[:100]!r}: ...}}, or register it"


def _model(description: dict[str, Any], path: Path, compile: bool) -> Any:
    """Return the model of a configuration; its weights have shapes, but no memory yet."""
    cls = model_class(description)
    if cls is None:
        raise FormatError(
            f"{path}: must describe a model of one of the classes {class_names('models')}, "
            f"received {description.get('module')}.{description.get('class_name')}"
            f"{_own_class_hint(description)}"
        )
    with parsing(f"{path}: cannot make this model"):
        model = cls.from_config(description.get("config"))
        shape = (description.get("build_config") or {}).get("input_shape")
        if model.is_traced and shape is not None:
            model.build_for(shape)
    compile_config = description.get("compile_config")
    if compile and compile_config:
        with parsing(f"{path}: cannot make this model", hint=_HINT):
            model.compile_from_config(compile_config)
    return model
