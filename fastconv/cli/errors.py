"""Which errors are the user's to mend, and how an error becomes one line."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Iterable, Iterator


class InputError(Exception):
    """The arguments, or what they name, cannot be what is meant: exit code 2."""


@contextlib.contextmanager
def checked_input(about: str = "") -> Iterator[None]:
    """Around whatever looks at arguments and reads what they name: its errors become InputErrors.

    `about` is put before the message, if it does not say already what the matter is with.
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
    names = sorted(names)
    near = difflib.get_close_matches(wanted.lower(), names, n=1, cutoff=0.6)
    return f"did you mean {near[0]!r}?" if near else f"there are {', '.join(names)}"
