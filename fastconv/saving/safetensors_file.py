"""The safetensors format: arrays by name in one file, without code.

    8 bytes          length of the header, little-endian
    header           JSON: {name: {"dtype", "shape", "data_offsets": [begin, end]}, ...}, and
                     "__metadata__": {string: string}
    data             the arrays one after the other, little-endian, in C order

Reading checks the whole header against the size of the file before it reads an array: the arrays
must lie within the data, without overlaps or gaps, with the lengths of their shapes.

Source: https://github.com/huggingface/safetensors, "Format".
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from typing import Any, BinaryIO

import numpy as np

from fastconv.common.regular_file import ReadableFile
from fastconv.errors import FormatError

_DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?",
}  # fmt: skip
_NAMES = {np.dtype(dtype): name for name, dtype in _DTYPES.items()}
_HEADER_LIMIT = 100_000_000  # bytes, as in the reference implementation


class Entry:
    """One array: dtype, shape, and begin and end within the data."""

    dtype: np.dtype
    shape: tuple[Any, ...]
    begin: Any
    end: Any

    def __init__(self, name: str, description: Any, path: Any):
        where = f"{path}: {name!r}"
        if not isinstance(description, dict):
            raise FormatError(f"{where} must be described by an object")
        dtype: Any = description.get("dtype")
        shape: Any = description.get("shape")
        offsets: Any = description.get("data_offsets")
        if not isinstance(dtype, str) or dtype not in _DTYPES:
            raise FormatError(f"{where} must have a dtype of {list(_DTYPES)}, received {dtype!r}")
        if not (_sizes(shape) and _sizes(offsets)) or len(offsets) != 2 or len(shape) > 32:
            raise FormatError(f"{where} must have a shape and two offsets, received {description}")
        self.dtype, self.shape = np.dtype(_DTYPES[dtype]), tuple(shape)
        self.begin, self.end = offsets
        needed = math.prod(self.shape) * self.dtype.itemsize
        if self.end - self.begin != needed:
            raise FormatError(
                f"{where} of shape {self.shape} and dtype {dtype} needs {needed} bytes, "
                f"received offsets {offsets}"
            )


class Reader:
    """An open safetensors file with a checked header.

    Raises FormatError, naming `path`, if it is damaged.
    """

    def __init__(self, file: ReadableFile, path: Any):
        self._file, self._path = file, path
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(size - 8, _HEADER_LIMIT):
            raise FormatError(f"{path}: a header of {length} bytes in a file of {size}")
        try:
            header = json.loads(file.read(length).decode(), object_pairs_hook=_unique)
        except (ValueError, RecursionError) as error:
            raise FormatError(f"{path}: the header is not JSON: {error}") from error
        if not isinstance(header, dict):
            raise FormatError(f"{path}: the header must be an object")
        metadata = header.pop("__metadata__", {})
        if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
            raise FormatError(f"{path}: __metadata__ must map strings to strings")
        self.metadata: dict[str, str] = metadata
        self.entries: dict[str, Entry] = {
            name: Entry(name, each, path) for name, each in header.items()
        }
        self._start = end = 8 + length
        for entry in sorted(self.entries.values(), key=lambda entry: (entry.begin, entry.end)):
            if self._start + entry.begin != end:
                raise FormatError(f"{path}: the arrays must follow each other without gaps")
            end = self._start + entry.end
        if end != size:
            raise FormatError(f"{path}: must have {end} bytes, received {size}")

    def read(self, name: str) -> np.ndarray:
        """Return the array with this name, which must exist."""
        entry = self.entries[name]
        array = np.empty(entry.shape, entry.dtype)
        self._file.seek(self._start + entry.begin)
        if self._file.readinto(array.reshape(-1).view(np.uint8).data) != array.nbytes:
            raise FormatError(f"{self._path}: {name!r} ends too early")
        return array


def write(file: BinaryIO, arrays: dict[str, np.ndarray], metadata: dict[str, str]) -> None:
    """Write `arrays`, of dtypes that the format supports, and `metadata` to the open `file`."""
    header: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    end = 0
    for name, array in arrays.items():
        begin, end = end, end + array.nbytes
        header[name] = {
            "dtype": _NAMES[array.dtype.newbyteorder("<")],
            "shape": list(array.shape),
            "data_offsets": [begin, end],
        }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # aligns the data
    file.write(len(text).to_bytes(8, "little") + text)
    for array in arrays.values():
        file.write(_little_endian_bytes(array))


def checksum(text: str, arrays: dict[str, np.ndarray]) -> str:
    """Return the SHA-256 of a text and of names, dtypes, shapes and elements of arrays."""
    digest = hashlib.sha256(text.encode())
    for name, array in sorted(arrays.items()):
        dtype = array.dtype.newbyteorder("<").str
        digest.update(f"{name} {dtype} {array.shape};".encode())
        digest.update(_little_endian_bytes(array))
    return digest.hexdigest()


def _little_endian_bytes(array: np.ndarray) -> memoryview:
    """Return the elements in C order, little-endian; without a copy if memory has this layout."""
    stored = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return stored.reshape(-1).view(np.uint8).data


def _sizes(value: Any) -> bool:
    return isinstance(value, list) and all(type(n) is int and 0 <= n < 2**63 for n in value)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("a name appears twice")
    return dict(pairs)
