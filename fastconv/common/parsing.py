"""One boundary around the code that makes objects of data from elsewhere.

What a file or a configuration holds may be anything, and so may be the error that it leads to deep
inside: a KeyError, an OverflowError, too deep a recursion. `parsing` turns all of them into the one
error that the caller documents.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from fastconv.errors import FormatError

# The code whose errors are about the data: fastconv, and what it calls.
_TRUSTED = {"fastconv", "h5py", "numpy"} | set(sys.stdlib_module_names)


@contextmanager
def parsing(
    what: str,
    hint: str = "",
    raised: type[ValueError] = FormatError,
    passing: tuple[type[Exception], ...] = (),
) -> Iterator[None]:
    """Turns errors inside of the block into `raised`, whose text is `what`, the error, and `hint`.

    Errors that pass: those that are `raised` or one of `passing` already; a MemoryError that says
    how much; warnings that the user wants as errors; errors in code of the user's own, such as the
    class of a layer; and those that are no `Exception`, such as KeyboardInterrupt.
    """
    try:
        yield
    except (raised, *passing):
        raise
    except Exception as error:
        sized = isinstance(error, MemoryError) and str(error)
        if sized or isinstance(error, Warning) or _in_own_code(error):
            raise
        said = str(error) if isinstance(error, (ValueError, TypeError, OSError)) else repr(error)
        raise raised(f"{what}: {said[:2000]}{hint}") from error


def _in_own_code(error: BaseException) -> bool:
    """Whether code of the user's own ran when the error was raised."""
    trace = error.__traceback__
    while trace is not None:
        module = trace.tb_frame.f_globals.get("__name__") or ""
        if module.partition(".")[0] not in _TRUSTED:
            return True
        trace = trace.tb_next
    return False
