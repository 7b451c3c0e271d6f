"""Reads the binary version of the CIFAR archives: `.tar.gz` files of fixed-length records.

The format (Alex Krizhevsky, https://www.cs.toronto.edu/~kriz/cifar.html, "Binary version"): a
record is one byte per label, then 32x32 red, green and blue values, each plane row by row; a member
of the archive is nothing but records. (Keras reads the other version, of pickled Python objects;
unpickling can run any program that a file contains, so it is not done here.)

The archive is read as a stream, straight into arrays: nothing is extracted to disk, so no name in
it can reach a file. It may not unpack to more than `MAX_BYTES`, and only members of the
expected names, which must be plain files, are kept.
"""

from __future__ import annotations

import io
import os
import tarfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fastconv.common.regular_file import ReadableFile, open_regular
from fastconv.errors import FormatError

__all__ = ["MAX_BYTES", "read"]

IMAGE_BYTES = 3 * 32 * 32

# The real archives unpack to 184 MB.
MAX_BYTES = 1 << 28


def read(
    path: str | os.PathLike[str], members: Sequence[str], classes: Sequence[int]
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Reads images and labels of the named members.

    Args:
        path: the archive, gzipped or not.
        members: the names of members, each with its folder.
        classes: how many classes there are for each of a record's labels.

    Returns:
        For each member images (count, 32, 32, 3), uint8, in channels-last order, and labels
        (count, len(classes)), uint8.

    Raises:
        FormatError: the file is not such an archive, is damaged, lacks a member, holds one twice or
            in another form, has a label out of range, or unpacks to more than `MAX_BYTES`.
        OSError: the file cannot be read.
    """
    path = Path(path)
    return {
        name: _records(f"{path}: {name}", data, classes)
        for name, data in _members(path, set(members)).items()
    }


def _members(path: Path, wanted: set[str]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    with open_regular(path) as file:
        try:
            unzipped = _Unzipped(path, file)
            with tarfile.open(fileobj=unzipped, mode="r|") as archive:
                for member in archive:
                    # Archives made in the folder itself name their members "./folder/file".
                    name = member.name.removeprefix("./")
                    if name not in wanted:
                        continue
                    if name in found:
                        raise FormatError(f"{path}: must hold {name} once, received it twice")
                    found[name] = _content(path, name, archive, member)
            unzipped.finish()
        except FormatError:
            raise
        # What tarfile lets through from headers that are nonsense.
        except (tarfile.TarError, ValueError, OverflowError, EOFError, LookupError) as error:
            raise FormatError(f"{path}: not a readable tar archive ({error})") from None
    missing = sorted(wanted - set(found))
    if missing:
        raise FormatError(f"{path}: must hold {', '.join(missing)}, which it does not")
    return found


def _content(path: Path, name: str, archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    if not member.isreg() or member.issparse():
        raise FormatError(f"{path}: {name} must be a plain file, received type {member.type!r}")
    if not 0 < member.size <= MAX_BYTES:
        raise FormatError(f"{path}: {name} must hold 1 to {MAX_BYTES} bytes, claims {member.size}")
    file = archive.extractfile(member)
    assert file is not None  # which it is for folders and links
    data = file.read()
    if len(data) != member.size:
        raise FormatError(
            f"{path}: {name} ends early, after {len(data)} of its {member.size} bytes"
        )
    return data


def _records(where: str, data: bytes, classes: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    length = len(classes) + IMAGE_BYTES
    if len(data) % length:
        raise FormatError(
            f"{where} must be whole records of {length} bytes, received {len(data)} bytes"
        )
    records = np.frombuffer(data, np.uint8).reshape(-1, length)
    labels = records[:, : len(classes)].copy()
    wrong = np.argwhere(labels >= np.array(classes))
    if wrong.size:
        row, column = wrong[0]
        raise FormatError(
            f"{where}: labels must be from 0 to {classes[column] - 1}, received "
            f"{labels[row, column]} in record {row}"
        )
    planes = records[:, len(classes) :].reshape(-1, 3, 32, 32)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), labels


class _Unzipped(io.BufferedIOBase):
    """A file that tarfile can read from: gzip undone where there is any, and never without end."""

    def __init__(self, path: Path, file: ReadableFile) -> None:
        self.path, self.file = path, file
        self.stream = zlib.decompressobj(wbits=31) if file.read(2) == b"\x1f\x8b" else None
        file.seek(0)
        self.left = MAX_BYTES

    def read(self, size: int) -> bytes:
        data = self.file.read(size) if self.stream is None else self._inflated(self.stream, size)
        self.left -= len(data)
        if self.left < 0:
            raise FormatError(f"{self.path}: must unpack to at most {MAX_BYTES} bytes")
        return data

    def finish(self) -> None:
        """Read the bytes after the archive up to the checksum, which must be the last ones."""
        while self.read(1 << 16):
            pass
        if self.stream and (self.stream.unused_data or self.file.read(1)):
            raise FormatError(f"{self.path}: bytes follow after the end of the gzip data")

    def _inflated(self, stream: Any, size: int) -> bytes:
        pieces, missing = [], size
        while missing and not stream.eof:
            chunk = stream.unconsumed_tail or self.file.read(1 << 16)
            if not chunk:
                raise FormatError(f"{self.path}: the gzip data ends early")
            try:
                pieces.append(stream.decompress(chunk, missing))
            except zlib.error as error:
                raise FormatError(f"{self.path}: the gzip data is damaged ({error})") from None
            missing -= len(pieces[-1])
        return b"".join(pieces)
