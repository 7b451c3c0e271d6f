"""Whole networks: inference and one training step, against every library that is installed.

    python -m benchmarks.networks
    python -m benchmarks.networks --nets mnist,lenet5 --kinds inference --peer onnxruntime,torch
    python -m benchmarks.networks --nets models

A training step is forward, cross-entropy, backward and an RMSprop update. Every library runs in a
process of its own (`worker`) and is checked to compute the same probabilities, or the same loss,
before it is timed. Each peer has the machine alone with fastconv: the two take turns, and then the
next one's process starts. A ratio is that of a peer's time to ours in its turns; that of a network
is the least of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from benchmarks import command, peers
from benchmarks.model_nets import MODEL_NETS, AnyNet
from benchmarks.nets import add_option, select
from benchmarks.timing import Protocol, Timing, alternate_blocks, geometric_mean, ratio
from benchmarks.worker import Worker, WorkerError
from fastconv.bench.tables import Table

KINDS = ("inference", "training")
# Probabilities and losses of different summation orders, and of Winograd, agree to this.
_TOLERANCE = 1e-3


class Row(NamedTuple):
    """``timings`` of every library, fastconv's over all turns; ``ratios`` of each peer's to it."""

    net: AnyNet
    batch: int
    timings: dict[str, Timing]
    ratios: dict[str, float]
    failures: dict[str, str]

    @property
    def ratio(self) -> float | None:
        """Time of the peer that comes nearest over ours."""
        return min(self.ratios.values(), default=None)


def measure(
    kind: str,
    nets: list[AnyNet],
    *,
    names: list[str],
    threads: int,
    protocol: Protocol | None = None,
) -> Iterator[Row]:
    """Measure ``kind`` of every network at its batch sizes against the peers ``names``."""
    for net in nets:
        training = () if net.training is None else (net.training,)
        for batch in net.inference if kind == "inference" else training:
            yield measure_one(kind, net, batch, names=names, threads=threads, protocol=protocol)


def measure_one(
    kind: str,
    net: AnyNet,
    batch: int,
    *,
    names: list[str],
    threads: int,
    protocol: Protocol | None = None,
) -> Row:
    """One network, one batch size. A peer that fails is left out of the timings and reported;
    a failure or a wrong result of fastconv raises."""
    ours: list[Timing] = []
    timings: dict[str, Timing] = {}
    ratios: dict[str, float] = {}
    failures: dict[str, str] = {}
    made_of = (kind, net.name, batch, threads)
    with Worker(peers.session, peers.OURS, *made_of) as worker:
        worker.call()
        expected = worker.result()
        for name in names:
            try:
                with Worker(peers.session, name, *made_of) as peer:
                    peer.call()
                    _check(peer.result(), expected)
                    turns = {peers.OURS: worker.block, name: peer.block}
                    both = alternate_blocks(turns, protocol)
            except (WorkerError, ValueError) as error:
                failures[name] = str(error).strip().splitlines()[-1]
                continue
            ours.append(both[peers.OURS])
            timings[name] = both[name]
            ratios[name] = ratio(both[name], both[peers.OURS])
        if not ours:
            ours = [alternate_blocks({peers.OURS: worker.block}, protocol)[peers.OURS]]
    blocks = tuple(block for timing in ours for block in timing.blocks)
    timings[peers.OURS] = Timing(blocks, min(timing.best for timing in ours))
    return Row(net, batch, timings, ratios, failures)


def _check(result: np.ndarray, expected: np.ndarray) -> None:
    if not np.allclose(result, expected, rtol=_TOLERANCE, atol=_TOLERANCE):
        worst = float(np.max(np.abs(result - expected)))
        raise ValueError(f"computes something else than fastconv (by {worst:.1e})")


def table(kind: str, rows: list[Row], names: list[str], threads: int) -> Table:
    """Median milliseconds per call of every library; the ratio to the peer that comes nearest."""
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


def _selected(wanted: list[str] | None) -> list[AnyNet]:
    """The chains of `nets` for None, the networks of `model_nets` for ["models"], or some of both
    by name."""
    if wanted == ["models"]:
        return list(MODEL_NETS.values())
    if wanted is None:
        return [*select(None)]
    return [MODEL_NETS.get(name) or select([name])[0] for name in wanted]


def main(arguments: list[str] | None = None) -> None:
    parser = command.parser(__doc__)
    add_option(parser, f"; {', '.join(MODEL_NETS)}, or models for all of these")
    parser.add_argument(
        "--kinds",
        type=lambda text: text.split(","),
        default=list(KINDS),
        metavar="KIND,...",
        help=f"among {', '.join(KINDS)}",
    )
    options = command.parse(parser, arguments)
    try:
        nets = _selected(options.nets)
        chosen = peers.choose(options.peer, isa=options.isa)
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
