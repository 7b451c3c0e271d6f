"""Checks global heaps of HDF5 files before the library reads them, which may not terminate.

Strings of variable length, the type of attributes in Keras's `.h5` files, are stored in *global
heaps*:

    "GCOL", version 1, 3 bytes, size of the heap in 8 bytes, and objects one after the other:
        index in 2 bytes, references in 2, 4 bytes, size in 8, data up to a multiple of 8
        index 0: free space; its size includes these 16 bytes

The library follows the sizes without checking for progress: a free object of size 0, or a size near
2^64, makes it loop forever (seen with HDF5 1.14 and 2.0). The heaps of a file can be located only
by reading all of it, so every block that the library would accept as a heap is checked.

Source: HDF5 File Format Specification 3.0, sections II.A and III.E.
"""

from __future__ import annotations

import mmap
from pathlib import Path

from fastconv.common.regular_file import ReadableFile
from fastconv.errors import FormatError

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_HEAP = b"GCOL\x01"
_HEADER, _SMALLEST = 16, 4096  # bytes: header of a heap or object, smallest heap


def check(file: ReadableFile, path: Path) -> None:
    """Raise FormatError if the HDF5 file has a global heap with invalid sizes.

    If the file lies within another one, its attributes `begin` and `end` give the range.
    """
    try:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except ValueError as error:  # the file is empty
        raise FormatError(f"{path}: not a readable HDF5 file: {error}") from error
    with mapped as data:
        begin, end = getattr(file, "begin", 0), getattr(file, "end", len(data))
        head = data[begin : min(begin + 16, end)]
        if head[:8] != _SIGNATURE:
            raise FormatError(f"{path}: not a readable HDF5 file: it does not begin as one")
        widths = head[13:15] if head[8:9] in (b"\0", b"\1") else head[9:11]
        if widths != b"\x08\x08":
            raise FormatError(f"{path}: must have offsets and lengths of 8 bytes")
        start = data.find(_HEAP, begin, end)
        while start >= 0:
            size = int.from_bytes(data[start + 8 : start + 16], "little")
            # The library refuses other sizes; four bytes of a weight may equal a heap's signature.
            if _SMALLEST <= size <= end - start and not _ends(data, start, start + size):
                raise FormatError(f"{path}: the global heap at {start - begin} is damaged")
            start = data.find(_HEAP, start + 1, end)


def _ends(data: mmap.mmap, start: int, end: int) -> bool:
    """Return whether the objects of the heap in data[start:end] lead to its end."""
    at = start + _HEADER
    while at + _HEADER <= end:
        index = int.from_bytes(data[at : at + 2], "little")
        size = int.from_bytes(data[at + 8 : at + 16], "little")
        needed = _HEADER + -(-size // 8) * 8 if index else size
        if needed < _HEADER or at + needed > end:
            return False
        at += needed
    return True
