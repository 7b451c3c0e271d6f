"""Finds the files of a data set on this machine, or downloads them once.

A data set is a few gzipped files with known names and SHA-256 sums. `find_or_download` searches for
a folder that contains *all* of them, because two folders could contain two versions. `name` and
`name.gz` are equivalent. Only downloads are verified by their sums; files of a user are checked
when they are read.
"""

from __future__ import annotations

import hashlib
import os
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

__all__ = ["DataSet", "RemoteFile", "cache_folder", "find_in", "find_or_download"]

_TIMEOUT = 30  # seconds without a byte
_CHUNK = 1 << 16

# Called with the name of a file and its length, if known, when its download begins; returns a
# function that is called with the number of bytes of each piece.
Begin = Callable[[str, "int | None"], Callable[[int], None]]


class RemoteFile(NamedTuple):
    name: str  # without ".gz"
    sha256: str  # of the content, decompressed: mirrors compress differently
    max_bytes: int  # a download that grows beyond this is not this file
    as_sent: bool = False  # sum and length are of the gzipped file, since no others are published


class DataSet(NamedTuple):
    name: str  # also the folder's name, below `data/` and the cache
    files: tuple[RemoteFile, ...]
    urls: tuple[str, ...]  # folders that offer `<file name>.gz`, in the order they are tried
    shares_names: bool = False  # another data set's files are called the same


def cache_folder() -> Path:
    """Where downloads are kept: `$XDG_CACHE_HOME/fastconv`, by default `~/.cache/fastconv`."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG base directory specification: a relative path there is invalid and ignored.
    return (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / "fastconv"


def find_or_download(data: DataSet) -> list[Path]:
    """The paths of the data set's files, in its order.

    Raises:
        ConnectionError: the files are not on this machine and no source delivered them; the
            message says where to put them by hand.
        OSError: the cache cannot be written.
    """
    for folder in _folders(data):
        paths = files_in(folder, data)
        if paths is not None:
            return paths
    return _download(data, cache_folder() / data.name)


def files_in(folder: Path, data: DataSet) -> list[Path] | None:
    """The data set's files in one folder; None unless all are there."""
    paths = []
    for file in data.files:
        candidates = [folder / file.name, folder / f"{file.name}.gz"]
        found = next((path for path in candidates if path.is_file()), None)
        if found is None:
            return None
        paths.append(found)
    return paths


def find_in(path: str | os.PathLike[str], data: DataSet) -> list[Path]:
    """The data set's files in the folder that a user named.

    Raises FileNotFoundError unless all are there.
    """
    found = files_in(Path(path), data)
    if found is None:
        names = ", ".join(file.name for file in data.files)
        raise FileNotFoundError(
            f"`path` must be a folder that holds {names} (each may end in .gz), received "
            f"{str(path)!r}"
        )
    return found


def _folders(data: DataSet) -> Iterator[Path]:
    """Where a data set may be, in the order of preference."""
    chosen, name = os.environ.get("FASTCONV_DATA"), data.name
    if chosen:
        yield Path(chosen, name)
        if not data.shares_names:
            yield Path(chosen)
    checkout = Path(__file__).resolve().parents[2]
    # Above an installed package, a folder `data/` would belong to another project.
    if (checkout / "pyproject.toml").is_file():
        yield checkout / "data" / name
    yield cache_folder() / name


def _download(data: DataSet, folder: Path) -> list[Path]:
    failures = []
    for base in data.urls:
        try:
            with _progress() as begin:
                for file in data.files:
                    target = folder / f"{file.name}.gz"
                    if not target.exists():
                        _download_file(f"{base.rstrip('/')}/{target.name}", file, target, begin)
        except _Refused as error:
            failures.append(str(error))
            continue
        return [folder / f"{file.name}.gz" for file in data.files]
    names = ", ".join(f"{file.name}.gz" for file in data.files)
    raise ConnectionError(
        f"the data set {data.name!r} is not on this machine and could not be downloaded "
        f"({'; '.join(failures)}): put {names} into {folder}, or into the subfolder {data.name} of "
        "a folder of your own that the environment variable FASTCONV_DATA names"
    )


class _Refused(Exception):
    """One source did not deliver a file; the next one is tried."""


def _download_file(url: str, file: RemoteFile, target: Path, begin: Begin) -> None:
    """Downloads to a temporary file beside `target`, which appears only whole and verified."""
    from fastconv.saving.atomic import replacing

    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target) as out:
        check = _Checker(url, file)
        for chunk in _chunks(url, file.name, begin):
            check.update(chunk)
            out.write(chunk)
        check.finish()


def _chunks(url: str, name: str, begin: Begin) -> Iterator[bytes]:
    """The bytes behind a URL.  Its errors mean "try another source"; a full disk does not."""
    from http.client import HTTPException
    from urllib.request import urlopen

    try:
        with urlopen(url, timeout=_TIMEOUT) as response:
            length = response.headers.get("Content-Length", "")
            report = begin(name, int(length) if length.isascii() and length.isdecimal() else None)
            while chunk := response.read(_CHUNK):
                report(len(chunk))
                yield chunk
    except (OSError, HTTPException) as error:
        raise _Refused(f"{url}: {error}") from error


class _Checker:
    """Decompresses a download to hash it, and to stop if it is too large."""

    def __init__(self, url: str, file: RemoteFile) -> None:
        self.url, self.file = url, file
        self.stream = zlib.decompressobj(wbits=31)
        self.hash = hashlib.sha256()
        self.size = 0

    def update(self, chunk: bytes) -> None:
        try:
            if self.file.as_sent:
                self._count(chunk)
            while chunk:
                content = self.stream.decompress(chunk, _CHUNK)
                if not self.file.as_sent:
                    self._count(content)
                chunk = self.stream.unconsumed_tail
        except zlib.error as error:
            raise _Refused(f"{self.url}: not the gzip file expected ({error})") from None
        if self.stream.unused_data:
            raise _Refused(f"{self.url}: bytes follow after the end of the gzip data")

    def _count(self, content: bytes) -> None:
        self.size += len(content)
        if self.size > self.file.max_bytes:
            raise _Refused(f"{self.url}: more than {self.file.max_bytes} bytes")
        self.hash.update(content)

    def finish(self) -> None:
        if not self.stream.eof:
            raise _Refused(f"{self.url}: the download ended early")
        if self.hash.hexdigest() != self.file.sha256:
            raise _Refused(
                f"{self.url}: SHA-256 must be {self.file.sha256}, received {self.hash.hexdigest()}"
            )


@contextmanager
def _progress() -> Iterator[Begin]:
    """Live bars on standard error, one per file, where that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda name, total: lambda arrived: None
        return
    from rich import console, progress

    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.DownloadColumn(),
        progress.TransferSpeedColumn(),
    )
    with progress.Progress(*columns, console=console.Console(stderr=True)) as bar:

        def begin(name: str, total: int | None) -> Callable[[int], None]:
            task = bar.add_task(f"downloading {name}", total=total)
            return lambda arrived: bar.advance(task, arrived)

        yield begin
