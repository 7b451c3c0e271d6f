"""Run every benchmark and write the results into docs/benchmarks.md.

    python -m benchmarks.report
    python -m benchmarks.report --output elsewhere.md --parts convolutions,networks

The page explains how it was measured; the results go between two marker lines and replace those of
the last run. Machine, date and all versions are written beside them.
"""

from __future__ import annotations

import datetime
import multiprocessing
import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks import command, peers
from fastconv.bench.tables import Table

PAGE = Path(__file__).resolve().parents[1] / "docs" / "benchmarks.md"
BEGIN = "<!-- results: begin (written by python -m benchmarks.report) -->"
END = "<!-- results: end -->"

PARTS = ("convolutions", "avx2", "pooling", "networks", "scaling", "work_split", "epoch", "memory")


def run(part: str, options) -> Iterator[Table]:
    """The tables of one part, each as soon as it is measured."""
    from benchmarks import (
        convolutions,
        epoch,
        memory,
        nets,
        networks,
        pooling,
        scaling,
        work_split,
    )
    from benchmarks.shape_files import names, read

    chosen, common = options.peer, {"threads": options.threads, "protocol": options.protocol}
    torch = "torch" if "torch" in chosen else None
    everything = nets.select(options.nets)
    if part == "convolutions":
        for name in options.shapes or sorted(names(), key=lambda name: (name != "peers", name)):
            yield convolutions.measure(
                read(name), peer=torch, title=f"Convolutions of {name}", **common
            )
        yield convolutions.measure(
            read("peers"),
            algorithm="direct",
            title="Convolutions of peers, without Winograd",
            **common,
        )
    elif part == "avx2":
        with multiprocessing.get_context("spawn").Pool(1) as process:
            yield process.apply(_convolutions_on_avx2, (torch, common))
    elif part == "pooling":
        yield pooling.measure(peer=torch, **common)
    elif part == "networks":
        for kind in networks.KINDS:
            fitting = networks.names_for(kind, chosen)
            rows = list(networks.measure(kind, everything, names=fitting, **common))
            yield networks.table(kind, rows, fitting, options.threads)
    elif part == "scaling":
        yield scaling.measure(everything, most_threads=options.threads, protocol=options.protocol)
    elif part == "work_split":
        yield from work_split.measure(everything)
    elif part == "epoch":
        both = [name for name in epoch.NAMES if name == peers.OURS or name in chosen]
        yield epoch.measure(names=both, **common)
    elif part == "memory":
        yield from memory.measure(
            everything, names=networks.names_for("training", chosen), threads=options.threads
        )


def _convolutions_on_avx2(torch: str | None, common: dict) -> Table:
    """Both sides held to AVX2, which a process can only be before it has loaded them."""
    os.environ.update(command.AVX2)
    from benchmarks import convolutions
    from benchmarks.shape_files import read

    return convolutions.measure(
        read("peers"), peer=torch, title="Convolutions of peers, both held to AVX2", **common
    )


def machine(options) -> list[str]:
    """What the numbers depend on, as Markdown list items."""
    from fastconv import runtime

    versions = [peers.version(name) for name in (peers.OURS, *options.peer)]
    return [
        f"- date: {datetime.date.today().isoformat()}",
        f"- processor: {processor()}, {os.cpu_count()} CPUs, {options.threads} used",
        f"- system: {platform.system()} {platform.release()}, Python {platform.python_version()}",
        f"- instruction set: {runtime.isa()}",
        f"- libraries: {'; '.join(versions)}",
        f"- protocol: {options.rounds} rounds of {options.block} s blocks, "
        f"{options.pause} s pause before each",
    ]


def processor() -> str:
    """The processor's own name where the system tells it, else the architecture."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def replace_results(page: str, results: str) -> str:
    """``page`` with ``results`` between its markers; ValueError unless it has both, once each."""
    if page.count(BEGIN) != 1 or page.count(END) != 1 or page.index(BEGIN) > page.index(END):
        raise ValueError(f"the page must hold the lines {BEGIN!r} and {END!r}, in this order")
    head, rest = page.split(BEGIN)
    _, tail = rest.split(END)
    return f"{head}{BEGIN}\n\n{results.strip()}\n\n{END}{tail}"


def main(arguments: list[str] | None = None) -> None:
    parser = command.parser(__doc__)
    parser.add_argument("--output", type=Path, default=PAGE, help="the page to write into")
    parser.add_argument(
        "--parts",
        type=lambda text: text.split(","),
        default=list(PARTS),
        metavar="PART,...",
        help=f"among {', '.join(PARTS)}",
    )
    for name, what in (("shapes", "files of convolutions"), ("nets", "networks")):
        parser.add_argument(
            f"--{name}",
            type=lambda text: text.split(","),
            metavar="NAME,...",
            help=f"only these {what} (default: all)",
        )
    options = command.parse(parser, arguments)
    unknown = set(options.parts) - set(PARTS)
    if unknown:
        parser.error(f"no part named {', '.join(sorted(unknown))}; there are: {', '.join(PARTS)}")
    try:
        options.peer = peers.choose(options.peer, isa=options.isa)
        replace_results(options.output.read_text(encoding="utf-8"), "")
    except (OSError, ValueError) as error:
        parser.error(str(error))
    results = ["## Results", "", *machine(options), ""]
    for part in options.parts:
        print(f"measuring {part}", file=sys.stderr)
        for table in run(part, options):
            table.show()
            results += [table.markdown()]
        # After each part, since the whole takes long and may be stopped.
        page = replace_results(options.output.read_text(encoding="utf-8"), "\n".join(results))
        options.output.write_text(page, encoding="utf-8")
    print(f"wrote {options.output}", file=sys.stderr)


if __name__ == "__main__":
    main()
