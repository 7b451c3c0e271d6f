"""Writing a file so that nobody ever sees half of it."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


@contextmanager
def replacing(path: str | os.PathLike) -> Iterator[BinaryIO]:
    """A file to write to, which takes the place of `path` when the `with` block ends.

    It is written beside `path`, flushed to the disk, and renamed over it; then the directory is
    flushed. Whatever happens before (an exception, a full disk, the end of the process), the old
    file is still there, complete. A link is followed.

    Raises OSError if the directory does not exist or cannot be written.
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{target.name}.{os.urandom(6).hex()}.tmp")
    # Not tempfile: its files are readable by the owner only, and that would stay so.
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(temporary, flags, 0o666)
    except (FileNotFoundError, NotADirectoryError) as error:
        what = f"no such directory, to write {target.name!r} into"
        raise type(error)(error.errno, what, str(target.parent)) from None
    try:
        with os.fdopen(descriptor, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
    _flush_directory(target.parent)


def remove_leftovers(path: str | os.PathLike) -> None:
    """Remove what processes have left behind that were killed while replacing `path`."""
    path = Path(path)
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        leftover.unlink(missing_ok=True)


def check_writable(directory: str | os.PathLike) -> None:
    """OSError if a file cannot be replaced in `directory`: better now than after hours of work."""
    probe = Path(directory) / f".{os.urandom(6).hex()}.probe"
    with replacing(probe) as file:
        file.write(b"0")
    probe.unlink()


def _flush_directory(directory: Path) -> None:
    """Make the new name survive a power failure; not all systems let a directory be flushed."""
    with suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
