"""The sum of an array over the ranks, in the order of the tree, part by part.

             its units  Alltoallv                     sum      Allgatherv
    rank 0   | a | b |  --------->  | a of all ranks | --> | A | --------> | A | B |
    rank 1   | a | b |              | b of all ranks |     | B |           | A | B |

Every rank sums one part: Rabenseifner's algorithm (ICCS 2004), with the order of the tree in place
of its own. A `Helper` exchanges what is complete while the rank computes more.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Any

import numpy as np

from fastconv.distribution.bfloat16 import narrow, rounded, widen
from fastconv.distribution.ranks import Ranks
from fastconv.distribution.tree import Tree

_ALIGNED = 16  # elements: the parts of a sum begin at multiples of 64 bytes
_PAUSE = 2e-4  # seconds between two looks at a transfer while the rank computes
_TESTS = 50  # calls of MPI in such a look

Wait = Callable[[Any], None]  # waits for an MPI request
_yield_cpu = getattr(os, "sched_yield", lambda: time.sleep(0))


def wait_for(request: Any) -> None:
    """Wait for an MPI request; another rank on the same CPU can compute meanwhile."""
    while not request.Test():
        _yield_cpu()


class Exchange:
    """Sums a flat float32 array over the ranks; its buffers are allocated once.

    Args:
        ranks: the ranks; they construct and run their exchanges in the same order.
        tree: the order of the sum.
        total: the array of the result.
        dtype: "float32"; with "bfloat16", the units and every sum of two are rounded to it, and it
            is what ranks send.
    """

    def __init__(self, ranks: Ranks, tree: Tree, total: np.ndarray, dtype: str = "float32"):
        self._comm, self._mpi, self._tree, self._total = ranks.transfers, ranks.mpi, tree, total
        self._fast = ranks.reduction == "fast"
        self._rounds = dtype == "bfloat16"
        self._covers = [tree.cover(*ranks.owned(tree, rank)) for rank in range(ranks.size)]
        self._own = self._covers[ranks.rank]
        self._nodes = [node for cover in self._covers for node in cover]
        bounds = [
            total.size * rank // ranks.size // _ALIGNED * _ALIGNED for rank in range(ranks.size)
        ]
        counts = np.diff([*bounds, total.size]).tolist()
        self._mine = slice(bounds[ranks.rank], bounds[ranks.rank] + counts[ranks.rank])
        if self._fast:
            return
        wire, kind = (
            (np.uint16, self._mpi.UINT16_T) if self._rounds else (np.float32, self._mpi.FLOAT)
        )
        mine = counts[ranks.rank]
        self._received = np.empty((len(self._nodes), mine), wire)
        self._narrow = [np.empty(total.size, wire) for _ in self._own if self._rounds]
        self._whole = np.empty(total.size, wire) if self._rounds else total
        self._gathered = [self._whole, counts, bounds, kind]
        # Round k sends the k-th node of every rank that has so many.
        first = np.cumsum([0, *map(len, self._covers)]).tolist()
        self._rounds_of = []
        for number in range(max(map(len, self._covers))):
            have = [mine if number < len(cover) else 0 for cover in self._covers]
            places = [min(at + number, len(self._nodes)) * mine for at in first[: ranks.size]]
            sends = counts if number < len(self._own) else [0] * ranks.size
            received = [self._received.reshape(-1), have, places, kind]
            self._rounds_of.append((sends, bounds, kind, received))

    def run(self, units: Sequence[np.ndarray], wait: Wait) -> None:
        """Write the sum into `total`. `units` are the values of the nodes that this rank covers, in
        the order of `Tree.cover`, flat arrays of the size of `total`, of which one may be it."""
        if self._fast:
            self._run_fast(units, wait)
            return
        requests = []
        for number, (counts, bounds, kind, received) in enumerate(self._rounds_of):
            sent = units[number] if number < len(units) else self._whole  # of which nothing is sent
            if self._rounds and number < len(units):
                sent = narrow(sent, self._narrow[number])
            requests.append(self._comm.Ialltoallv([sent, counts, bounds, kind], received))
        for request in requests:
            wait(request)
        values = widen(self._received) if self._rounds else self._received
        total = self._tree.total(dict(zip(self._nodes, values, strict=True)), self._add)
        if self._rounds:
            narrow(total, self._whole[self._mine])
        else:
            self._total[self._mine] = total
        wait(self._comm.Iallgatherv(self._mpi.IN_PLACE, self._gathered))
        if self._rounds:
            self._total[:] = widen(self._whole)

    def _add(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        np.add(a, b, a)
        return rounded(a) if self._rounds else a

    def _run_fast(self, units: Sequence[np.ndarray], wait: Wait) -> None:
        """`MPI_Allreduce`, in the order of the MPI."""
        total = self._total
        if not units:
            total[:] = 0
        elif units[-1] is not total:
            total[:] = units[-1]
        for unit in units[:-1]:
            total += unit
        wait(self._comm.Iallreduce(self._mpi.IN_PLACE, total))


class Helper:
    """A thread that runs exchanges in the order in which they are started, while the caller
    computes. It looks at a transfer from time to time, so that it leaves the CPU to the caller."""

    def __init__(self) -> None:
        self._jobs: SimpleQueue = SimpleQueue()
        self._open = 0
        self._done: SimpleQueue = SimpleQueue()
        self._awaited = False  # the caller has nothing to compute
        self.busy_seconds = self.waited_seconds = 0.0
        threading.Thread(target=self._work, name="fastconv exchange", daemon=True).start()

    def start(self, exchange: Exchange, units: Sequence[np.ndarray]) -> None:
        """Start `exchange.run(units)`."""
        self._open += 1
        self._jobs.put((exchange, units))

    def finish(self) -> None:
        """Wait for all exchanges; raise the exception of one that failed."""
        begin = time.perf_counter()
        self._awaited = True
        errors = [self._done.get() for _ in range(self._open)]
        self._open, self._awaited = 0, False
        self.waited_seconds += time.perf_counter() - begin
        for error in filter(None, errors):
            raise error

    def _work(self) -> None:
        while True:
            exchange, units = self._jobs.get()
            begin, error = time.perf_counter(), None
            try:
                exchange.run(units, self._wait)
            except Exception as raised:
                error = raised
            self.busy_seconds += time.perf_counter() - begin
            self._done.put(error)

    def _wait(self, request: Any) -> None:
        while not self._awaited:
            for _ in range(_TESTS):  # each moves a piece of a large message
                if request.Test():
                    return
            time.sleep(_PAUSE)
        wait_for(request)
