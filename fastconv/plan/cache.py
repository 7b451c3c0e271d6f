"""Caches idle plans, up to a limit in bytes.

The memory of a plan consists of its *block* (the arena: all arrays between inputs and outputs) and
its own memory: packed filters, scratch, folded weights. A block holds no data between two runs, so
plans of a model that do not run at the same time share one:

    batch of 32, training   |~~~~~~~~~~~~~~~~ block 0 ~~~~~~~~~~~~~~~~|
    last batch of 7         |~~~~ block 0 ~~~|
    batch of 32, testing    |~~~~~~~~~~ block 0 ~~~~~~~~~~~|
    another thread          |~~~~~~~~~~ block 1 ~~~~~~~~~~~|

All models of the process share one limit, `runtime.plan_cache_bytes()`. Above it, the least
recently used plans are dropped; the plan that a model used last is always kept. A model also keeps
at most 64 idle plans.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Hashable
from itertools import count
from typing import Any

import numpy as np

from fastconv import runtime
from fastconv.common.arrays import aligned_zeros
from fastconv.common.changeable import on_change
from fastconv.plan.tape import Arena

_clock = count()  # orders plans by last use

# Size of a plan's Python objects, in bytes: 5 KiB for 4 layers, 83 KiB for 100.
_OBJECT_BYTES = 64 * 2**10

# Idle plans of one model: a model of images of many sizes has one for each.
_MOST_PLANS = 64


class _Block:
    """Memory shared by several plans, lent to one at a time."""

    __slots__ = ("lent", "memory", "plans")
    memory: np.ndarray
    lent: bool
    plans: int

    def __init__(self, nbytes: int):
        self.memory = aligned_zeros(nbytes)
        self.lent = True
        self.plans = 0


class _Entry:
    """A plan and its key: a context manager that lends the plan and returns it to the idle ones.

    Not a generator, whose overhead exceeds the time of some operations of a small network.
    """

    __slots__ = ("block", "cache", "generation", "key", "nbytes", "plan", "used")
    cache: PlanCache
    key: Hashable
    generation: int
    nbytes: int
    used: int

    def __init__(self, cache: PlanCache, key: Hashable):
        self.cache, self.key, self.generation = cache, key, cache.generation
        self.plan: Any = None
        self.block: _Block | None = None
        self.nbytes = 0  # without the block; 0 until measured by the first run
        self.used = 0

    def __enter__(self) -> Any:
        return self.plan

    def __exit__(self, kind: Any, *error: object) -> None:
        self.cache._put_back(self)
        if kind is not None and issubclass(kind, MemoryError):
            drop_idle_plans()  # so that the next call has more memory


class PlanCache:
    """The plans of one model. Lends a plan by key, to one thread at a time; builds one when none is
    idle.

    `generation` counts the calls of `clear`; a plan that was lent before the last call is dropped
    when it is returned.
    """

    def __init__(self) -> None:
        self.generation: int = 0
        self._lock = threading.Lock()
        self._idle: dict[Hashable, list[_Entry]] = {}  # least recently used first
        self._blocks: list[_Block] = []
        self.plans = 0  # idle and lent
        self._own_bytes = 0  # of all plans, without their blocks
        with _registered:
            _caches.add(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return PlanCache, ()  # a copied model rebuilds its plans

    def lend(self, key: Hashable, make: Callable[[Arena], Any]) -> _Entry:
        """Return a plan for `key`, for use in a `with` block.

        `make(arena)` builds a plan; it may call `arena(nbytes)` once for the memory between inputs
        and outputs. If memory is short, all idle plans are dropped and `make` is called again.
        """
        with self._lock:
            entries = self._idle.get(key)
            if entries:
                entry = entries.pop()
                block = entry.block
                if block is None or not block.lent:
                    if block is not None:
                        block.lent = True
                    if not entries:
                        del self._idle[key]
                    return entry
                entries.append(entry)
                entry = self._free_one(key, entries)
                if entry is not None:
                    return entry
        try:
            return self._made(key, make)
        except MemoryError:
            drop_idle_plans()
            return self._made(key, make)

    def _free_one(self, key: Hashable, entries: list[_Entry]) -> _Entry | None:
        """Take out the plan used last whose block is free, if there is one; the lock is held."""
        for index in range(len(entries) - 1, -1, -1):
            entry = entries[index]
            if entry.block is None or not entry.block.lent:
                del entries[index]
                if not entries:
                    del self._idle[key]
                if entry.block is not None:
                    entry.block.lent = True
                return entry
        return None

    def _made(self, key: Hashable, make: Callable[[Arena], Any]) -> _Entry:
        entry = _Entry(self, key)
        with self._lock:
            self.plans += 1

        def arena(nbytes: int) -> np.ndarray:
            entry.block = self._claim(nbytes)
            return entry.block.memory

        try:
            entry.plan = make(arena)
        except BaseException:
            with self._lock:
                self._forget(entry)
            raise
        return entry

    def _claim(self, nbytes: int) -> _Block:
        """Return the smallest free block of at least `nbytes`, or a new one, for one more plan."""
        with self._lock:
            free = [b for b in self._blocks if not b.lent and b.memory.size >= nbytes]
            if free:
                block = min(free, key=lambda each: each.memory.size)
                block.lent = True
                block.plans += 1
                return block
            self._drop_smaller(nbytes)
        _shrink(runtime.plan_cache_bytes() - nbytes, making=self)
        block = _Block(nbytes)
        block.plans = 1
        with self._lock:
            self._blocks.append(block)
        return block

    def _drop_smaller(self, nbytes: int) -> None:
        """Drop plans on free blocks until these blocks hold at most `nbytes` together.

        Called before a block of `nbytes` is allocated, so that plans of growing batch sizes do not
        keep a block each. The caller holds the lock.
        """
        free = sorted((b for b in self._blocks if not b.lent), key=lambda block: block.memory.size)
        total = sum(block.memory.size for block in free)
        for block in free:
            if total <= nbytes:
                return
            total -= block.memory.size
            for key, entries in list(self._idle.items()):
                for entry in [each for each in entries if each.block is block]:
                    entries.remove(entry)
                    self._forget(entry)
                if not entries:
                    del self._idle[key]

    def _put_back(self, entry: _Entry) -> None:
        """Return a plan to the idle ones."""
        new = not entry.nbytes
        with self._lock:
            if entry.block is not None:
                entry.block.lent = False
            if entry.generation != self.generation:
                self._forget(entry)
                return
            if new:
                entry.nbytes = _OBJECT_BYTES + getattr(entry.plan, "own_bytes", 0)
                self._own_bytes += entry.nbytes
            entry.used = next(_clock)
            entries = self._idle.pop(entry.key, None)  # a key that is put back comes last
            if entries is None:
                entries = []
            entries.append(entry)
            self._idle[entry.key] = entries
            if new and sum(map(len, self._idle.values())) > _MOST_PLANS:
                self._drop(self._oldest(1))
        if new or _Pressure.plans_to_come_back:
            _shrink(runtime.plan_cache_bytes())

    def _forget(self, entry: _Entry) -> None:
        """Release the memory of a plan. The caller holds the lock."""
        self._own_bytes -= entry.nbytes
        self.plans -= 1
        block, entry.block = entry.block, None
        if block is not None:
            block.plans -= 1
            if not block.plans and block in self._blocks:
                self._blocks.remove(block)

    @property
    def nbytes(self) -> int:
        """Memory of all plans, including lent ones, in bytes."""
        with self._lock:
            return self._own_bytes + sum(block.memory.size for block in self._blocks)

    def oldest(self, keep: int = 1) -> int | None:
        """Return when the plan that `drop_oldest` would drop was last used; None without one."""
        with self._lock:
            entry = self._oldest(keep)
            return None if entry is None else entry.used

    def drop_oldest(self, keep: int = 1) -> bool:
        """Drop the least recently used idle plan if there are more than `keep`; True if so."""
        with self._lock:
            entry = self._oldest(keep)
            self._drop(entry)
            return entry is not None

    def _drop(self, entry: _Entry | None) -> None:
        """Drop an idle plan, the first one of its key. The caller holds the lock."""
        if entry is None:
            return
        entries = self._idle[entry.key]
        del entries[0]
        if not entries:
            del self._idle[entry.key]
        self._forget(entry)

    def _oldest(self, keep: int) -> _Entry | None:
        entries = next(iter(self._idle.values()), None)
        more = len(self._idle) > keep or sum(map(len, self._idle.values())) > keep
        return entries[0] if entries and more else None

    def clear(self) -> None:
        """Drop all idle plans and their memory; drop lent plans when they are returned."""
        with self._lock:
            self.generation += 1
            for entries in self._idle.values():
                for entry in entries:
                    self._forget(entry)
            self._idle.clear()

    def __len__(self) -> int:
        return sum(map(len, self._idle.values()))


class _Pressure:
    """Whether lent plans exceeded the limit when the idle ones were dropped."""

    plans_to_come_back = False


_caches: weakref.WeakSet[PlanCache] = weakref.WeakSet()
_registered = threading.Lock()  # held while `_caches` is changed or read


def _all_caches() -> list[PlanCache]:
    with _registered:
        return list(_caches)


def cached_plan_bytes() -> int:
    """Return the memory of the plans of all models, in bytes."""
    return sum(cache.nbytes for cache in _all_caches())


def drop_idle_plans() -> None:
    """Drop the idle plans of all models."""
    for cache in _all_caches():
        while cache.drop_oldest(keep=0):
            pass


def clear_all_plans() -> None:
    """Drop the plans of all models, and lent plans when they are returned, because layers of theirs
    have changed."""
    for cache in _all_caches():
        cache.clear()


def _shrink(limit: int, making: PlanCache | None = None) -> None:
    """Drop the least recently used plans of all models until at most `limit` bytes remain, except
    the last used plan of every model other than `making`, which is building a new plan."""
    caches = _all_caches()
    while sum(cache.nbytes for cache in caches) > limit:
        idle = [
            (used, cache)
            for cache in caches
            if (used := cache.oldest(keep=int(cache is not making))) is not None
        ]
        if not idle:
            # Lent plans may be dropped when they are returned.
            _Pressure.plans_to_come_back = any(cache.plans > 1 for cache in caches)
            return
        cache = min(idle, key=lambda pair: pair[0])[1]
        cache.drop_oldest(keep=int(cache is not making))
    _Pressure.plans_to_come_back = False


def _renew_locks() -> None:
    """Replace the locks in a forked child, where the threads that held them do not exist."""
    global _registered
    _registered = threading.Lock()
    for cache in _caches:
        cache._lock = threading.Lock()


os.register_at_fork(after_in_child=_renew_locks)
runtime.on_plan_cache_bytes(lambda: _shrink(runtime.plan_cache_bytes()))
on_change(clear_all_plans)
