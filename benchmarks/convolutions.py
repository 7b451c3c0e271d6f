"""Single convolutions: GFLOP/s of every pass, percent of the multiply-add peak, ratio to a peer.

    python -m benchmarks.convolutions --shapes peers --passes forward,backward_kernel
    python -m benchmarks.convolutions --shapes vgg16 --rows conv3_2 --algorithm direct --peer none
    python -m benchmarks.convolutions --isa avx2

GFLOP/s count the multiply-adds of the direct algorithm whatever runs, so Winograd can exceed the
peak: it needs fewer of them.
"""

from __future__ import annotations

import importlib.util

from benchmarks import command
from benchmarks.shape_files import names, read, select
from benchmarks.timing import Protocol, alternate, geometric_mean, ratio
from fastconv.bench.operations import PASSES, Convolution
from fastconv.bench.tables import Table

ALGORITHMS = ("auto", "direct", "scatter", "winograd2", "winograd4")


def measure(
    rows: list[Convolution],
    *,
    passes: tuple[str, ...] = PASSES,
    threads: int = 1,
    algorithm: str = "auto",
    peer: str | None = None,
    frozen: bool = False,
    protocol: Protocol | None = None,
    title: str = "Single convolutions",
) -> Table:
    """Measure ``rows``, one line of the table for each row and pass.

    ``algorithm`` other than "auto" applies where it can; a row that a forced one does not fit is
    left out and named in the notes.
    """
    from benchmarks import single_ops
    from fastconv import runtime
    from fastconv.bench import operations
    from fastconv.bench.peak import Peak

    peak = Peak(threads)
    peak.measure()
    columns = ["layer", "pass", "algorithm", "ms", "GFLOP/s", "% of peak", "fastest call"]
    table = Table(
        f"{title}, float32, {runtime.isa()}, {threads} threads",
        columns + ([f"{peer} GFLOP/s", "ratio"] if peer else []),
    )
    ratios: dict[str, list[float]] = {direction: [] for direction in passes}
    for row in rows:
        arrays = row.arrays()
        for direction in passes:
            try:
                ours = operations.convolution(
                    row, direction, arrays, threads, algorithm, frozen=frozen
                )
            except ValueError as error:
                if algorithm in ("auto", "direct"):
                    raise
                table.notes.append(f"{row.name} {direction}: {error}")
                continue
            sides = {"fastconv": ours.call}
            if peer:
                other = single_ops.torch_convolution(row, direction, arrays, threads)
                single_ops.check_agreement(ours, other, f"{row.name} {direction}")
                sides[peer] = other.call
            timings = alternate(sides, protocol)
            peak.measure(1)
            seconds = timings["fastconv"].median
            gflops = row.flops / seconds / 1e9
            chosen = operations.algorithm_of(row, direction, algorithm, frozen=frozen)
            fastest = row.flops / timings["fastconv"].best / 1e9
            cells = [row.name, direction, chosen, seconds * 1e3, gflops]
            cells += [peak.percent(gflops), peak.percent(fastest)]
            if peer:
                times_faster = ratio(timings[peer], timings["fastconv"])
                ratios[direction].append(times_faster)
                cells += [row.flops / timings[peer].median / 1e9, times_faster]
            table.add(*cells)
    table.notes.append(
        f"multiply-add peak: {peak.gflops:.0f} GFLOP/s, the largest measured in this run; "
        "fastest call: the % of it that the least disturbed call reached"
    )
    if peer:
        table.notes += _means(ratios)
    return table


def _means(ratios: dict[str, list[float]]) -> list[str]:
    every = [value for values in ratios.values() for value in values]
    if not every:
        return []
    notes = [
        f"geometric mean of the ratio, {direction}: {geometric_mean(values):.2f} "
        f"(smallest {min(values):.2f})"
        for direction, values in ratios.items()
        if values
    ]
    notes.append(
        f"geometric mean of all {len(every)}: {geometric_mean(every):.2f}; "
        f"below 1: {sum(value < 1 for value in every)}"
    )
    return notes


def torch_or_none(wanted: list[str] | None) -> str | None:
    """PyTorch is the only peer whose single operations can be called; None if absent or unwanted.

    A peer that was asked for by name and is missing is an error, not a silent omission.
    """
    installed = importlib.util.find_spec("torch") is not None
    if wanted is None:
        return "torch" if installed else None
    others = set(wanted) - {"torch"}
    if others:
        raise SystemExit(
            f"single operations can be compared with torch only, "
            f"received {', '.join(sorted(others))}"
        )
    if "torch" in wanted and not installed:
        raise SystemExit("torch is not installed")
    return "torch" if "torch" in wanted else None


def main(arguments: list[str] | None = None) -> None:
    parser = command.parser(__doc__)
    parser.add_argument("--shapes", default="peers", choices=names(), help="file of shapes/")
    parser.add_argument(
        "--rows",
        type=lambda text: text.split(","),
        default=None,
        metavar="NAME,...",
        help="only these rows",
    )
    parser.add_argument(
        "--passes",
        type=lambda text: tuple(text.split(",")),
        default=PASSES,
        metavar="PASS,...",
        help=f"among {', '.join(PASSES)}",
    )
    parser.add_argument("--algorithm", default="auto", choices=ALGORITHMS)
    parser.add_argument(
        "--frozen",
        action="store_true",
        help="pack the filters of forward passes once, as for inference",
    )
    options = command.parse(parser, arguments)
    unknown = set(options.passes) - set(PASSES)
    if unknown:
        parser.error(f"no pass named {', '.join(sorted(unknown))}; there are: {', '.join(PASSES)}")
    try:
        rows = select(read(options.shapes), options.rows)
    except ValueError as error:
        parser.error(str(error))
    measure(
        rows,
        passes=options.passes,
        threads=options.threads,
        algorithm=options.algorithm,
        peer=torch_or_none(options.peer),
        frozen=options.frozen,
        protocol=options.protocol,
        title=f"Single convolutions of {options.shapes}",
    ).show()


if __name__ == "__main__":
    main()
