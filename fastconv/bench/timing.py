"""Timing one call, over and over, for a fraction of a second."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass

# A pair of clock reads takes some 50 ns; calls shorter than this are timed in groups.
_SHORTEST_TIMED = 100e-6


@dataclass(frozen=True)
class Protocol:
    """How long and how often to measure. Times in seconds; `warm_up` is a share of a block.

    Raises ValueError for less than one round, a block that is not positive, or a negative pause or
    warm-up.
    """

    rounds: int = 5
    block: float = 0.2
    pause: float = 0.08
    warm_up: float = 0.2

    def __post_init__(self) -> None:
        if self.rounds < 1:
            raise ValueError(f"`rounds` must be at least 1, received {self.rounds}")
        if self.block <= 0 or self.pause < 0 or self.warm_up < 0:
            raise ValueError(
                f"`block` must be positive, `pause` and `warm_up` not negative, "
                f"received {self.block}, {self.pause} and {self.warm_up}"
            )


def run_block(call: Callable[[], object], protocol: Protocol) -> list[float]:
    """Pause, warm up, then time `call` until the block is over; seconds per call.

    >>> times = run_block(lambda: sum(range(1000)), Protocol(block=1e-3, pause=0.0))
    >>> min(times) > 0
    True
    """
    time.sleep(protocol.pause)
    group = 1
    if protocol.warm_up > 0:
        estimate = _warm_up(call, protocol.block * protocol.warm_up)
        group = max(1, round(_SHORTEST_TIMED / max(estimate, 1e-9)))
    clock = time.perf_counter
    collecting = gc.isenabled()
    gc.disable()
    try:
        times = []
        end = clock() + protocol.block
        while True:
            start = clock()
            for _ in range(group):
                call()
            now = clock()
            times.append((now - start) / group)
            # A call that takes longer than a block is made once; the rounds repeat it.
            if now >= end:
                return times
    finally:
        if collecting:
            gc.enable()


def _warm_up(call: Callable[[], object], seconds: float) -> float:
    """Call for so long, at least once; return the time of the fastest call."""
    clock = time.perf_counter
    end = clock() + seconds
    shortest = float("inf")
    while True:
        start = clock()
        call()
        now = clock()
        shortest = min(shortest, now - start)
        if now >= end:
            return shortest
