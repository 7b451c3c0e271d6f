"""Which errors are the user's to mend, and how an error becomes one line."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from fastconv.common.suggestions import did_you_mean_one_of


class InputError(Exception):
    """An invalid argument, or an argument that names an unusable file: exit code 2."""


@contextlib.contextmanager
def checked_input(about: str = "") -> Iterator[None]:
    """Turn the errors of the block, which checks arguments and reads their files, into InputErrors.

    `about` precedes the message unless the message contains it.
    """
    try:
        yield
    except (ValueError, TypeError, OSError, ImportError) as error:
        message = one_line(error)
        raise InputError(message if about in message else f"{about}: {message}") from error


def one_line(error: BaseException) -> str:
    """The message of an error, with the file it is about, on one line."""
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    message = " ".join(str(error).split())
    return message or type(error).__name__


def suggestion(wanted: str, names: Iterable[str]) -> str:
    """Words that end a message about an unknown name: the nearest one, or all there are."""
    return did_you_mean_one_of(wanted, sorted(names))


def check_at_least(options: argparse.Namespace, *names: str, minimum: int = 1) -> None:
    """InputError if one of the options is given and below `minimum`."""
    for name in names:
        value = getattr(options, name)
        if value is not None and value < minimum:
            raise InputError(f"`{name}` must be at least {minimum}, received {value}")


def check_writable(option: str, path: str | None) -> None:
    """InputError if the file `path`, which `option` names, is a folder or in none."""
    if path is None:
        return
    if not Path(path).parent.is_dir():
        raise InputError(f"{option} {path}: the folder {Path(path).parent} does not exist")
    if Path(path).is_dir():
        raise InputError(f"{option} {path}: must be a file, and is a folder")


def check_folder(option: str, path: str | None) -> None:
    """InputError if `path`, which `option` names, is not a folder and cannot become one."""
    if path is not None and Path(path).exists() and not Path(path).is_dir():
        raise InputError(f"{option} {path}: must be a folder, and is a file")
