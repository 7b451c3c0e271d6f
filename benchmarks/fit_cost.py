"""Measures the algorithms of convolution passes, and fits the cost estimate that chooses one.

    python -m benchmarks.fit_cost                measure into cost/<processor>.csv; repeat to resume
    python -m benchmarks.fit_cost --isa avx2     the same on another instruction set
    python -m benchmarks.fit_cost --regret       compare the choice in use with the measurements
    python -m benchmarks.fit_cost --fit          write schedule/cost_table.h, then build again

A choice that depends on the shape needs an estimate of the time of each algorithm. Its coefficients
must not depend on the processor, because every bit of a result follows from the choice; so they are
fitted to the measurements of all processors together.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import time
from pathlib import Path

from benchmarks import cost_model, cost_samples, cost_table, shape_files
from benchmarks.cost_samples import Sample
from benchmarks.timing import Protocol, alternate
from fastconv.bench import operations, processor
from fastconv.bench.operations import PASSES, Convolution

ALGORITHMS = ("direct", "scatter", "winograd2", "winograd4")


def rows(batches: tuple[int, ...]) -> list[Convolution]:
    """The convolutions of all shape files at the batch sizes given, 0 for that of the file.

    The file that is held out is not read: its convolutions had no part in tuning.
    A shape that occurs in several files is measured once, and so is one of groups: a single
    algorithm applies to it.
    """
    found: dict[tuple, Convolution] = {}
    for name in sorted(set(shape_files.names()) - {shape_files.HELD_OUT}):
        for row in shape_files.read(name):
            for batch in batches:
                sized = row._replace(batch=batch or row.batch)
                if row.groups == 1:
                    found.setdefault(sized[1:], sized)
    return list(found.values())


def applicable(row: Convolution, direction: str) -> list[str]:
    """The algorithms that can run a pass."""

    def applies(algorithm):
        try:
            operations.algorithm_of(row, direction, algorithm)
        except ValueError:
            return False
        return True

    return list(filter(applies, ALGORITHMS))


def measure(
    path: Path,
    sizes: list[Convolution],
    threads: tuple[int, ...],
    protocol: Protocol,
    seconds: float,
) -> int:
    """Time all algorithms of every pass that several apply to; append them to the file at `path`.

    Cases that the file has already are left out. Returns the number of cases left when `seconds`
    are over.
    """
    from fastconv import runtime

    have = {sample.case for sample in cost_samples.read(path)}
    isa, end, left = runtime.isa(), time.monotonic() + seconds, 0
    for row in sizes:
        arrays = None
        for direction in PASSES:
            algorithms = applicable(row, direction)
            if len(algorithms) == 1:
                continue
            for count in threads:
                for frozen in (False, True)[: 1 + (direction == "forward")]:
                    case = (isa, count, direction, frozen, *row[1:])
                    if case in have:
                        continue
                    if time.monotonic() >= end:
                        left += 1
                        continue
                    arrays = arrays or row.arrays()
                    sides = {
                        name: operations.convolution(
                            row, direction, arrays, count, name, frozen=frozen
                        ).call
                        for name in algorithms
                    }
                    timings = alternate(sides, protocol)
                    cost_samples.append(
                        path,
                        (
                            Sample(*case[:4], row, name, timing.median * 1e3)
                            for name, timing in timings.items()
                        ),
                    )
    return left


def comments(protocol: Protocol) -> list[str]:
    """What a file of samples says about itself."""
    import fastconv
    from fastconv import runtime

    config = runtime.config()
    return [
        "Median milliseconds per call of each algorithm of a convolution pass, float32.",
        f"processor: {processor.processor()}, {os.cpu_count()} CPUs",
        f"fastconv {fastconv.__version__}, compiler {config['compiler']}, "
        f"Python {platform.python_version()}",
        f"measured from {datetime.date.today()}, {protocol.rounds} alternating blocks of "
        f"{protocol.block} s",
        "written by: python -m benchmarks.fit_cost",
    ]


def show_regret(samples: cost_model.Samples, worst: int = 5) -> None:
    """Print residuals and regret of the coefficients in use, with the worst choices of a group."""
    used = cost_table.coefficients(samples)
    print("\n".join(cost_table.lines(cost_model.quality(used, samples))))
    for group, measured in cost_model.groups(samples).items():
        print(f"\n{group}")
        regrets = sorted(cost_model.regrets(used, measured).items(), key=lambda item: -item[1])
        for name, regret in regrets[:worst]:
            print(f"  {regret:5.2f}  {name}")


def write_table(samples: cost_model.Samples) -> None:
    """Print the fit beside the coefficients in use, and write the header."""
    used, found = cost_table.coefficients(samples), cost_table.fitted(samples)
    print(f"{'term':<24} {'in use':>8} {'fitted':>8}")
    for name, a, b in zip(operations.cost_terms(), used, found, strict=True):
        print(f"{name:<24} {a:8g} {b:8g}")
    present, fitted = (cost_model.quality(values, samples) for values in (used, found))
    print("\nin use", *cost_table.lines(present), sep="\n")
    print("\nfitted", *cost_table.lines(fitted), sep="\n")
    better = cost_table.is_better(fitted, present)
    print(f"\nthe fit is {'better: set `FIXED` to None to adopt it' if better else 'no better'}")
    cost_table.TARGET.write_text(cost_table.text(samples))


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description="Measure the algorithms of convolution passes.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--isa", default=None, help="instruction set; the best one if not given")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], metavar="N")
    parser.add_argument(
        "--batches", type=int, nargs="+", default=[1, 0], metavar="N", help="0: as in the file"
    )
    parser.add_argument("--rounds", type=int, default=3, help="blocks per algorithm")
    parser.add_argument("--block", type=float, default=0.05, help="seconds per block")
    parser.add_argument("--pause", type=float, default=0.02, help="seconds of rest before a block")
    parser.add_argument("--seconds", type=float, default=170, help="stop after; repeat to resume")
    parser.add_argument("--regret", action="store_true", help="only compare choice and samples")
    parser.add_argument("--fit", action="store_true", help="only write schedule/cost_table.h")
    options = parser.parse_args(arguments)
    if options.regret or options.fit:
        samples = cost_samples.read_all()
        if options.regret:
            show_regret(samples)
        if options.fit:
            write_table(samples)
        return
    if options.isa:
        os.environ["FASTCONV_ISA"] = options.isa
    protocol = Protocol(options.rounds, options.block, options.pause)
    path = cost_samples.FOLDER / f"{processor.file_name()}.csv"
    if not path.exists():
        cost_samples.create(path, comments(protocol))
    left = measure(
        path, rows(tuple(options.batches)), tuple(options.threads), protocol, options.seconds
    )
    print(f"{path.name}: {len(cost_samples.read(path))} samples; {left} cases are left")


if __name__ == "__main__":
    main()
