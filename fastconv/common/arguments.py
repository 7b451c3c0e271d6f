"""Arguments that are integers, other numbers, choices or names."""

from __future__ import annotations

import math
import numbers
import operator
from typing import Any

import numpy as np

from fastconv.common.suggestions import did_you_mean

INT64_MAX = 2**63 - 1


class WrongType(TypeError, ValueError):
    """An argument of the wrong type: a `TypeError`, and the `ValueError` that Keras raises."""


_INT_OR_PAIR = "an integer or a pair of integers"


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


def plain(value: Any) -> Any:
    """Convert NumPy scalars and arrays to Python objects, so that one rule checks both."""
    return value.tolist() if hasattr(value, "tolist") else value


def integer_part(part: Any, name: str, received: Any, minimum: int, wanted: str) -> int:
    """Return one integer of an argument; `received` is the whole argument, for the message."""
    result = as_integer(part)
    if result is None:
        kind = type(part).__name__
        raise WrongType(f"`{name}` must be {wanted}, received {received!r} ({kind})")
    if result < minimum:
        bound = {0: "not be negative", 1: "be positive"}.get(minimum, f"be at least {minimum}")
        raise ValueError(f"`{name}` must {bound}, received {received!r}")
    if result > INT64_MAX:
        raise ValueError(f"`{name}` must fit in 64 bits, received {received!r}")
    return result


def normalize_int(value: Any, name: str, *, minimum: int = 1) -> int:
    """Return `value` as a Python int of at least `minimum` that fits in 64 bits.

    Accepts any integer type (`np.int64(3)` too); a bool, a float (even 2.0), a string or a sequence
    raises TypeError; a number out of range raises ValueError.

    >>> normalize_int(3, "groups")
    3
    >>> normalize_int(0, "groups")
    Traceback (most recent call last):
    ValueError: `groups` must be positive, received 0
    """
    return integer_part(plain(value), name, value, minimum, "an integer")


def normalize_pair(value: Any, name: str, *, minimum: int = 1) -> tuple[int, int]:
    """Return an int-or-pair argument as (rows, columns), both at least `minimum`.

    Raises TypeError if a part is not an integer, ValueError if one is out of range or their count
    is not two.

    >>> normalize_pair(2, "strides"), normalize_pair([2, 1], "strides")
    ((2, 2), (2, 1))
    >>> normalize_pair((0, 1), "strides")
    Traceback (most recent call last):
    ValueError: `strides` must be positive, received (0, 1)
    """
    parts = plain(value)
    if not isinstance(parts, (tuple, list)):
        parts = (parts, parts)
    elif len(parts) != 2:
        raise ValueError(f"`{name}` must be {_INT_OR_PAIR}, received {value!r} with {len(parts)}")
    rows, columns = (integer_part(part, name, value, minimum, _INT_OR_PAIR) for part in parts)
    return rows, columns


def number(
    value: Any,
    name: str,
    low: float = -math.inf,
    high: float = math.inf,
    *,
    above: bool = False,
    below: bool = False,
) -> float:
    """Return `value` as a finite float in [low, high]; `above` excludes `low`, `below` `high`.

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
        raise WrongType(f"`{name}` must be a number, received {value!r}")
    try:
        result = float(value)
    except OverflowError:  # an integer beyond 1e308
        result = -math.inf if value <= 0.0 else math.inf
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
    """Return `value` if it is one of `options`; otherwise raise TypeError or ValueError.

    >>> choice("adge", "padding_mode", ("zeros", "edge"))
    Traceback (most recent call last):
    ValueError: `padding_mode` must be one of "zeros", "edge", received 'adge'; did you mean 'edge'?
    """
    if not isinstance(value, str):
        raise WrongType(f"`{name}` must be a string, received {value!r}")
    if value not in options:
        listed = ", ".join(f'"{option}"' for option in options)
        raise ValueError(
            f"`{name}` must be one of {listed}, received {value!r}{did_you_mean(value, options)}"
        )
    return value


def one_of(value: Any, name: str, known: tuple[str | None, ...]) -> None:
    """Raise ValueError if an argument of a class is not one of the `known` values.

    >>> one_of("minn", "mode", ("min", None))
    Traceback (most recent call last):
    ValueError: `mode` must be one of ('min', None), received 'minn'; did you mean 'min'?
    """
    if value not in known:
        raise ValueError(
            f"`{name}` must be one of {known}, received {value!r}{did_you_mean(value, known)}"
        )


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
    """Return `name`, or `default` for None or ""; ValueError for an invalid name (`is_name`)."""
    if name is None or name == "":
        return default
    if not is_name(name):
        raise ValueError(f"`name` must be a non-empty string, received {name!r:.100}")
    return name
