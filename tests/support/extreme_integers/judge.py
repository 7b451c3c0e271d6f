"""What a call with an extreme integer may do: pass, or raise a documented error in time."""

from __future__ import annotations

import faulthandler
import sys
import time
from contextlib import redirect_stdout
from io import StringIO

SECONDS = 30  # until a call counts as hanging, however busy the machine is
DOCUMENTED = (TypeError, ValueError, MemoryError)


def judge(what: str, check) -> int:
    """Run `check()`: 0 if it passes or raises a documented error, 1 after a line that says why.

    More than the memory may be asked for, and is refused with its size.
    """
    _watch()
    print(f"trying {what}", file=sys.stderr, flush=True)
    try:
        with redirect_stdout(StringIO()):
            check()
    except DOCUMENTED as error:
        return 0 if str(error) else _complain(what, error)
    except BaseException as error:
        return _complain(what, error)
    return 0


_watched_since = 0.0


def _watch() -> None:
    """End the program `SECONDS` from now, unless called again; begun anew once a second at most,
    because that takes a thread."""
    global _watched_since
    if time.monotonic() - _watched_since > 1:
        faulthandler.dump_traceback_later(SECONDS, exit=True, file=sys.__stderr__)
        _watched_since = time.monotonic()


def _complain(what: str, error: BaseException) -> int:
    print(f"{what}: {type(error).__name__}: {str(error)[:300]}", flush=True)
    return 1
