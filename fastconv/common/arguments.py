"""Arguments that are integers, other numbers, choices or names."""

from __future__ import annotations

import math
import numbers
import operator
from typing import Any

import numpy as np

from fastconv.common.suggestions import did_you_mean


def as_integer(value: Any) -> int | None:
    """Return `value` as an int, or None if it is not an integer.

    An integer has `__index__`: Python's, NumPy's and a NumPy array of one integer without axes. A
    bool and a float (even 2.0) are not integers.

    >>> as_integer(np.int64(3)), as_integer(True), as_integer(2.0)
    (3, None, None)
    """
    if isinstance(value, bool):
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None


def number(
    value: Any,
    name: str,
    low: float = -math.inf,
    high: float = math.inf,
    *,
    above: bool = False,
    below: bool = False,
) -> float:
    """`value` as a finite float from `low` to `high`; `above` excludes `low`, `below` `high`.

    Raises TypeError for a value that is not a real number, ValueError for one out of range.

    >>> number(3, "rho", 0)
    3.0
    >>> number(1, "beta", 0, 1, below=True)
    Traceback (most recent call last):
    ValueError: `beta` must be finite and at least 0 and below 1, received 1
    """
    if isinstance(value, np.ndarray) and value.shape == ():
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"`{name}` must be a number, received {value!r}")
    try:
        result = float(value)
    except OverflowError:  # an integer beyond 1e308
        result = math.inf if value > 0 else -math.inf
    outside = (
        result < low or result > high or (above and result == low) or (below and result == high)
    )
    if outside or not math.isfinite(result):
        wanted = ["finite"]
        if low > -math.inf:
            wanted.append(f"{'above' if above else 'at least'} {low:g}")
        if high < math.inf:
            wanted.append(f"{'below' if below else 'at most'} {high:g}")
        raise ValueError(f"`{name}` must be {' and '.join(wanted)}, received {value!r:.100}")
    return result


def choice(value: Any, name: str, options: tuple[str, ...]) -> str:
    """Return `value` if it is one of `options`; otherwise TypeError or ValueError with a list."""
    if not isinstance(value, str):
        raise TypeError(f"`{name}` must be a string, received {value!r}")
    if value not in options:
        listed = ", ".join(f'"{option}"' for option in options)
        raise ValueError(
            f"`{name}` must be one of {listed}, received {value!r}{did_you_mean(value, options)}"
        )
    return value


def is_text(value: Any) -> bool:
    """Return whether `value` is a string that UTF-8 can hold."""
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:  # half a surrogate pair
        return False
    return True


def is_name(value: Any) -> bool:
    """Return whether `value` is a string that every file format can hold: not empty, without a NUL,
    and of characters that UTF-8 has."""
    return is_text(value) and value != "" and "\0" not in value


def name_or(name: Any, default: str) -> str:
    """`name`, or `default` for None or ""; ValueError if it is not a name (`is_name`)."""
    if name is None or name == "":
        return default
    if not is_name(name):
        raise ValueError(f"`name` must be a non-empty string, received {name!r:.100}")
    return name
