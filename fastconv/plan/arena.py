"""Packs buffers with known lifetimes into one block of memory.

Each buffer has a size and is live from a first to a last step of a program (both inclusive).
Buffers that are never live at the same step may share memory:

    offset
      ^   |~~~~ y2 ~~~~|        |~~~ dy2 ~~~~|
      |   |~~~~~~~~~~~~~~ y1 ~~~~~~~~~~~~~~~~~~~~|
      +---------------------------------------------> step

The largest buffer is placed first; each next one goes into the smallest gap that holds it, among
the placed buffers that are live at the same time (Pisarchyk & Lee, *Efficient Memory Management for
Deep Neural Net Inference*, arXiv 2001.03288, "greedy by size"). Finding the optimum is NP-hard;
on chains of layers this result is within a few percent of the lower bound `peak_of`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from fastconv.common.arrays import ALIGNMENT


class Lifetime(NamedTuple):
    """A buffer of `nbytes` that is live in the steps first..last, both inclusive."""

    nbytes: int
    first: int
    last: int


def place(lifetimes: Sequence[Lifetime]) -> tuple[list[int], int]:
    """Return the offsets of the buffers, in the order given, and the total size of the block.

    Sizes are in bytes; offsets are multiples of 64 bytes.

    >>> place([Lifetime(100, 0, 1), Lifetime(60, 1, 2), Lifetime(100, 2, 3)])
    ([0, 128, 0], 192)
    """
    offsets = [0] * len(lifetimes)
    placed: list[tuple[int, int, Lifetime]] = []  # (start, end, lifetime), sorted by start
    total = 0
    by_size = sorted(range(len(lifetimes)), key=lambda i: (-lifetimes[i].nbytes, i))
    for index in by_size:
        wanted = lifetimes[index]
        size = _rounded(wanted.nbytes)
        best_start, best_gap = None, None
        free_from = 0
        for start, end, other in placed:
            if other.last < wanted.first or wanted.last < other.first:
                continue
            gap = start - free_from
            if gap >= size and (best_gap is None or gap < best_gap):
                best_start, best_gap = free_from, gap
            free_from = max(free_from, end)
        start = free_from if best_start is None else best_start
        offsets[index] = start
        placed.append((start, start + size, wanted))
        placed.sort(key=lambda entry: entry[0])
        total = max(total, start + size)
    return offsets, total


def peak_of(lifetimes: Sequence[Lifetime]) -> int:
    """Return the largest number of bytes live at one step: a lower bound for every placement.

    >>> peak_of([Lifetime(100, 0, 1), Lifetime(60, 1, 2), Lifetime(100, 2, 3)])
    192
    """
    return max(
        (
            sum(_rounded(b.nbytes) for b in lifetimes if b.first <= a.first <= b.last)
            for a in lifetimes
        ),
        default=0,
    )


def _rounded(nbytes: int) -> int:
    return -(-nbytes // ALIGNMENT) * ALIGNMENT
