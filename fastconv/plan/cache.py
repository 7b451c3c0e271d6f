"""Plans that are not in use, a bounded number of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable

import numpy as np

from fastconv.parameters import aligned_zeros
from fastconv.plan.plan import Plan


class _Entry:
    """A plan and its key: in a `with` block the plan, after it one of the idle ones.

    Not a generator, which would take longer than some operations of a small network.
    """

    __slots__ = ("cache", "key", "plan")

    def __init__(self, cache: PlanCache, key: Hashable, plan: Plan):
        self.cache, self.key, self.plan = cache, key, plan

    def __enter__(self) -> Plan:
        return self.plan

    def __exit__(self, *error: object) -> None:
        self.cache.put_back(self)


class PlanCache:
    """Lends plans by key, each to one thread at a time; makes one when none is idle.

    At most `capacity` idle plans are kept, the least recently used are dropped: a last partial
    batch finds its plan again each epoch, ever new batch sizes do not fill the memory.

    Training plans share one arena, since only one of them runs at a time (a model is trained by
    one `fit` at a time): two batch sizes need the memory of the larger only.
    """

    def __init__(self, capacity: int = 8):
        self._capacity = capacity
        self._idle: list[_Entry] = []  # least recently used first
        self._lock = threading.Lock()
        self._training_block = np.empty(0, np.uint8)

    def lend(self, key: Hashable, make: Callable[[], Plan]) -> _Entry:
        """A plan for `key`, for a `with` block."""
        idle = self._idle
        with self._lock:
            for entry in reversed(idle):
                if entry.key == key:
                    idle.remove(entry)
                    return entry
        return _Entry(self, key, make())

    def put_back(self, entry: _Entry) -> None:
        """Keep a plan that is idle now."""
        idle = self._idle
        with self._lock:
            idle.append(entry)
            if len(idle) > self._capacity:
                del idle[0]

    def training_arena(self, nbytes: int) -> np.ndarray:
        """The block that training plans share, enlarged if need be."""
        if self._training_block.size < nbytes:
            self._training_block = aligned_zeros(nbytes)
        return self._training_block

    def clear(self) -> None:
        """Drop all idle plans and their memory."""
        with self._lock:
            self._idle.clear()
            self._training_block = np.empty(0, np.uint8)

    def __len__(self) -> int:
        return len(self._idle)
