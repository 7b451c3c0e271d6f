"""Writes files atomically: readers never see a partial file, and none is left behind.

    unnamed          written and flushed to disk (Linux: `O_TMPFILE`)
    .fastconv-*.tmp  linked, then renamed at once; elsewhere, written under this name
    the target       after the rename; then the directory is flushed

A process that is killed leaves nothing while the file is unnamed. A leftover under the temporary
name is removed by the next process that writes to the directory. A writer holds a lock on its file
(`flock`), which ends with the process: a file that can be locked does not have a writer.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # Windows, where an open file cannot be removed, which replaces the lock
    fcntl = None

_PREFIX, _SUFFIX = ".fastconv-", ".tmp"
_UNNAMED = getattr(os, "O_TMPFILE", 0)
_NOT_SUPPORTED = (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT)

_swept: set[str] = set()  # directories already checked by this process


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file that replaces `path` when the `with` block ends.

    It is written in the same directory, flushed to disk, and renamed to `path`; then the directory
    is flushed. If anything fails before that (an exception, a full disk, the end of the process),
    the old file remains intact. A link is followed.

    Raises OSError if the directory does not exist or is not writable.
    """
    target = Path(os.path.realpath(path))
    _sweep_once(target.parent)
    descriptor, name = _open_beside(target)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            if name is None:
                name = _linked(file.fileno(), target.parent)
            if fcntl is not None:  # before the file is closed, which releases its lock
                os.replace(name, target)
        if fcntl is None:
            os.replace(name, target)
    except BaseException:
        if name is not None:
            with suppress(OSError):
                os.unlink(name)
        raise
    _flush_directory(target.parent)


def check_writable(directory: str | os.PathLike[str]) -> None:
    """Raise OSError if files in `directory` cannot be replaced; for use before a long run."""
    directory = Path(directory)
    remove_leftovers(directory)
    descriptor, name = _open_beside(directory / "file")
    with os.fdopen(descriptor, "w+b") as file:
        try:
            file.write(b"0")
        finally:
            if name is not None and fcntl is not None:
                os.unlink(name)
    if name is not None and fcntl is None:
        os.unlink(name)


def remove_leftovers(directory: str | os.PathLike[str]) -> None:
    """Remove the temporary files in `directory` whose writers were killed."""
    with suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            if entry.name.startswith(_PREFIX) and entry.name.endswith(_SUFFIX):
                with suppress(OSError):
                    _remove_stale(entry.path)


def _sweep_once(directory: Path) -> None:
    """Call `remove_leftovers` when this process first writes to the directory."""
    if str(directory) not in _swept:  # a race between two threads is harmless
        _swept.add(str(directory))
        remove_leftovers(directory)


def _remove_stale(path: str) -> None:
    """Remove `path` unless a writer has it open; OSError if one has, or if that is unknown."""
    if fcntl is None:
        os.unlink(path)
        return
    descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(path)
    finally:
        os.close(descriptor)


def _open_beside(target: Path) -> tuple[int, str | None]:
    """Return a new locked file in the directory of `target`, and its name, None if unnamed. An
    OSError names `target`, or its directory if that is missing."""
    try:
        return _opened(target.parent)
    except (FileNotFoundError, NotADirectoryError) as error:
        what = f"no such directory, to write {target.name!r} into"
        raise type(error)(error.errno, what, str(target.parent)) from None
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(target)) from None


def _opened(directory: Path) -> tuple[int, str | None]:
    if _UNNAMED and os.path.isdir("/proc/self/fd"):  # needed to name the file later
        try:
            descriptor = os.open(directory, os.O_RDWR | _UNNAMED, 0o666)
        except OSError as error:
            if error.errno not in _NOT_SUPPORTED:
                raise
        else:
            _lock(descriptor)
            return descriptor, None
    while True:
        name = _new_name(directory)
        # Not tempfile: its files are readable by the owner only, even after the rename.
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        descriptor = os.open(name, flags, 0o666)
        _lock(descriptor)
        if fcntl is None or os.fstat(descriptor).st_nlink:
            return descriptor, name
        os.close(descriptor)  # another process removed it as stale before it was locked


def _linked(descriptor: int, directory: Path) -> str:
    """Link the unnamed file into `directory` and return its name there."""
    name = _new_name(directory)
    # A directory descriptor, unused for an absolute path, makes the call follow the link.
    start = os.open("/proc/self/fd", os.O_RDONLY)
    try:
        os.link(str(descriptor), name, src_dir_fd=start, follow_symlinks=True)
    finally:
        os.close(start)
    return name


def _new_name(directory: Path) -> str:
    return str(directory / f"{_PREFIX}{os.urandom(8).hex()}{_SUFFIX}")


def _lock(descriptor: int) -> None:
    if fcntl is not None:
        with suppress(OSError):  # a file system without locks: leftovers remain there
            fcntl.flock(descriptor, fcntl.LOCK_EX)


def _flush_directory(directory: Path) -> None:
    """Make the rename survive a power failure; not all systems can flush a directory."""
    with suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
