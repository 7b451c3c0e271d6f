"""Names of modules that moved: the old name works for one version, with a warning."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from importlib import import_module
from typing import Any


def renamed(name: str, names: Sequence[str], old: str, new: str) -> Any:
    """The object `name` of module `new`, for the `__getattr__` of module `old`.

    Gives a DeprecationWarning at the line that uses the old name. Raises AttributeError if `name`
    is not one of the `names` that `old` had.
    """
    if name not in names:
        raise AttributeError(f"module {old!r} has no attribute {name!r}")
    warnings.warn(
        f"{old}.{name} is now {new}.{name}; the old name will be removed in the next version",
        DeprecationWarning,
        stacklevel=3,
    )
    return getattr(import_module(new), name)
