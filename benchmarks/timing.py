"""Timing several ways of doing the same thing while they disturb each other as little as possible.

Each side runs in *blocks*: a pause (worker threads of the side before go to sleep), a warm-up (this
side's threads wake, caches fill), then calls until the block's time is over. The sides take turns,
and the order rotates from round to round. A block yields the median of its calls; a side's time is
the median of its blocks.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

# A pair of clock reads takes some 50 ns; calls shorter than this are timed in groups.
_SHORTEST_TIMED = 100e-6


@dataclass(frozen=True)
class Protocol:
    """How long and how often to measure. Times in seconds; ``warm_up`` is a share of a block."""

    rounds: int = 5
    block: float = 0.2
    pause: float = 0.08
    warm_up: float = 0.2

    def __post_init__(self):
        if self.rounds < 1:
            raise ValueError(f"`rounds` must be at least 1, received {self.rounds}")
        if self.block <= 0 or self.pause < 0 or self.warm_up < 0:
            raise ValueError(
                f"`block` must be positive, `pause` and `warm_up` not negative, "
                f"received {self.block}, {self.pause} and {self.warm_up}"
            )


@dataclass(frozen=True)
class Timing:
    """Seconds per call of one side: the median of each block, in order, and the fastest call."""

    blocks: tuple[float, ...]
    best: float

    @property
    def median(self) -> float:
        return statistics.median(self.blocks)


def alternate(
    sides: Mapping[str, Callable[[], object]], protocol: Protocol | None = None
) -> dict[str, Timing]:
    """Time every side of ``sides`` (name -> call without arguments) in alternating blocks.

    >>> timings = alternate({"a": lambda: sum(range(1000))}, Protocol(1, 0.01, 0.0))
    >>> timings["a"].best <= timings["a"].median
    True
    """
    return alternate_blocks(
        {name: partial(run_block, call) for name, call in sides.items()}, protocol
    )


def alternate_blocks(
    sides: Mapping[str, Callable[[Protocol], list[float]]], protocol: Protocol | None = None
) -> dict[str, Timing]:
    """As `alternate`, for sides that run their own blocks, in a process of their own perhaps.

    A side is given the protocol and returns the times of the calls of one block, as `run_block`.
    """
    protocol = protocol or Protocol()
    names = list(sides)
    blocks: dict[str, list[float]] = {name: [] for name in names}
    best = dict.fromkeys(names, float("inf"))
    for round_index in range(protocol.rounds):
        turn = round_index % len(names)
        for name in names[turn:] + names[:turn]:
            times = sides[name](protocol)
            blocks[name].append(statistics.median(times))
            best[name] = min(best[name], *times)
    return {name: Timing(tuple(blocks[name]), best[name]) for name in names}


def ratio(other: Timing, ours: Timing) -> float:
    """How many times faster ``ours`` is: the median over rounds of the ratio within the round."""
    return statistics.median(b / a for a, b in zip(ours.blocks, other.blocks, strict=True))


def fastest(timings: Mapping[str, Timing]) -> str:
    """The name of the side with the smallest median."""
    return min(timings, key=lambda name: timings[name].median)


def run_block(call: Callable[[], object], protocol: Protocol) -> list[float]:
    """Pause, warm up, then time ``call`` until the block is over; seconds per call."""
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
