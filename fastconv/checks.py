"""Arguments that are numbers."""

from __future__ import annotations

import math
import numbers
from typing import Any

import numpy as np


def number(
    value: Any, name: str, low: float = -math.inf, high: float = math.inf, open_end: bool = False
) -> float:
    """`value` as a finite float from `low` to `high`; `open_end` excludes `high`.

    Raises TypeError for what is no real number, ValueError for one that is out of range.

    >>> number(3, "rho", 0)
    3.0
    >>> number(1, "beta", 0, 1, open_end=True)
    Traceback (most recent call last):
    ValueError: `beta` must be finite with 0 <= beta < 1, received 1
    """
    if isinstance(value, np.ndarray) and value.shape == ():
        value = value.item()
    if isinstance(value, (bool, str)) or not isinstance(value, numbers.Real):
        raise TypeError(f"`{name}` must be a number, received {value!r}")
    result = float(value)
    if not (math.isfinite(result) and low <= result <= high) or (open_end and result == high):
        bound = f"{low} <= {name} {'<' if open_end else '<='} {high}"
        raise ValueError(f"`{name}` must be finite with {bound}, received {value!r}")
    return result
