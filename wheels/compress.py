"""Writes a wheel's archive again with Zopfli, whose DEFLATE data is some 7 % smaller.

Any unzip program reads it.  The files themselves, and so the hashes in RECORD, stay as they are.
"""

from __future__ import annotations

import functools
import zipfile
from pathlib import Path

from zopfli.zlib import compress


class Zopfli:
    """What `zipfile` needs of a compressor: takes a file in parts, returns its DEFLATE stream."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def compress(self, data: bytes) -> bytes:
        self.parts.append(bytes(data))
        return b""

    def flush(self) -> bytes:
        return deflated(b"".join(self.parts))


@functools.cache  # most files are the same in all wheels
def deflated(data: bytes) -> bytes:
    # zlib's format is a DEFLATE stream between a header of 2 bytes and a checksum of 4.
    return compress(data, numiterations=15, blocksplittingmax=0)[2:-4]


def recompressed(wheel: Path) -> None:
    """Replace the archive in place."""
    smaller = wheel.with_suffix(".zopfli")
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(smaller, "w") as new:
        for info in old.infolist():
            data = old.read(info)
            info.compress_type = zipfile.ZIP_DEFLATED
            with new.open(info, "w") as file:
                if data:
                    file._compressor = Zopfli()  # pyright: ignore[reportAttributeAccessIssue]
                file.write(data)
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(smaller) as new:
        same = old.namelist() == new.namelist() and all(
            old.read(name) == new.read(name) for name in old.namelist()
        )
    if not same or smaller.stat().st_size > wheel.stat().st_size:
        raise SystemExit(f"wheels: {wheel.name} could not be compressed with Zopfli")
    smaller.replace(wheel)
