"""Inference of networks on 8-bit integers, against the libraries that quantize them as well.

    python -m benchmarks.quantized
    python -m benchmarks.quantized --nets mobilenet --peer onnxruntime

Every library gets the same float32 network and the same images to calibrate with, and quantizes as
its documentation advises: ONNX Runtime statically to a QDQ model, OpenVINO by NNCF. The table has
the milliseconds per call, the ratios, and the distance of each library's result from its own
float32 one.

Libraries take turns in processes of their own, as in `networks`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from benchmarks import command, peers
from benchmarks.model_nets import MODEL_NETS, AnyNet
from benchmarks.nets import NETS
from benchmarks.timing import Protocol, Timing, alternate_blocks, geometric_mean, ratio
from benchmarks.worker import Worker
from fastconv.bench.tables import Table

# Networks and batch sizes, of which `--nets` selects.
CASES = {
    "cifar": (64,), "vgg16": (1,), "resnet50": (1, 8), "mobilenet": (1, 16),
}  # fmt: skip


class Row(NamedTuple):
    """By library: the timings, fastconv's over all turns; the ratios of each peer's to them; the
    errors against float32."""

    net: AnyNet
    batch: int
    timings: dict[str, Timing]
    ratios: dict[str, float]
    errors: dict[str, float]

    @property
    def ratio(self) -> float | None:
        """Time of the peer that comes nearest over ours."""
        return min(self.ratios.values(), default=None)


def relative_error(found: np.ndarray, exact: np.ndarray) -> float:
    """Return the distance (L2) of two arrays of probabilities, over the norm of `exact`.

    >>> relative_error(np.array([[0.4, 0.6]]), np.array([[0.4, 0.6]]))
    0.0
    """
    return float(np.linalg.norm(found - exact) / np.linalg.norm(exact))


def _error(name: str, worker: Worker, made_of: tuple) -> float:
    worker.call()
    with Worker(peers.session, name, "inference", *made_of) as exact:
        exact.call()
        return relative_error(worker.result(), exact.result())


def measure(
    nets: list[str], *, names: list[str], threads: int, protocol: Protocol | None = None
) -> Iterator[Row]:
    """Measure the networks `nets` of CASES against the peers `names`."""
    for name in nets:
        for batch in CASES[name]:
            yield measure_one(name, batch, names=names, threads=threads, protocol=protocol)


def measure_one(
    net: str, batch: int, *, names: list[str], threads: int, protocol: Protocol | None = None
) -> Row:
    """One network, one batch size. Raises WorkerError if a library fails."""
    made_of = (net, batch, threads)
    ours: list[Timing] = []
    timings: dict[str, Timing] = {}
    ratios: dict[str, float] = {}
    with Worker(peers.session, peers.OURS, "quantized", *made_of) as worker:
        errors = {peers.OURS: _error(peers.OURS, worker, made_of)}
        for name in names:
            with Worker(peers.session, name, "quantized", *made_of) as peer:
                errors[name] = _error(name, peer, made_of)
                turns = {peers.OURS: worker.block, name: peer.block}
                both = alternate_blocks(turns, protocol)
            ours.append(both[peers.OURS])
            timings[name] = both[name]
            ratios[name] = ratio(both[name], both[peers.OURS])
        if not ours:
            ours = [alternate_blocks({peers.OURS: worker.block}, protocol)[peers.OURS]]
    blocks = tuple(block for timing in ours for block in timing.blocks)
    timings[peers.OURS] = Timing(blocks, min(timing.best for timing in ours))
    return Row(NETS.get(net) or MODEL_NETS[net], batch, timings, ratios, errors)


def table(rows: list[Row], names: list[str], threads: int) -> Table:
    """Median milliseconds per call and error of every library, and the ratio to the nearest."""
    libraries = [peers.OURS, *names]
    made = Table(
        f"Inference on 8-bit integers, median, {threads} threads",
        [
            "network, batch",
            *(f"{name} ms" for name in libraries),
            *(["ratio to the fastest"] if names else []),
            *(f"{name} error" for name in libraries),
        ],
    )
    for row in rows:
        made.add(
            f"{row.net.title}, {row.batch}",
            *(row.timings[name].median * 1e3 for name in libraries),
            *([row.ratio] if names else []),
            *(f"{row.errors[name]:.1e}" for name in libraries),
        )
    ratios = [row.ratio for row in rows if row.ratio is not None]
    if ratios:
        made.notes.append(
            f"geometric mean of the ratio: {geometric_mean(ratios):.2f} "
            f"(smallest {min(ratios):.2f})"
        )
    return made


def main(arguments: list[str] | None = None) -> None:
    parser = command.parser(__doc__)
    parser.add_argument(
        "--nets",
        type=lambda text: text.split(","),
        default=list(CASES),
        metavar="NET,...",
        help=f"among {', '.join(CASES)}",
    )
    options = command.parse(parser, arguments)
    unknown = set(options.nets) - set(CASES)
    if unknown:
        parser.error(f"no network named {', '.join(sorted(unknown))}")
    try:
        names = peers.choose(options.peer, isa=options.isa, quantizing=True)
    except ValueError as error:
        parser.error(str(error))
    rows = list(
        measure(options.nets, names=names, threads=options.threads, protocol=options.protocol)
    )
    table(rows, names, options.threads).show()


if __name__ == "__main__":
    main()
