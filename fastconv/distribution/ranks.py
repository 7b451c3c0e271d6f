"""The processes that train together, and what they exchange."""

from __future__ import annotations

import os
import platform
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastconv import runtime
from fastconv.distribution.tree import Node, Tree

_ALIGNED = 16  # elements: the parts of a sum begin at multiples of 64 bytes


class Ranks:
    """The ranks of an mpi4py communicator; with None, this process alone.

    The methods are collective: all ranks call them in the same order.
    """

    def __init__(self, communicator: Any = None, reduction: str = "ordered"):
        self._comm, self._fast = communicator, reduction == "fast"
        self.size = 1 if communicator is None else communicator.Get_size()
        self.rank = 0 if communicator is None else communicator.Get_rank()
        self._received = np.empty(0, np.float32)
        self.hosts = [platform.node()]
        if self.size > 1:
            self._set_up()

    def _set_up(self) -> None:
        from mpi4py import MPI

        self._mpi: Any = MPI
        places = self._comm.allgather((platform.node(), _cpus()))
        self.hosts: list[Any] = [host for host, _ in places]
        # Without binding, the ranks of a machine share its CPUs.
        share = len(_cpus()) // places.count(places[self.rank])
        runtime.set_num_threads(max(1, min(runtime.get_num_threads(), share)))
        sys.excepthook = self._end_all

    def _end_all(self, *error: Any) -> None:
        """Print an exception that nothing has caught, and end all ranks, which would wait."""
        traceback.print_exception(*error)
        self.abort(1)

    def abort(self, code: int) -> None:
        """End the processes of all ranks with the exit code `code`."""
        message = f"fastconv: {self._name(self.rank)} failed, so all ranks end"
        print(message, file=sys.stderr, flush=True)
        time.sleep(1)  # a launcher that ends a job discards output that it did not read
        self._comm.Abort(code)

    def _name(self, rank: int) -> str:
        return f"rank {rank} on {self.hosts[rank]}"

    def broadcast(self, value: Any) -> Any:
        """Return the `value` of rank 0."""
        return value if self.size == 1 else self._comm.bcast(value)

    def on_first(self, function: Callable[[], Any]) -> Any:
        """Call `function` on rank 0 alone; return its result, or raise its exception, on all."""
        result, error = None, None
        if self.rank == 0:
            try:
                result = function()
            except Exception as raised:
                error = raised
        result, error = self.broadcast((result, error))
        if error is not None:
            raise error
        return result

    def check_equal(self, facts: dict[str, Any], error: type[Exception] = ValueError) -> None:
        """Raise `error` on all ranks unless all have the same `facts`."""
        if self.size == 1:
            return
        everyone = self._comm.allgather(facts)
        for name, wanted in everyone[0].items():
            other = [rank for rank, each in enumerate(everyone) if each[name] != wanted]
            if other:
                raise error(
                    f"all ranks must have the same {name}: {self._name(0)} has {wanted!r}, "
                    + ", ".join(f"{self._name(rank)} {everyone[rank][name]!r}" for rank in other)
                )

    def agree(self, numbers: Sequence[int]) -> bool:
        """Return, on all ranks, whether all have the same `numbers`."""
        if self.size == 1:
            return True
        all_numbers = np.empty((self.size, len(numbers)), np.int64)
        self._comm.Allgather(np.array(numbers, np.int64), all_numbers)
        return bool((all_numbers == all_numbers[0]).all())

    def owned(self, tree: Tree, rank: int | None = None) -> tuple[int, int]:
        """Return the first chunk of a rank (by default this one) and the one after its last."""
        number = self.rank if rank is None else rank
        return tree.chunks * number // self.size, tree.chunks * (number + 1) // self.size

    def share_rows(self, array: np.ndarray, tree: Tree) -> None:
        """Fill `array`, which has one or several rows per sample, with the rows of all ranks."""
        if self.size == 1:
            return
        starts = [tree.starts[self.owned(tree, rank)[0]] for rank in range(self.size)]
        row = array.nbytes // tree.count
        places = [start * row for start in starts]
        counts = np.diff([*places, array.nbytes]).tolist()
        flat = array.reshape(-1).view(np.uint8)
        self._comm.Allgatherv(self._mpi.IN_PLACE, [flat, counts, places, self._mpi.BYTE])

    def total(self, parts: dict[Node, np.ndarray], tree: Tree, total: np.ndarray) -> None:
        """Write the sum over all ranks into `total`, flat float32; `parts` are the values of the
        nodes that this rank has computed, arrays of that size, of which one may be `total`.

        Every rank sums one part of the array, in the order of the tree: Rabenseifner's algorithm
        (ICCS 2004) with this order in place of its own. For several ranks.
        """
        if self._fast:
            self._fast_total(parts, total)
            return
        ends = [total.size * r // self.size // _ALIGNED * _ALIGNED for r in range(1, self.size)]
        starts = [0, *ends]
        counts = np.diff([*starts, total.size]).tolist()
        mine = counts[self.rank]
        covers = [tree.cover(*self.owned(tree, rank)) for rank in range(self.size)]
        nodes = [node for cover in covers for node in cover]
        if self._received.size < mine * len(nodes):
            self._received = np.empty(mine * len(nodes), np.float32)
        received = self._received[: mine * len(nodes)].reshape(len(nodes), mine)
        first = np.cumsum([0, *map(len, covers)]).tolist()  # of the nodes of each rank
        for number in range(max(map(len, covers))):
            sends = number < len(covers[self.rank])
            sent = parts[covers[self.rank][number]] if sends else total
            have = [mine if number < len(cover) else 0 for cover in covers]
            at = [min(first[rank] + number, len(nodes)) * mine for rank in range(self.size)]
            self._comm.Alltoallv(
                [sent, counts if sends else [0] * self.size, starts, self._mpi.FLOAT],
                [received.reshape(-1), have, at, self._mpi.FLOAT],
            )
        result = tree.total(dict(zip(nodes, received, strict=True)), lambda a, b: np.add(a, b, a))
        start = starts[self.rank]
        total[start : start + mine] = result
        self._comm.Allgatherv(self._mpi.IN_PLACE, [total, counts, starts, self._mpi.FLOAT])

    def _fast_total(self, parts: dict[Node, np.ndarray], total: np.ndarray) -> None:
        own = list(parts.values())
        if not own:
            total[:] = 0
        elif own[0] is not total or len(own) > 1:
            total[:] = sum(own[1:], own[0])
        self._comm.Allreduce(self._mpi.IN_PLACE, total)


def _cpus() -> tuple[int, ...]:
    """Return the CPUs on which this process may run."""
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))
