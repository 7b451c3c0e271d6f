"""Whole networks: inference and one training step, against every library that is installed.

    python -m benchmarks.networks
    python -m benchmarks.networks --nets mnist,lenet5 --kinds inference --peer onnxruntime,torch

A training step is forward, cross-entropy, backward and an RMSprop update. The ratio is that of the
fastest peer's time to ours. Every library runs in a process of its own (`worker`) and is checked
to compute the same probabilities, or the same loss, before it is timed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import NamedTuple

import numpy as np

from benchmarks import command, peers
from benchmarks.nets import NETS, Net, select
from benchmarks.timing import (
    Protocol,
    Timing,
    alternate_blocks,
    fastest,
    geometric_mean,
    ratio,
)
from benchmarks.worker import Worker, WorkerError
from fastconv.bench.tables import Table

KINDS = ("inference", "training")
# Probabilities and losses of different summation orders, and of Winograd, agree to this.
_TOLERANCE = 1e-3


class Row(NamedTuple):
    net: Net
    batch: int
    timings: dict[str, Timing]
    failures: dict[str, str]

    @property
    def fastest_peer(self) -> str | None:
        others = {name: t for name, t in self.timings.items() if name != peers.OURS}
        return fastest(others) if others else None

    @property
    def ratio(self) -> float | None:
        """Time of the fastest peer over ours."""
        if self.fastest_peer is None:
            return None
        return ratio(self.timings[self.fastest_peer], self.timings[peers.OURS])


def measure(
    kind: str, nets: list[Net], *, names: list[str], threads: int, protocol: Protocol | None = None
) -> Iterator[Row]:
    """Measure ``kind`` of every network at its batch sizes against the peers ``names``."""
    for net in nets:
        for batch in net.inference if kind == "inference" else (net.training,):
            yield measure_one(kind, net, batch, names=names, threads=threads, protocol=protocol)


def measure_one(
    kind: str,
    net: Net,
    batch: int,
    *,
    names: list[str],
    threads: int,
    protocol: Protocol | None = None,
) -> Row:
    """One network, one batch size. A peer that fails is left out of the timings and reported;
    a failure or a wrong result of fastconv raises."""
    failures: dict[str, str] = {}
    with ExitStack() as stack:
        workers: dict[str, Worker] = {}
        expected = None
        for name in [peers.OURS, *names]:
            try:
                worker = stack.enter_context(
                    Worker(peers.session, name, kind, net.name, batch, threads)
                )
                worker.call()
                result = worker.result()
            except WorkerError as error:
                if name == peers.OURS:
                    raise
                failures[name] = str(error).strip().splitlines()[-1]
                continue
            if expected is None:
                expected = result
            elif not np.allclose(result, expected, rtol=_TOLERANCE, atol=_TOLERANCE):
                worst = float(np.max(np.abs(result - expected)))
                failures[name] = f"computes something else than fastconv (by {worst:.1e})"
                worker.close()
                continue
            workers[name] = worker
        timings = alternate_blocks({name: w.block for name, w in workers.items()}, protocol)
    return Row(net, batch, timings, failures)


def table(kind: str, rows: list[Row], names: list[str], threads: int) -> Table:
    """Median milliseconds per call of every library, and the ratio to the fastest peer."""
    what = {"inference": "Inference", "training": "One training step"}[kind]
    columns = ["network, batch", f"{peers.OURS} ms", *(f"{name} ms" for name in names)]
    made = Table(
        f"{what}, median, float32, {threads} threads",
        columns + (["ratio to the fastest"] if names else []),
    )
    for row in rows:
        cells = [f"{row.net.title}, {row.batch}", row.timings[peers.OURS].median * 1e3]
        cells += [row.timings[name].median * 1e3 if name in row.timings else None for name in names]
        made.add(*cells, *([row.ratio] if names else []))
        made.notes += [
            f"{row.net.title}, {row.batch}: {name} left out: {why}"
            for name, why in row.failures.items()
        ]
    ratios = [row.ratio for row in rows if row.ratio is not None]
    if ratios:
        made.notes.append(
            f"geometric mean of the ratio: {geometric_mean(ratios):.2f} "
            f"(smallest {min(ratios):.2f})"
        )
    return made


def names_for(kind: str, chosen: list[str]) -> list[str]:
    """The peers among ``chosen`` that can do ``kind``."""
    return [name for name in chosen if kind == "inference" or peers.PEERS[name].trains]


def main(arguments: list[str] | None = None) -> None:
    parser = command.parser(__doc__)
    parser.add_argument(
        "--nets",
        type=lambda text: text.split(","),
        default=None,
        metavar="NAME,...",
        help=f"among {', '.join(NETS)}",
    )
    parser.add_argument(
        "--kinds",
        type=lambda text: text.split(","),
        default=list(KINDS),
        metavar="KIND,...",
        help=f"among {', '.join(KINDS)}",
    )
    options = command.parse(parser, arguments)
    try:
        nets, chosen = select(options.nets), peers.choose(options.peer, isa=options.isa)
    except ValueError as error:
        parser.error(str(error))
    unknown = set(options.kinds) - set(KINDS)
    if unknown:
        parser.error(f"no kind named {', '.join(sorted(unknown))}; there are: {', '.join(KINDS)}")
    for kind in options.kinds:
        names = names_for(kind, chosen)
        rows = list(
            measure(kind, nets, names=names, threads=options.threads, protocol=options.protocol)
        )
        table(kind, rows, names, options.threads).show()


if __name__ == "__main__":
    main()
