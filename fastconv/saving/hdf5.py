"""Reads HDF5 from untrusted files, and writes it with checksums.

HDF5 has many features that a file of weights does not need: links to other files, external,
compressed or chunked data, arbitrary types. All of these are refused. The remaining features are
groups in one file, and numeric datasets that are stored as one block of exactly the expected shape,
so no declaration in a file can make the reader allocate more memory than the model needs.

HDF5 does not have checksums for such blocks. Datasets written here store the CRC-32 of their bytes
as an attribute, which other readers ignore, and which is verified if present.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fastconv.common.parsing import parsing
from fastconv.common.regular_file import ReadableFile
from fastconv.errors import FormatError

if TYPE_CHECKING:
    import h5py

_CHECKSUM = "crc32"
_LONGEST_LIST = 1_000_000  # maximum number of strings in an attribute
LARGEST_ATTRIBUTE = 60_000  # maximum bytes of numbers; the format allows 64 KiB


class Mismatch(FormatError):
    """A file is valid, but does not contain the weights that a model needs."""


@contextmanager
def opened(file: ReadableFile, path: Path) -> Iterator[h5py.File]:
    """Open an HDF5 file; errors of the library become FormatErrors."""
    import h5py

    with parsing(f"{path}: not a readable HDF5 file"), h5py.File(file, "r") as h5:
        yield h5


def child(group: h5py.Group, name: str, path: Path) -> Any | None:
    """Return the member `name` of `group`, None if absent; links out of the file are refused."""
    import h5py

    link = group.get(name, getlink=True)
    if link is None:
        return None
    if not isinstance(link, h5py.HardLink):
        raise FormatError(f"{path}: {group.name}/{name} must not be a link to elsewhere")
    return group[name]


def group_at(start: h5py.Group, names: str, path: Path) -> h5py.Group:
    """Return the group at "a/b/c" under `start`, every part of which must be a group."""
    import h5py

    group = start
    for name in names.split("/"):
        group = child(group, name, path)
        if not isinstance(group, h5py.Group):
            raise Mismatch(f"{path}: there must be a group {_below(start, names)}")
    return group


def _below(start: h5py.Group, names: str) -> str:
    """Return the path of "a/b/c" under `start` in its file."""
    return f"{(start.name or '').rstrip('/')}/{names}"


def dataset_at(start: h5py.Group, names: str, shape: tuple[int, ...], path: Path) -> Dataset:
    """Return the dataset of numbers at "a/b/c" under `start`, which must have `shape`."""
    import h5py

    *groups, name = names.split("/")
    group = group_at(start, "/".join(groups), path) if groups else start
    dataset = child(group, name, path)
    where = f"{path}: {_below(start, names)}"
    if not isinstance(dataset, h5py.Dataset):
        raise FormatError(f"{where} must be a dataset")
    if dataset.shape != shape:
        raise Mismatch(f"{where} must have shape {shape}, received {dataset.shape}")
    halves = _is_bfloat16(dataset, path)
    if not halves and (dataset.dtype.kind not in "iuf" or dataset.dtype.itemsize > 8):
        raise FormatError(f"{where} must hold numbers, received dtype {dataset.dtype}")
    properties = dataset.id.get_create_plist()
    inside = properties.get_layout() in (h5py.h5d.CONTIGUOUS, h5py.h5d.COMPACT)
    if not inside or properties.get_external_count() or properties.get_nfilters():
        raise FormatError(f"{where} must lie in the file as one uncompressed block")
    needed, stored = dataset.size * dataset.dtype.itemsize, dataset.id.get_storage_size()
    if stored != needed:
        raise FormatError(f"{where} must store {needed} bytes, received {stored}")
    return Halves(dataset, where) if halves else Dataset(dataset, where)


def _is_bfloat16(dataset: h5py.Dataset, path: Path) -> bool:
    """Return whether a dataset holds bfloat16: opaque, with an attribute."""
    opaque = dataset.dtype.kind == "V" and dataset.dtype.itemsize == 2 and not dataset.dtype.fields
    return opaque and text_attribute(dataset, "dtype", path) == "bfloat16"


def shape_at(start: h5py.Group, names: str, path: Path) -> tuple[int, ...]:
    """Return the shape of the dataset at "a/b/c" under `start`."""
    import h5py

    *groups, name = names.split("/")
    group = group_at(start, "/".join(groups), path) if groups else start
    dataset = child(group, name, path)
    if not isinstance(dataset, h5py.Dataset) or dataset.shape is None:
        raise FormatError(f"{path}: {_below(start, names)} must be a dataset")
    return dataset.shape


class Dataset:
    """A checked dataset; `np.asarray(dataset)` reads it.

    Raises FormatError on reading if its checksum is wrong.
    """

    def __init__(self, dataset: h5py.Dataset, where: str):
        self._dataset, self._where = dataset, where
        self.shape: Any = dataset.shape

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        array = np.asarray(self._dataset[()])
        if _CHECKSUM in self._dataset.attrs:
            attribute = self._dataset.attrs.get_id(_CHECKSUM)
            if attribute.shape != () or attribute.dtype.kind not in "iu":
                raise FormatError(f"{self._where} must have a number as {_CHECKSUM}")
            if int(np.asarray(self._dataset.attrs[_CHECKSUM])) != _crc(array):
                raise FormatError(f"{self._where} is damaged: its checksum is wrong")
        return array if dtype is None else array.astype(dtype)


class Halves(Dataset):
    """A dataset of bfloat16."""

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        bits = super().__array__().view("<u2").astype(np.uint32)
        array = (bits << 16).view(np.float32)
        return array if dtype is None else array.astype(dtype)


class Scaled(Dataset):
    """A dataset of integers times a dataset of scales, which are those of its last axis or, of a
    depthwise kernel, of its last two."""

    def __init__(self, integers: Dataset, scales: Dataset):
        self._integers, self._scales = integers, scales
        self.shape: Any = integers.shape

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        scale = np.asarray(self._scales).astype(np.float32)
        rows = np.asarray(self._integers).reshape(-1, scale.size)
        array = (rows.astype(np.float32) * scale).reshape(self.shape)
        return array if dtype is None else array.astype(dtype)


def same_elements(one: Dataset, other: Dataset) -> bool:
    """Return whether two datasets have the same bits, NaN included."""
    a, b = np.asarray(one), np.asarray(other)
    return a.dtype == b.dtype and a.tobytes() == b.tobytes()


def write_dataset(group: h5py.Group, name: str, array: np.ndarray) -> None:
    """Write `array` as a dataset, with its checksum."""
    group.create_dataset(name, data=array).attrs[_CHECKSUM] = np.uint32(_crc(array))


def write_bfloat16(group: h5py.Group, name: str, array: np.ndarray) -> None:
    """Write a float32 `array` of bfloat16 values as a dataset of 2 bytes each."""
    bits = (array.view(np.uint32) >> 16).astype("<u2")
    write_dataset(group, name, bits.view("V2"))
    group[name].attrs["dtype"] = "bfloat16"


def text_attribute(group: h5py.Group | h5py.Dataset, name: str, path: Path) -> str | None:
    """Return the attribute `name` as text, None if absent."""
    texts = _attribute(group, name, (), path)
    return None if texts is None else texts[0]


def list_attribute(group: h5py.Group, name: str, path: Path) -> list[str]:
    """Return the attribute `name` as a list of strings; Keras splits long ones into `name0`, ..."""
    whole = _attribute(group, name, None, path)
    if whole is not None:
        return whole
    found: list[str] = []
    number = 0
    while (part := _attribute(group, f"{name}{number}", None, path)) is not None:
        found += part
        number += 1
    if not number:
        raise FormatError(f"{path}: {group.name} must have an attribute {name!r}")
    return found


def numbers_attribute(group: h5py.Group, name: str, path: Path) -> list[int] | None:
    """Return the attribute `name` as a list of integers, None if absent."""
    if name not in group.attrs:
        return None
    attribute = group.attrs.get_id(name)
    if (
        attribute.shape is None
        or len(attribute.shape) != 1
        or attribute.dtype.kind not in "iu"
        or attribute.shape[0] * attribute.dtype.itemsize > LARGEST_ATTRIBUTE
    ):
        raise FormatError(f"{path}: the attribute {name!r} of {group.name} must be integers")
    return [int(number) for number in np.asarray(group.attrs[name])] if attribute.shape[0] else []


def _attribute(
    group: h5py.Group | h5py.Dataset, name: str, shape: tuple[()] | None, path: Path
) -> list[str] | None:
    import h5py

    if name not in group.attrs:
        return None
    where = f"{path}: the attribute {name!r} of {group.name}"
    attribute = group.attrs.get_id(name)
    found = attribute.shape
    if found is None or (len(found) != 1 if shape is None else found != shape):
        raise FormatError(f"{where} must be {'text' if shape == () else 'a list'}")
    size = int(np.prod(found, dtype=np.float64))
    if size > _LONGEST_LIST:
        raise FormatError(f"{where} must not be as long as {size}")
    if size == 0:
        return []
    # The library may crash on values of a damaged type, but reports the type's class safely.
    if not isinstance(attribute.get_type(), h5py.h5t.TypeStringID):
        raise FormatError(f"{where} must be text")
    value = group.attrs[name]
    texts = [
        text.decode() if isinstance(text, bytes) else text for text in np.asarray(value).ravel()
    ]
    if not all(isinstance(text, str) for text in texts):
        raise FormatError(f"{where} must be text")
    return [str(text) for text in texts]


def _crc(array: np.ndarray) -> int:
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).reshape(-1)
    return zlib.crc32(little.view(np.uint8).data)
