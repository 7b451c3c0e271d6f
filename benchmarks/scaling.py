"""Thread sweep: speed-up and efficiency of whole networks at 1, 2, 4, ... threads.

    python -m benchmarks.scaling
    python -m benchmarks.scaling --nets cifar --threads 8

The numbers of threads take turns within one run, each in a process of its own, so that a clock
that depends on how many cores are busy is the same for all.

What a second thread is worth is the machine's to say first. Two processors of a virtual machine may
be two threads of one core for a while, and then nothing is faster on two; and cores share what
memory gives. So two measures of the machine stand beside the networks: multiply-adds that stay in
registers, in every row, and a pass over an array that no cache holds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial

import numpy as np

from benchmarks import command, peers
from benchmarks.nets import Net, add_option, select
from benchmarks.networks import KINDS
from benchmarks.timing import Protocol, alternate_blocks, ratio
from benchmarks.worker import Worker
from fastconv.bench.tables import Table
from fastconv.bench.timing import run_block

_MEMORY_BYTES = 256 * 10**6
_LEAST_BATCH = 16


def thread_counts(most: int) -> list[int]:
    """Powers of two below ``most``, and ``most``.

    >>> thread_counts(6)
    [1, 2, 4, 6]
    """
    counts = []
    count = 1
    while count < most:
        counts.append(count)
        count *= 2
    return [*counts, most]


def measure(nets: list[Net], *, most_threads: int, protocol: Protocol | None = None) -> Table:
    """Memory, then every network at its largest batches, inference and training."""
    from fastconv import ops

    counts = thread_counts(most_threads)
    columns = ["network, batch", "pass", "ms at 1"]
    for count in counts[1:]:
        columns += [f"at {count}", "fastest calls", "multiply-adds"]
    made = Table("Speed-up over one thread (efficiency)", columns)
    made.notes.append(
        "fastest calls: the least disturbed ones; multiply-adds: what the machine gave in the same "
        "rounds to a loop that stays in registers"
    )
    values = np.zeros(_MEMORY_BYTES // 4, np.float32)
    relus = {
        str(count): partial(run_block, partial(ops.relu, values, out=values, num_threads=count))
        for count in counts
    }
    _add_row(made, ("ReLU of 256 MB", "memory"), relus, counts, protocol)
    del values, relus
    for net in nets:
        for kind in KINDS:
            largest = net.training if kind == "training" else net.inference[-1]
            batch = max(largest, _LEAST_BATCH)
            with ExitStack() as stack:
                workers = {
                    str(count): stack.enter_context(
                        Worker(peers.session, peers.OURS, kind, net.name, batch, count)
                    )
                    for count in counts
                }
                sides = {name: worker.block for name, worker in workers.items()}
                _add_row(made, (f"{net.title}, {batch}", kind), sides, counts, protocol)
    return made


def _add_row(
    table: Table,
    head: tuple[str, str],
    sides: Mapping[str, Callable[[Protocol], list[float]]],
    counts: list[int],
    protocol: Protocol | None,
) -> None:
    """Time `sides`, by number of threads, in turns with the machine's own arithmetic."""
    arithmetic = {f"multiply-adds {count}": partial(_seconds_per_gflop, count) for count in counts}
    timings = alternate_blocks({**sides, **arithmetic}, protocol)
    cells: list[str] = []
    for count in counts[1:]:
        one, many = timings["1"], timings[str(count)]
        speedup = ratio(one, many)
        given = ratio(timings["multiply-adds 1"], timings[f"multiply-adds {count}"])
        cells += [f"{speedup:.2f} ({100 * speedup / count:.0f} %)"]
        cells += [f"{one.best / many.best:.2f}", f"{given:.2f}"]
    table.add(*head, timings["1"].median * 1e3, *cells)


def _seconds_per_gflop(threads: int, protocol: Protocol) -> list[float]:
    from fastconv import runtime

    time.sleep(protocol.pause)
    return [1 / runtime.peak_gflops(threads, protocol.block / 4) for _ in range(3)]


def main(arguments: list[str] | None = None) -> None:
    parser = command.parser(__doc__, peers=False)
    add_option(parser)
    options = command.parse(parser, arguments)
    try:
        nets = select(options.nets)
    except ValueError as error:
        parser.error(str(error))
    measure(nets, most_threads=options.threads, protocol=options.protocol).show()


if __name__ == "__main__":
    main()
