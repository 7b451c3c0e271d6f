"""Downloads a file that a program asks for, once."""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
import tempfile
import zipfile
from http.client import HTTPException
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit
from urllib.request import urlopen

_TIMEOUT = 30  # seconds without a byte
_CHUNK = 1 << 16
_ALGORITHMS = {"md5": 32, "sha256": 64}  # and the hexadecimal digits of their sums
_FORMATS = ("auto", "tar", "zip", None)


def get_file(
    fname: str | os.PathLike[str] | None = None,
    origin: str | None = None,
    untar: bool = False,
    md5_hash: str | None = None,
    file_hash: str | None = None,
    cache_subdir: str = "datasets",
    hash_algorithm: str = "auto",
    extract: bool = False,
    archive_format: str | None = "auto",
    cache_dir: str | os.PathLike[str] | None = None,
    force_download: bool = False,
) -> str:
    """Return the path of a file that is downloaded unless it is in the cache.

    Args:
        fname: name in the cache; by default that at the end of `origin`.
        origin: the address, "https://...", also "file://...".
        untar, extract: whether the file is an archive to unpack; the path of the folder is
            returned.
        md5_hash, file_hash: hexadecimal sum of the file, which is verified after the download, and
            in the cache: another file is downloaded again.
        cache_subdir: folder below `cache_dir`.
        hash_algorithm: "md5", "sha256", or "auto" by the length of `file_hash`.
        archive_format: "tar" (also compressed), "zip", "auto" for the one that it is, or None not
            to unpack.
        cache_dir: by default `~/.cache/fastconv`, or the folder below `$XDG_CACHE_HOME`.
        force_download: download although the file is in the cache.

    An unfinished download leaves no file. Members of an archive that lie outside of its folder are
    refused.

    Raises:
        ValueError: no address or name, a path instead of a name, an unknown algorithm or format, a
            file that is not such an archive, a wrong sum.
        ConnectionError: the download fails.
        OSError: the cache cannot be written.
    """
    from fastconv.datasets._files import cache_folder
    from fastconv.saving.atomic import replacing

    if not origin:
        raise ValueError("`origin` must be the address of the file, received none")
    name = os.fspath(fname) if fname else os.path.basename(urlsplit(origin).path)
    if not name or os.path.basename(name) != name:
        raise ValueError(f"`fname` must be the name of a file without a folder, received {fname!r}")
    if archive_format not in _FORMATS:
        raise ValueError(f"`archive_format` must be one of {_FORMATS}, received {archive_format!r}")
    if md5_hash is not None and file_hash is None:
        file_hash, hash_algorithm = md5_hash, "md5"
    algorithm = _algorithm(hash_algorithm, file_hash)
    unpacked = bool(untar or extract) and archive_format is not None
    folder = Path(cache_folder() if cache_dir is None else cache_dir).expanduser() / cache_subdir
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / (f"{name}_archive" if unpacked else name)
    if force_download or not target.exists() or _sum(target, algorithm) != file_hash:
        with replacing(target) as file:
            received = _download(origin, file, algorithm)
            if received != file_hash:
                raise ValueError(
                    f"{origin}: the {algorithm} sum must be {file_hash}, received {received}"
                )
        if unpacked:
            shutil.rmtree(folder / name, ignore_errors=True)
    if not unpacked:
        return str(target)
    if not (folder / name).exists():
        _unpack(target, folder / name, "tar" if untar and not extract else archive_format)
    return str(folder / name)


def _algorithm(name: str, file_hash: str | None) -> str | None:
    """Return the algorithm of `file_hash`; None without one."""
    if name != "auto" and name not in _ALGORITHMS:
        raise ValueError(
            f"`hash_algorithm` must be one of {['auto', *_ALGORITHMS]}, received {name!r}"
        )
    if file_hash is None:
        return None
    lengths = {length: each for each, length in _ALGORITHMS.items()}
    chosen = lengths.get(len(file_hash)) if name == "auto" else name
    if chosen is None or len(file_hash) != _ALGORITHMS[chosen]:
        raise ValueError(
            f"`file_hash` must have the digits of a sum, {_ALGORITHMS}, received {file_hash!r:.100}"
        )
    return chosen


def _sum(path: Path, algorithm: str | None) -> str | None:
    """Return the sum of a file; None without an algorithm."""
    if algorithm is None:
        return None
    digest = hashlib.new(algorithm)
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _download(origin: str, file: BinaryIO, algorithm: str | None) -> str | None:
    """Write the file to the open `file`; return its sum, None without an algorithm."""
    digest = hashlib.new(algorithm or "sha256")
    try:
        with urlopen(origin, timeout=_TIMEOUT) as response:
            while chunk := response.read(_CHUNK):
                digest.update(chunk)
                file.write(chunk)
    except (OSError, HTTPException, ValueError) as error:
        raise ConnectionError(f"{origin}: {error}") from error
    return digest.hexdigest() if algorithm else None


def _unpack(archive: Path, folder: Path, archive_format: str | None) -> None:
    """Unpack into a new folder that appears when it is complete."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        content = Path(temporary) / "content"
        content.mkdir()
        try:
            if archive_format in ("auto", "tar") and tarfile.is_tarfile(archive):
                with tarfile.open(archive) as tar:
                    tar.extractall(content, filter="data")
            elif archive_format in ("auto", "zip") and zipfile.is_zipfile(archive):
                with zipfile.ZipFile(archive) as zipped:
                    zipped.extractall(content)
            else:
                raise ValueError(f"{archive}: not an archive of format {archive_format!r}")
        except (tarfile.TarError, zipfile.BadZipFile, EOFError) as error:
            raise ValueError(f"{archive}: a damaged or refused archive: {error}") from error
        os.rename(content, folder)
