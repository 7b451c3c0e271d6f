"""Checks a structure of HDF5 files before the library reads it, since it may not come back.

Texts of variable length, which attributes of Keras's `.h5` files are, lie in *global heaps*:

    "GCOL", version 1, 3 bytes, size of the heap in 8 bytes, and objects one after the other:
        index in 2 bytes, references in 2, 4 bytes, size in 8, data up to a multiple of 8
        index 0: what is free; its size includes these 16 bytes

The library walks along the sizes without a look at whether it gets on: a free part of size 0, or a
size near 2^64, and it walks forever (seen with HDF5 1.14 and 2.0). Which parts of a file are heaps
is known only to those who read all of it, so everything is checked that the library would take for
one.

Source: HDF5 File Format Specification 3.0, sections II.A and III.E.
"""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import BinaryIO

from fastconv.errors import FormatError

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_HEAP = b"GCOL\x01"
_HEADER, _SMALLEST = 16, 4096  # bytes: of heaps and objects, and the least that a heap has


def check(file: BinaryIO, path: Path) -> None:
    """FormatError if the HDF5 file has a global heap that cannot be walked through.

    The file may lie within another one: then it says from where to where (`begin`, `end`).
    """
    try:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except ValueError as error:  # it is empty
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
            # The library refuses other sizes; four bytes of a weight may look like a heap, too.
            if _SMALLEST <= size <= end - start and not _ends(data, start, start + size):
                raise FormatError(f"{path}: the global heap at {start - begin} is damaged")
            start = data.find(_HEAP, start + 1, end)


def _ends(data: mmap.mmap, start: int, end: int) -> bool:
    """Whether the objects of the heap in data[start:end] lead to its end."""
    at = start + _HEADER
    while at + _HEADER <= end:
        index = int.from_bytes(data[at : at + 2], "little")
        size = int.from_bytes(data[at + 8 : at + 16], "little")
        needed = _HEADER + -(-size // 8) * 8 if index else size
        if needed < _HEADER or at + needed > end:
            return False
        at += needed
    return True
