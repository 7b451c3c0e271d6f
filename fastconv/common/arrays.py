"""Checks and allocation of NumPy arrays."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastconv.common.live_memory import count_array, make_room

ALIGNMENT = 64  # bytes: a cache line, and the widest vector register


def real_array(value: Any, what: str) -> np.ndarray:
    """Return `value` as an array of integers or floats; TypeError naming `what` otherwise."""
    array = np.asarray(value)
    if array.dtype.kind not in "iuf":
        raise TypeError(f"{what} must hold integers or floats, received dtype {array.dtype}")
    return array


def read_only(array: np.ndarray) -> np.ndarray:
    """Return a view of `array` that cannot be written to."""
    view = array.view()
    view.flags.writeable = False
    return view


def aligned_zeros(nbytes: int) -> np.ndarray:
    """Return `nbytes` zero bytes that start at a multiple of `ALIGNMENT`."""
    make_room(nbytes)
    raw = np.zeros(nbytes + ALIGNMENT, np.uint8)
    count_array(raw)
    return _aligned_part(raw)


def aligned_empty(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Return a new array of undefined values that starts at a multiple of `ALIGNMENT`.

    A vector that crosses a cache line takes two stores.
    """
    dtype = np.dtype(dtype)
    raw = np.empty(math.prod(shape) * dtype.itemsize + ALIGNMENT, np.uint8)
    return _aligned_part(raw).view(dtype).reshape(shape)


def _aligned_part(raw: np.ndarray) -> np.ndarray:
    """Return the bytes of `raw` from the first multiple of `ALIGNMENT`, without the surplus."""
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + raw.size - ALIGNMENT]
