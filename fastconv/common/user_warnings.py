"""Warnings that point at the line of the user's program, however deep in fastconv they arise."""

from __future__ import annotations

import sys
import warnings


def warn_user(message: str) -> None:
    """A `UserWarning` at the innermost call that comes from outside of fastconv."""
    frame, level = sys._getframe(1), 2
    while frame is not None and _is_own(frame.f_globals.get("__name__", "")):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, UserWarning, stacklevel=level)


def _is_own(module: str) -> bool:
    return module.partition(".")[0] in ("fastconv", "contextlib")  # which lies between its `with`s
