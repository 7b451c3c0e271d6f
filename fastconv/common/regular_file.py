"""Opening files to read without waiting: a FIFO or a device may never end, or never begin."""

from __future__ import annotations

import errno
import io
import os
import stat

from fastconv.errors import FormatError

_KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)

# An open file, or a part of one as a file.
ReadableFile = io.BufferedReader | io.RawIOBase


def open_regular(path: str | os.PathLike[str]) -> io.BufferedReader:
    """The file at `path`, open for reading bytes.

    Raises OSError if it is not there, is a directory or cannot be read, FormatError if it is not
    a regular file.
    """
    # A FIFO without a writer would let a blocking `open` wait.
    descriptor = os.open(path, _FLAGS | getattr(os, "O_BINARY", 0))
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
        if not stat.S_ISREG(mode):
            kind = _KINDS.get(stat.S_IFMT(mode), "something else")
            raise FormatError(f"{os.fspath(path)}: must be a regular file, received {kind}")
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise
