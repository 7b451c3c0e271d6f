"""Reads the IDX format of the MNIST files, plain or gzipped.

The format (Yann LeCun, "The MNIST database of handwritten digits", section "File formats"):

    bytes 0, 1      zero
    byte  2         type of the elements (08: unsigned byte, ...)
    byte  3         number of dimensions, D
    4*D bytes       sizes of the dimensions, big-endian 32-bit
    the rest        the elements, last dimension fastest, big-endian

The content of a file is not trusted: a file is accepted if it has exactly the length that its
header declares, and memory grows with the bytes read, not with the declared length.
"""

from __future__ import annotations

import math
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from fastconv.common.regular_file import open_regular
from fastconv.errors import FormatError

__all__ = ["MAX_BYTES", "read"]

_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_GZIP_MAGIC = b"\x1f\x8b"
_CHUNK = 1 << 18

# No compressed stream of DEFLATE is longer than this many times its input (258 bytes from 2 bits),
# so a header that promises more than that is refused without decompressing anything.
_DEFLATE_RATIO = 1032

# An upper bound for files that are what they claim to be, and yet no data set: 4 GiB.
MAX_BYTES = 4 << 30


def read(path: str | os.PathLike[str], *, ndim: int | None = None) -> np.ndarray:
    """Reads one array.

    Args:
        path: an IDX file; whether it is gzipped is seen from its first bytes, not from its name.
        ndim: the number of dimensions the file must have; by default any.

    Returns:
        A new, writable array in native byte order: uint8, int8, int16, int32, float32 or float64.

    Raises:
        FormatError: the file is not an IDX file, is damaged, ends early, has bytes left over, has
            another number of dimensions, or declares more than 4 GiB.
        OSError: the file cannot be read.

    >>> import tempfile, pathlib
    >>> from fastconv.datasets import idx
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "labels.idx")
    ...     _ = path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]))
    ...     idx.read(path)
    array([7, 2, 1], dtype=uint8)
    """
    path = Path(path)
    with open_regular(path) as file:
        stored = os.fstat(file.fileno()).st_size
        zipped = file.read(2) == _GZIP_MAGIC
        file.seek(0)
        chunks = _unzipped(path, file) if zipped else iter(lambda: file.read(_CHUNK), b"")
        source = _Source(path, chunks)
        dtype, shape = _header(path, source, ndim)
        declared = math.prod(shape) * dtype.itemsize
        largest = stored * _DEFLATE_RATIO if zipped else stored
        if declared > min(largest, MAX_BYTES):
            raise FormatError(
                f"{path}: the header declares an array of shape {shape}, {declared} bytes, which "
                f"a file of {stored} bytes cannot hold or which is above the limit of {MAX_BYTES}"
            )
        data = source.take(declared, "its elements")
        source.expect_end(declared)
    return np.frombuffer(data, dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


class _Source:
    """Bytes from an iterator of chunks, read in the portions of the format."""

    def __init__(self, path: Path, chunks: Iterator[bytes]) -> None:
        self.path = path
        self.chunks = chunks
        self.rest = b""

    def take(self, count: int, what: str) -> bytearray:
        taken = bytearray()
        while len(taken) < count:
            if not self.rest:
                self.rest = next(self.chunks, b"")
                if not self.rest:
                    raise FormatError(
                        f"{self.path}: the file ends early, after {len(taken)} of the {count} "
                        f"bytes of {what}"
                    )
            missing = count - len(taken)
            taken += self.rest[:missing]
            self.rest = self.rest[missing:]
        return taken

    def expect_end(self, declared: int) -> None:
        if self.rest or next(self.chunks, b""):
            raise FormatError(
                f"{self.path}: bytes follow after the {declared} bytes of elements that the "
                "header declares"
            )


def _header(path: Path, source: _Source, ndim: int | None) -> tuple[np.dtype, tuple[int, ...]]:
    magic = bytes(source.take(4, "its magic number"))
    if magic[:2] != b"\0\0" or magic[2] not in _TYPES:
        known = ", ".join(f"0x0000{code:02x}.." for code in _TYPES)
        raise FormatError(
            f"{path}: not an IDX file: the magic number must be one of {known}, received "
            f"0x{magic.hex()}"
        )
    dims = magic[3]
    if dims == 0 or (ndim is not None and dims != ndim):
        required = "at least 1" if ndim is None else str(ndim)
        raise FormatError(f"{path}: must have {required} dimensions, received {dims}")
    shape = struct.unpack(f">{dims}I", source.take(4 * dims, "its dimensions"))
    # The limit of NumPy; a data set does not have more dimensions.
    if dims > 32 or 0 in shape:
        raise FormatError(f"{path}: dimensions must be positive and at most 32, received {shape}")
    return np.dtype(_TYPES[magic[2]]), shape


def _unzipped(path: Path, file) -> Iterator[bytes]:
    """The content of one gzip member, checked against its checksum; nothing may follow it."""
    stream = zlib.decompressobj(wbits=31)
    compressed = b""
    try:
        while not stream.eof:
            compressed = stream.unconsumed_tail or file.read(_CHUNK)
            if not compressed:
                raise FormatError(f"{path}: the gzip data ends early")
            chunk = stream.decompress(compressed, _CHUNK)
            if chunk:
                yield chunk
    except zlib.error as error:
        raise FormatError(f"{path}: the gzip data is damaged ({error})") from None
    if stream.unused_data or file.read(1):
        raise FormatError(f"{path}: bytes follow after the end of the gzip data")
