"""Plans that are not in use, a bounded number of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager

import numpy as np

from fastconv.parameters import aligned_zeros
from fastconv.plan.plan import Plan


class PlanCache:
    """Lends plans by key, each to one thread at a time; makes one when none is idle.

    At most `capacity` idle plans are kept, the least recently used are dropped: a last partial
    batch finds its plan again each epoch, ever new batch sizes do not fill the memory.

    Training plans share one arena, since only one of them runs at a time (a model is trained by
    one `fit` at a time): two batch sizes need the memory of the larger only.
    """

    def __init__(self, capacity: int = 8):
        self._capacity = capacity
        self._idle: list[tuple[Hashable, Plan]] = []  # least recently used first
        self._lock = threading.Lock()
        self._training_block = np.empty(0, np.uint8)

    @contextmanager
    def lend(self, key: Hashable, make: Callable[[], Plan]) -> Iterator[Plan]:
        """A plan for `key` for the duration of a `with` block."""
        plan = self._take(key) or make()
        try:
            yield plan
        finally:
            with self._lock:
                self._idle.append((key, plan))
                del self._idle[: -self._capacity]

    def _take(self, key: Hashable) -> Plan | None:
        with self._lock:
            for index in range(len(self._idle) - 1, -1, -1):
                if self._idle[index][0] == key:
                    return self._idle.pop(index)[1]
        return None

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
