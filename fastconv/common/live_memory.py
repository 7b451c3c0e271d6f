"""Frees models that are not used any more before they fill the memory.

A model is full of cycles (layers know their calls, calls their layers), so it goes when Python
collects cycles, and Python counts objects for that, not bytes: ten dropped models of a hundred
megabytes are few objects. So the large arrays are counted here, and cycles are collected when they
take twice what they took after the last collection.
"""

from __future__ import annotations

import gc
import os
import threading
import weakref
from collections import deque

import numpy as np

_SMALL = 2**16  # bytes; smaller arrays are left to Python's own count
_FLOOR = 64 * 2**20  # bytes of live arrays below which nothing is collected


class _Live:
    """Bytes of the arrays that are alive, and the number at which to collect."""

    nbytes = 0
    limit = _FLOOR
    lock = threading.RLock()


# Finalizers run at any moment, within this code as well, so all that they do is one append.
_freed: deque[int] = deque()


def count_array(array: np.ndarray) -> None:
    """Count `array`, which owns its memory, for as long as it lives."""
    if array.nbytes < _SMALL:
        return
    weakref.finalize(array, _freed.append, array.nbytes).atexit = False
    with _Live.lock:
        _Live.nbytes += array.nbytes
        _settle()


def make_room(nbytes: int) -> None:
    """Collect cycles if `nbytes` more would make the live arrays twice as large as they were."""
    with _Live.lock:
        _settle()
        full = nbytes >= _SMALL and _Live.nbytes + nbytes > _Live.limit
    if full and gc.isenabled():
        gc.collect()
        with _Live.lock:
            _settle()
            _Live.limit = max(_FLOOR, 2 * (_Live.nbytes + nbytes))


def _renew_lock() -> None:
    """In a forked child: a thread that held the lock is not there to release it."""
    _Live.lock = threading.RLock()


os.register_at_fork(after_in_child=_renew_lock)


def _settle() -> None:
    """Take off what has been freed; the lock is held."""
    while _freed:
        _Live.nbytes -= _freed.popleft()
