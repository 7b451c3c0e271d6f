"""`DataParallel`: the settings of training on several ranks, by Keras's names."""

from __future__ import annotations

import os
from typing import Any

from fastconv.common.arguments import choice, normalize_int
from fastconv.distribution.exchange import Helper
from fastconv.distribution.ranks import Ranks

# The number of processes, as launchers announce it: MPICH and Intel MPI, Open MPI, Slurm with PMIx
_LAUNCHERS = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS")


class DataParallel:
    """Divides every batch over the ranks of an MPI job; all ranks have the same weights.

    Started by `mpirun` (or `srun`), the ranks are the processes of the job; otherwise this process
    is the only rank. The weights after training have the same bits at any number of ranks and of
    threads, on one instruction set, because the batch is always divided into `chunks` chunks and
    the sum over them has a fixed order. They depend on `chunks`: normalization takes the statistics
    of a chunk, and moving averages their mean over the chunks.

    Args:
        chunks: number of chunks of a batch, at least that of the ranks that are to take part. More
            chunks permit more ranks; larger ones compute faster.
        reduction: "ordered" sums in the fixed order; "fast" leaves the sum to `MPI_Allreduce`, so
            that the bits depend on the number of ranks and on the MPI.
        communicator: an mpi4py communicator; by default `MPI.COMM_WORLD` in an MPI job.
        gradient_dtype: "float32"; "bfloat16" halves what the ranks exchange, by rounding the
            gradient of every chunk, and every sum of two, to 8 bits of mantissa. The bits still
            do not depend on the number of ranks.
        overlap: whether a second thread exchanges the gradients of the last layers while those of
            the first ones are computed. Needs an MPI with `MPI_THREAD_MULTIPLE`; with another one
            they are exchanged at the end. By default if the ranks are on several machines: on one,
            the CPUs themselves move the data, so nothing is gained.

    Raises:
        ValueError: `chunks` below 1, an unknown `reduction` or `gradient_dtype`, or "fast" with
            "bfloat16".
        TypeError: `chunks` is not an integer, or a name not a string.
        ImportError: on first use in an MPI job, if mpi4py is not installed.
        RuntimeError: on first use, if the launcher belongs to another MPI than mpi4py's.

    >>> from fastconv.distribution import DataParallel
    >>> DataParallel(chunks=4).ranks.size
    1
    """

    def __init__(
        self,
        chunks: int = 8,
        reduction: str = "ordered",
        communicator: Any = None,
        gradient_dtype: str = "float32",
        overlap: bool | None = None,
    ):
        self.chunks: int = normalize_int(chunks, "chunks")
        self.reduction: str = choice(reduction, "reduction", ("ordered", "fast"))
        self.gradient_dtype: str = choice(gradient_dtype, "gradient_dtype", ("float32", "bfloat16"))
        if reduction == "fast" and gradient_dtype == "bfloat16":
            raise ValueError(
                '`gradient_dtype` must be "float32" with reduction="fast", because MPI does not '
                'add bfloat16, received "bfloat16"'
            )
        self.overlap: bool | None = None if overlap is None else bool(overlap)
        self._communicator = communicator
        self._ranks: Ranks | None = None
        self._helper: Helper | None = None

    @property
    def ranks(self) -> Ranks:
        """The ranks; the first use starts MPI."""
        if self._ranks is None:
            communicator = self._communicator
            if communicator is None and _launched() > 1:
                communicator = _world()
            self._ranks = Ranks(communicator, self.reduction)
        return self._ranks

    @property
    def helper(self) -> Helper | None:
        """The thread that exchanges gradients during the computation; None without one."""
        ranks = self.ranks
        wanted = len(set(ranks.hosts)) > 1 if self.overlap is None else self.overlap
        if self._helper is None and wanted and ranks.may_overlap:
            self._helper = Helper()
        return self._helper

    def __repr__(self) -> str:
        return f"<DataParallel chunks={self.chunks} reduction={self.reduction!r}>"


def _launched() -> int:
    """Return the number of processes that the launcher of an MPI job has announced, else 1."""
    sizes = [os.environ.get(name, "") for name in _LAUNCHERS]
    return max([int(size) for size in sizes if size.isdecimal()], default=1)


def _world() -> Any:
    """Return `MPI.COMM_WORLD`; RuntimeError if it does not have the processes of the launcher."""
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:  # RuntimeError: mpi4py without an MPI
        raise ImportError(
            f"several ranks need an MPI and mpi4py: pip install 'fastconv[mpi]' ({error})"
        ) from None
    if MPI.COMM_WORLD.Get_size() == 1 < _launched():
        raise RuntimeError(
            f"mpi4py must see the {_launched()} processes of this job, received this one alone: "
            f"the launcher is of another MPI than mpi4py's, {MPI.get_vendor()}"
        )
    return MPI.COMM_WORLD


_world_parallel: DataParallel | None = None  # of "mpi"
_chosen: DataParallel | None = None


def set_distribution(value: DataParallel | None) -> None:
    """Let `fit`, `evaluate` and `predict` of all models divide their batches by `value`; None ends
    that. Raises TypeError for any other value.

    >>> from fastconv.distribution import DataParallel, distribution, set_distribution
    >>> set_distribution(DataParallel(chunks=4))
    >>> distribution()
    <DataParallel chunks=4 reduction='ordered'>
    >>> set_distribution(None)
    """
    global _chosen
    if value is not None and not isinstance(value, DataParallel):
        raise TypeError(f"`value` must be a DataParallel or None, received {value!r}")
    _chosen = value


def distribution() -> DataParallel | None:
    """Return what `set_distribution` has set last."""
    return _chosen


def active(distribute: DataParallel | str | None) -> DataParallel | None:
    """Return the distribution that the argument `distribute` of `fit` means: "mpi", one as it is,
    or None for that of `set_distribution`.

    Raises ValueError for another value, ImportError for "mpi" without mpi4py.
    """
    global _world_parallel
    if distribute is None:
        return _chosen
    if isinstance(distribute, DataParallel):
        return distribute
    if distribute != "mpi":
        raise ValueError(
            f'`distribute` must be "mpi", a DataParallel or None, received {distribute!r}'
        )
    if _world_parallel is None:
        _world_parallel = DataParallel(communicator=_world())
    return _world_parallel
