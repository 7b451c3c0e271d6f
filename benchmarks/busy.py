"""Times beside other programs that keep the cores busy.

    python -m benchmarks.busy
    python -m benchmarks.busy --busy 0 1 2 --peer onnxruntime,torch --processes 8

The busy programs are processes that compute in a loop without end. For every number of them, the
libraries take turns; mean and 90th percentile of all calls are shown, with the mean in units of a
*fair share*: with t threads beside n busy processes, the operating system owes the threads
t / (t + n) of the cores (but no thread more than one core), and the call should take the time that
it takes on an idle machine divided by what this share is of the idle one.

With `--processes`, so many processes also run the network at the same time, each with the default
number of threads, and then with one thread each: the calls of all of them per second.

Run it on an otherwise idle machine. Linux groups processes by session (`autogroup`) and shares the
cores among the groups; here all processes belong to one session, so threads compete one by one.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import numpy as np

from benchmarks import command, peers
from benchmarks.nets import NETS
from benchmarks.worker import Worker
from fastconv.bench.tables import Table
from fastconv.bench.timing import Protocol

_BUSY = "while True: pass"
_NET = "mnist"
_WORK = (("inference", 1), ("inference", 64), ("training", 32))


@contextmanager
def busy_processes(count: int) -> Iterator[list[subprocess.Popen]]:
    """So many processes compute in a loop while the block runs."""
    started = [subprocess.Popen([sys.executable, "-c", _BUSY]) for _ in range(count)]
    try:
        yield started
    finally:
        for process in started:
            process.kill()
            process.wait()


def fair_factor(busy: int, threads: int, cpus: int) -> float:
    """How many times as long a call takes on a fair share as on an idle machine.

    >>> fair_factor(0, 2, 2), fair_factor(2, 2, 2), fair_factor(2, 2, 4)
    (1.0, 2.0, 1.0)
    """
    return max(1.0, (threads + busy) / cpus) if threads <= cpus else (threads + busy) / threads


def measure_beside(
    libraries: list[str], counts: list[int], threads: int, cpus: int, protocol: Protocol
) -> Table:
    """Every work and library beside each number of busy processes."""
    columns = ["work", "library", "busy", "mean ms", "p90 ms", "mean / fair share"]
    made = Table(f"{NETS[_NET].title} beside busy processes, {threads} threads", columns)
    for kind, batch in _WORK:
        names = [n for n in libraries if kind == "inference" or _trains(n)]
        with ExitStack() as stack:
            workers = {
                name: stack.enter_context(Worker(peers.session, name, kind, _NET, batch, threads))
                for name in names
            }
            idle: dict[str, float] = {}
            for count in counts:
                with busy_processes(count):
                    times = _in_turns(workers, protocol)
                for name, values in times.items():
                    mean = float(np.mean(values))
                    idle.setdefault(name, mean / fair_factor(count, threads, cpus))
                    fair = idle[name] * fair_factor(count, threads, cpus)
                    p90 = float(np.percentile(values, 90))
                    work = f"{'predict' if kind == 'inference' else 'training step'} {batch}"
                    made.add(work, name, count, mean * 1e3, p90 * 1e3, f"{mean / fair:.2f}")
    return made


def measure_together(processes: int, threads: int, protocol: Protocol) -> Table:
    """Calls per second of so many processes at the same time, and of one alone."""
    columns = ["work", "threads each", "1 process", f"{processes} processes", "ratio"]
    made = Table(f"{NETS[_NET].title}: calls per second, all processes together", columns)
    for kind, batch in _WORK:
        for each in sorted({threads, 1}, reverse=True):
            with ExitStack() as stack:
                workers = [
                    stack.enter_context(Worker(peers.session, peers.OURS, kind, _NET, batch, each))
                    for _ in range(processes)
                ]
                alone = _rate(workers[:1], protocol)
                together = _rate(workers, protocol)
            work = f"{'predict' if kind == 'inference' else 'training step'} {batch}"
            made.add(work, each, alone, together, f"{together / alone:.2f}")
    return made


def _trains(name: str) -> bool:
    return name == peers.OURS or peers.PEERS[name].trains


def _in_turns(workers: dict[str, Worker], protocol: Protocol) -> dict[str, list[float]]:
    """The times of all calls of each worker, over all rounds."""
    times: dict[str, list[float]] = {name: [] for name in workers}
    for _ in range(protocol.rounds):
        for name, worker in workers.items():
            times[name] += worker.block(protocol)
    return times


def _rate(workers: list[Worker], protocol: Protocol) -> float:
    """Calls per second of workers that run their blocks at the same time."""
    with ThreadPoolExecutor(len(workers)) as pool:
        blocks = [
            block
            for _ in range(protocol.rounds)
            for block in pool.map(lambda worker: worker.block(protocol), workers)
        ]
    return sum(1 / float(np.mean(block)) for block in blocks) / protocol.rounds


def main(arguments: list[str] | None = None) -> None:
    parser = command.parser(__doc__)
    parser.set_defaults(block=1.0)
    parser.add_argument(
        "--busy", type=int, nargs="+", default=[0, 1, 2, 4], help="numbers of busy processes"
    )
    parser.add_argument(
        "--processes", type=int, default=0, help="processes that run the network at the same time"
    )
    options = command.parse(parser, arguments)
    if min(options.busy) < 0 or options.processes < 0:
        parser.error("--busy and --processes must not be negative")
    try:
        chosen = peers.choose(options.peer, isa=options.isa)
    except ValueError as error:
        parser.error(str(error))
    cpus = command.available_cpus()
    counts = sorted(options.busy)
    libraries = [peers.OURS, *chosen]
    measure_beside(libraries, counts, options.threads, cpus, options.protocol).show()
    if options.processes:
        measure_together(options.processes, options.threads, options.protocol).show()


if __name__ == "__main__":
    main()
