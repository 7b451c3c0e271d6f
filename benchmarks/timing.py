"""Timing several ways of doing the same thing while they disturb each other as little as possible.

Each side runs in *blocks*: a pause (worker threads of the side before go to sleep), a warm-up (this
side's threads wake, caches fill), then calls until the block's time is over (`run_block`, which
`fastconv.bench.timing` defines). The sides take turns, and the order rotates from round to round.
A block yields the median of its calls; a side's time is the median of its blocks.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from fastconv.bench.timing import Protocol, run_block


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


def geometric_mean(values: Iterable[float]) -> float:
    """The mean that treats twice and half alike; NaN for no values.

    >>> geometric_mean([0.5, 2.0])
    1.0
    """
    values = list(values)
    if not values:
        return math.nan
    return math.exp(sum(map(math.log, values)) / len(values))
