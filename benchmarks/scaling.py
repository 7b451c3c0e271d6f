"""Thread sweep: speed-up and efficiency of whole networks at 1, 2, 4, ... threads.

    python -m benchmarks.scaling
    python -m benchmarks.scaling --nets cifar --threads 8

The numbers of threads take turns within one run, each in a process of its own, so that a clock
that depends on how many cores are busy is the same for all.
"""

from __future__ import annotations

from contextlib import ExitStack

from benchmarks import command, peers
from benchmarks.nets import Net, add_option, select
from benchmarks.networks import KINDS
from benchmarks.timing import Protocol, alternate_blocks, ratio
from benchmarks.worker import Worker
from fastconv.bench.tables import Table


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
    """Every network at its largest batches, inference and training."""
    counts = thread_counts(most_threads)
    made = Table(
        "Speed-up over one thread (efficiency)",
        ["network, batch", "", "ms at 1", *(f"at {count}" for count in counts[1:])],
    )
    for net in nets:
        for kind in KINDS:
            batch = net.training if kind == "training" else net.inference[-1]
            with ExitStack() as stack:
                workers = {
                    str(count): stack.enter_context(
                        Worker(peers.session, peers.OURS, kind, net.name, batch, count)
                    )
                    for count in counts
                }
                timings = alternate_blocks({n: w.block for n, w in workers.items()}, protocol)
            cells = []
            for count in counts[1:]:
                speedup = ratio(timings["1"], timings[str(count)])
                cells.append(f"{speedup:.2f} ({100 * speedup / count:.0f} %)")
            made.add(f"{net.title}, {batch}", kind, timings["1"].median * 1e3, *cells)
    return made


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
