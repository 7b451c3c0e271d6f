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
from fastconv.distribution.tree import Tree


class Ranks:
    """The ranks of an mpi4py communicator; with None, this process alone.

    The methods are collective: all ranks call them in the same order.
    """

    def __init__(self, communicator: Any = None, reduction: str = "ordered"):
        self._comm, self.reduction = communicator, reduction
        self.mpi: Any = None
        self.size = 1 if communicator is None else communicator.Get_size()
        self.rank = 0 if communicator is None else communicator.Get_rank()
        self.hosts = [platform.node()]
        if self.size > 1:
            self._set_up()

    def _set_up(self) -> None:
        from mpi4py import MPI

        self.mpi = MPI
        self.transfers: Any = self._comm.Dup()  # for a second thread, if `may_overlap`
        places = self._comm.allgather((platform.node(), _cpus()))
        self.hosts: list[Any] = [host for host, _ in places]
        # Without binding, the ranks of a machine share its CPUs.
        share = len(_cpus()) // places.count(places[self.rank])
        runtime.set_num_threads(max(1, min(runtime.get_num_threads(), share)))
        sys.excepthook = self._end_all

    @property
    def may_overlap(self) -> bool:
        """Whether a second thread may exchange data meanwhile."""
        return self.size > 1 and self.mpi.Query_thread() == self.mpi.THREAD_MULTIPLE

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
        self._comm.Allgatherv(self.mpi.IN_PLACE, [flat, counts, places, self.mpi.BYTE])


def _cpus() -> tuple[int, ...]:
    """Return the CPUs on which this process may run."""
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))
